# SPDX-License-Identifier: Apache-2.0
"""The simulated day of the igniter, for three minutes of it: everything is explained, and what is broken is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from pilotlight.igniter.arming import Cause, Inputs
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


class Between:
    """A machine that is told of its inputs what `change` makes of them."""

    def __init__(self, machine: Machine, change: Callable[[Inputs], Inputs]) -> None:
        self._machine = machine
        self._change = change

    def tick(self, inputs: Inputs) -> None:
        self._machine.tick(self._change(inputs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)


def soak_with(change: Callable[[Inputs], Inputs]) -> Soak:
    made = Soak(1, Policy.GLOBAL)
    vars(made)["_machine"] = Between(vars(made)["_machine"], change)
    made.run(SECONDS)
    return made


@pytest.mark.parametrize(
    "overlooked",
    [
        lambda told: replace(told, kill_closed=True),
        lambda told: replace(told, supervisor_ns=told.now_ns, guard_ns=told.now_ns),
        lambda told: replace(told, outputs=0),
    ],
    ids=["kill switch", "watchdogs", "outputs"],
)
def test_an_igniter_that_overlooks_hazards_is_found_out(overlooked: Callable[[Inputs], Inputs]) -> None:
    assert soak_with(overlooked).unexplained > 0


def test_an_igniter_that_is_safe_for_no_reason_is_found_out() -> None:
    ticks = count(1)
    assert soak_with(lambda told: told if next(ticks) % 500 else replace(told, kill_closed=False)).unexplained > 0
