# SPDX-License-Identifier: Apache-2.0
"""The booted image's daemons: all there, back after SIGKILL and SIGSTOP, and for those only who may."""

import pytest

from tests.support import access, scenarios
from tests.support.appliance import DAEMONS, run, unit_property, wait_until_active
from tests.support.editor import Editor
from tests.system.conftest import Emulated

WATCHDOG_S = 10.0
START_S = 120.0  # a daemon's start on an emulated processor, with others starting beside it
OTHERS = [name for name in DAEMONS if name != "runtime"]


def test_system_is_running_without_failed_units(appliance: Emulated) -> None:
    assert run(appliance, "systemctl list-units --failed --plain --no-legend").strip() == ""
    assert appliance.execute("systemctl is-system-running")[1].strip() == "running"


def test_the_root_is_verified_and_read_only(appliance: Emulated) -> None:
    assert "erofs ro," in run(appliance, "grep ' / ' /proc/mounts")
    assert "CRYPT-VERITY" in run(appliance, "cat /sys/block/dm-0/dm/uuid")
    assert appliance.execute("touch /usr/bin/x")[0] != 0


def test_the_kernel_is_the_real_time_one(appliance: Emulated) -> None:
    assert "PREEMPT_RT" in run(appliance, "uname -v")


def test_the_data_partition_fills_the_disk(appliance: Emulated) -> None:
    free_mb = int(run(appliance, "df --output=avail -BM /data | tail -1").strip().removesuffix("M"))
    assert free_mb > 4000


def test_access(appliance: Emulated) -> None:
    for daemon in DAEMONS:
        access.introspection_documents_every_member(appliance, daemon)
    access.reading_is_for_the_group(appliance, "runtime")
    access.a_reader_cannot_command(appliance)
    access.reading_tags_is_for_the_group(appliance)


def test_scan_is_real_time_locked_and_small(appliance: Emulated) -> None:
    access.scan_is_real_time_locked_and_small(appliance)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_killed_daemons_come_back(appliance: Emulated, signal: str) -> None:
    before = {daemon: unit_property(appliance, daemon, "MainPID") for daemon in OTHERS}
    run(appliance, f"kill -{signal} {' '.join(before.values())}")
    for daemon, pid in before.items():
        wait_until_active(appliance, daemon, pid, WATCHDOG_S + START_S)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_outputs_are_safe_while_runtime_is_away(appliance: Emulated, editor: Editor, signal: str) -> None:
    scenarios.outputs_are_safe_while_runtime_is_away(appliance, editor, signal, WATCHDOG_S + START_S)
