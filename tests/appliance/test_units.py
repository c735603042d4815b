# SPDX-License-Identifier: Apache-2.0
"""Units, sandboxes and bus policy on the real systemd."""

import pytest

from tests.appliance.conftest import Contained
from tests.support import access
from tests.support.appliance import DAEMONS, bus, run, unit_property

EXPOSURE_LIMIT = 2.0

UNITS = [f"pilotlight-{name}.service" for name in DAEMONS]
# What works for a moment with rights of root.
HELPERS = [
    f"pilotlight-{name}.service"
    for name in ("provision", "restore", "reset-button", "keeper@1", "boot", "health", "trial-end")
]


def test_system_is_running_without_failed_units(appliance: Contained) -> None:
    assert run(appliance, "systemctl list-units --failed --plain --no-legend") == ""
    assert appliance.execute("systemctl is-system-running")[1].strip() == "running"


def test_every_daemon_is_ready_and_watched(appliance: Contained) -> None:
    for daemon in DAEMONS:
        assert unit_property(appliance, daemon, "ActiveState") == "active"
        assert unit_property(appliance, daemon, "Type") == "notify"
        assert unit_property(appliance, daemon, "WatchdogUSec") == "10s"
        assert unit_property(appliance, daemon, "User") == f"pilotlight-{daemon}"


def test_systemd_verifies_the_units(appliance: Contained) -> None:
    code, output = appliance.execute(f"systemd-analyze verify --man=no {' '.join(UNITS + HELPERS)}")
    mine = [line for line in output.splitlines() if "pilotlight" in line]
    assert (code, mine) == (0, [])


@pytest.mark.parametrize("unit", [*UNITS, *HELPERS])
def test_exposure_is_low(appliance: Contained, unit: str) -> None:
    output = run(appliance, f"systemd-analyze security --offline=true --no-pager {unit} | tail -1")
    score = float(output.split(":")[1].split()[0])
    assert score <= EXPOSURE_LIMIT, output


@pytest.mark.parametrize("daemon", DAEMONS)
def test_introspection_documents_every_member(appliance: Contained, daemon: str) -> None:
    access.introspection_documents_every_member(appliance, daemon)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_status_is_the_same_everywhere(appliance: Contained, daemon: str) -> None:
    status = bus(appliance, daemon, "Status")[0]
    assert {"Daemon", "Version", "Healthy", "Problems", "Started"} <= set(status)
    assert status["Daemon"]["data"] == daemon


@pytest.mark.parametrize("daemon", DAEMONS)
def test_who_may_read_over_the_bus(appliance: Contained, daemon: str) -> None:
    access.reading_is_for_the_group(appliance, daemon)


def test_a_reader_cannot_command(appliance: Contained) -> None:
    access.a_reader_cannot_command(appliance)


def test_who_may_read_tags(appliance: Contained) -> None:
    access.reading_tags_is_for_the_group(appliance)


def test_igniter_refuses_to_arm_and_says_why(appliance: Contained) -> None:
    code, output = appliance.execute(access.call("igniter", "OpenSession"))
    assert code != 0
    assert "arm" in output.lower()


def test_scan_is_real_time_locked_and_small(appliance: Contained) -> None:
    access.scan_is_real_time_locked_and_small(appliance)
