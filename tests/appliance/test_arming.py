# SPDX-License-Identifier: Apache-2.0
"""Arming is for those whom the device's owner put into a group of its own, and for nobody else; by every door."""

from collections.abc import Iterator

import pytest

from tests.appliance.conftest import Contained
from tests.support import igniting, refusals
from tests.support.access import OPERATOR, READER, as_user, call
from tests.support.appliance import run
from tests.support.editor import Editor
from tests.support.igniting import Site

ARMER = "pilotlight pilotlight-igniter"


class Lines:
    """The igniter's simulated chip in the container."""

    label = "igniter0"

    def __init__(self, appliance: Contained) -> None:
        self._appliance = appliance

    def driving(self, line: int, level: bool) -> str:
        return f'python3 -c "{_IMPORT}; {_CHIP}.drive({line}, {level})"'

    def level(self, line: int) -> bool:
        return run(self._appliance, f'python3 -c "{_IMPORT}; print({_CHIP}.level({line})[0])"').strip() == "True"


_IMPORT = "import pathlib; from pilotlight.io.simulated import SimulatedChip"
_CHIP = "SimulatedChip.existing(pathlib.Path('/run/pilotlight/igniter/igniter0.lines'))"


@pytest.fixture(scope="module")
def site(appliance: Contained) -> Iterator[Site]:
    yield Site(appliance, Lines(appliance), more={"simulated": {}})
    run(appliance, f"rm {igniting.SETTINGS} && systemctl restart pilotlight-igniter", 60)


def test_only_group_igniter_may_ask_to_arm(appliance: Contained) -> None:
    arm = call("igniter", "Arm") + " tuts 1 1 1 123456"
    for groups in (READER, OPERATOR):
        code, output = as_user(appliance, groups, arm)
        assert code != 0
        assert "denied" in output.lower()
    # Past the policy and the igniter's own check: without `arming` in igniter.yaml, arming itself is refused.
    code, output = as_user(appliance, ARMER, arm)
    assert code != 0
    assert "denied" not in output.lower()
    assert "not in group" not in output
    assert "arm" in output.lower()


def test_resetting_users_is_for_root(appliance: Contained) -> None:
    code, output = as_user(appliance, f"{OPERATOR} pilotlight-igniter", call("web", "ResetUsers"))
    assert code != 0
    assert "denied" in output.lower()


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
