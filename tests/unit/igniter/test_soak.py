# SPDX-License-Identifier: Apache-2.0
"""The simulated day of the igniter, for three minutes of it: everything is explained, and what is broken is found."""

from __future__ import annotations

import pytest
from pilotlight.igniter.arming import Cause
from pilotlight.igniter.bank import Policy
from pilotlight.igniter.machine import Machine

from tests.bench.igniter_soak import LATE_NS, TICK_NS, Soak

SECONDS = 180.0


def soak(seed: int = 1, policy: Policy = Policy.GLOBAL) -> Soak:
    made = Soak(seed, policy)
    made.run(SECONDS)
    return made


@pytest.mark.parametrize("policy", list(Policy))
def test_some_minutes_of_failures_is_explained_and_can_be_made_again(policy: Policy) -> None:
    first, again, other = soak(policy=policy), soak(policy=policy), soak(2, policy)
    assert first.unexplained == 0
    assert first.shots > 30
    assert first.worst_ms < (TICK_NS + LATE_NS) / 1e6
    assert {Cause.FIRED, Cause.COMMAND, Cause.KILL_SWITCH, Cause.SWITCHED_OFF} <= set(first.causes)
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize("broken", ["_hazard", "_watched"])
def test_an_igniter_that_overlooks_hazards_is_found_out(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, broken, lambda machine: None if broken == "_hazard" else True)
    assert soak().unexplained > 0


def test_an_igniter_that_is_safe_for_no_reason_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hazard = Machine._hazard
    odd = {"ticks": 0}

    def sometimes(machine: Machine) -> Cause | None:
        odd["ticks"] += 1
        return Cause.INTERLOCK if odd["ticks"] % 500 == 0 else hazard(machine)

    monkeypatch.setattr(Machine, "_hazard", sometimes)
    assert soak().unexplained > 0
