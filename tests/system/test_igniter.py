# SPDX-License-Identifier: Apache-2.0
"""Arming and firing on the booted image: outputs, STATUS lines and kill switch are lines of its kernel."""

from collections.abc import Iterator

import pytest

from tests.support import igniting, refusals
from tests.support.appliance import run
from tests.support.editor import Editor
from tests.support.igniting import OUTPUTS, Site
from tests.system.conftest import Chip, Emulated

CHIP = "igniter-lines"
NEVER_SET = "2025-06-01"
UPTIME = "$(cut -d. -f1 /proc/uptime)"


@pytest.fixture(scope="module")
def site(appliance: Emulated) -> Iterator[Site]:
    # An emulated processor does not keep up with loop and guard: at their priority nothing else would run beside them.
    yield Site(appliance, Chip(appliance.machine, CHIP), {"priority": 0})
    run(appliance, f"rm {igniting.SETTINGS} && systemctl restart pilotlight-igniter", 180)


def test_it_is_armed_and_fired_by_bus(site: Site) -> None:
    igniting.fires_by_bus(site)


def test_it_is_armed_and_fired_by_command(site: Site) -> None:
    igniting.fires_by_cli(site)


def test_it_is_armed_and_fired_by_mailbox(site: Site) -> None:
    igniting.fires_by_mailbox(site)


def test_it_is_armed_and_fired_by_a_program_that_loses_its_session_when_it_stops(site: Site, editor: Editor) -> None:
    igniting.fires_by_program(site, editor)
    igniting.program_that_stops_loses_its_session(site, editor)


def test_every_check_refuses_with_its_text(site: Site) -> None:
    refusals.every_check_refuses(site)


def test_an_output_that_reads_on_refuses_with_its_text(site: Site, appliance: Emulated) -> None:
    igniting.configure(site)
    script = appliance.guest("outputs_on.py")
    on, off = (f"python3 {script} {refusals.IGNITER} {len(OUTPUTS)} {levels}" for levels in (0b11, 0b00))
    refusals.refused(site, "OUTPUTS_OFF", on, off)


def test_a_clock_that_was_never_set_refuses_with_its_text(site: Site) -> None:
    igniting.configure(site)
    switched_on = int(run(site.appliance, f"echo $(($(date +%s) - {UPTIME}))"))
    refusals.refused(site, "CLOCK", f"date -s {NEVER_SET}", f"date -s @$(({switched_on} + {UPTIME}))")
