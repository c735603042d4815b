# SPDX-License-Identifier: Apache-2.0
"""Arming is for those whom the device's owner put into a group of its own, and for nobody else."""

from tests.appliance.conftest import Contained
from tests.support.access import OPERATOR, READER, as_user, call

ARMER = "pilotlight pilotlight-igniter"


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
