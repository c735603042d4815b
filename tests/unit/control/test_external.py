# SPDX-License-Identifier: Apache-2.0
"""Messages of external workers: what is accepted, and whose word a tick uses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.external import ControllerGate, EstimatorGate, Rejects, Verdict, age_verdict
from pilotlight.runtime.control.samples import MS, NO_ESTIMATE, Command, Estimate, Reason
from pilotlight.runtime.control.selection import (
    Source,
    control_reason,
    sanitized,
    select_command,
    select_estimate,
)
from pilotlight.tags.messages import ControllerCommand, EstimatorState, Four

HALF = math.sqrt(0.5)
UP: Four = (HALF, 0.0, HALF, 0.0)
FAILSAFE: Four = (0.1, 0.2, 0.3, 0.4)
ZERO = (0.0, 0.0, 0.0)


def state(t_ms: int, attitude: Four = UP, valid: bool = True, velocity: float = 1.0) -> bytes:
    return EstimatorState(1, t_ms * MS, valid, attitude, (velocity, 0.0, 0.0), ZERO).pack()


def servos(t_ms: int, first: float = 0.5) -> bytes:
    return ControllerCommand(1, t_ms * MS, True, (first, 0.0, 0.0, 0.0)).pack()


def test_the_age_of_a_message() -> None:
    fresh = 20
    assert age_verdict(0, 5, 0, fresh) is Verdict.STALE
    assert age_verdict(6, 5, 0, fresh) is Verdict.FUTURE
    assert age_verdict(1, 1 + fresh * MS, 0, fresh) is Verdict.ACCEPTED
    assert age_verdict(1, 2 + fresh * MS, 0, fresh) is Verdict.STALE
    assert age_verdict(4, 5, 5, fresh) is Verdict.REGRESSION
    assert age_verdict(5, 5, 5, fresh) is Verdict.ACCEPTED


def test_a_refused_future_does_not_poison_what_follows() -> None:
    gate = ControllerGate(20, Rejects())
    assert gate.offer(servos(100), 100 * MS) is Verdict.ACCEPTED
    assert gate.offer(servos(500), 110 * MS) is Verdict.FUTURE
    assert gate.offer(servos(105), 110 * MS) is Verdict.ACCEPTED
    assert gate.last_accepted_ns == 105 * MS


def test_every_refusal_is_counted() -> None:
    rejects = Rejects()
    estimator, controller = EstimatorGate(20, rejects), ControllerGate(20, rejects)
    now = 1000 * MS
    good = servos(1000)
    assert controller.offer(good[:-1], now) is Verdict.SCHEMA
    assert controller.offer(state(1000), now) is Verdict.SCHEMA
    assert controller.offer(good[:40] + b"\xff" + good[41:], now) is Verdict.CRC
    assert controller.offer(servos(1000, 1.5), now) is Verdict.PAYLOAD
    assert controller.offer(servos(1000, math.nan), now) is Verdict.PAYLOAD
    assert controller.offer(servos(900), now) is Verdict.STALE
    assert controller.offer(servos(1001), now) is Verdict.FUTURE
    assert controller.offer(servos(999), now) is Verdict.ACCEPTED
    assert controller.offer(servos(998), now) is Verdict.REGRESSION
    assert estimator.offer(state(1000, valid=False), now) is Verdict.PAYLOAD
    assert (controller.rejected, estimator.rejected) == (8, 1)
    assert (rejects.schema, rejects.crc, rejects.stale, rejects.regression) == (2, 1, 2, 1)
    assert controller.command.t_ns == 999 * MS


@pytest.mark.parametrize(
    ("norm", "verdict"),
    [(0.849, Verdict.PAYLOAD), (0.851, Verdict.ACCEPTED), (1.149, Verdict.ACCEPTED), (1.151, Verdict.PAYLOAD)],
)
def test_an_attitude_must_be_near_a_rotation(norm: float, verdict: Verdict) -> None:
    assert EstimatorGate(20, Rejects()).offer(state(5, (norm, 0.0, 0.0, 0.0)), 5 * MS) is verdict


def test_an_estimate_that_is_no_number_is_refused() -> None:
    gate = EstimatorGate(20, Rejects())
    assert gate.offer(state(5, velocity=math.inf), 5 * MS) is Verdict.PAYLOAD
    assert gate.offer(state(5, (0.0, 0.0, 0.0, 0.0)), 5 * MS) is Verdict.PAYLOAD
    assert gate.estimate == NO_ESTIMATE


def estimate(t_ms: int, valid: bool = True) -> Estimate:
    return Estimate(valid, t_ms * MS, UP, ZERO, ZERO)


@pytest.mark.parametrize(
    ("now_ms", "native", "native_ms", "source"),
    [
        (10, True, 2, Source.FRESH),
        (50, True, 2, Source.HELD),
        (250, True, 248, Source.NATIVE),
        (250, True, 150, Source.NATIVE),
        (250, True, 149, Source.FAILSAFE),
        (250, False, 248, Source.FAILSAFE),
    ],
)
def test_whose_estimate_is_used(now_ms: int, native: bool, native_ms: int, source: Source) -> None:
    used, found = select_estimate(estimate(1), estimate(native_ms, native), now_ms * MS, 20, 100)
    assert found is source
    assert used.valid is (source is not Source.FAILSAFE)
    assert used.t_ns == {Source.NATIVE: native_ms * MS, Source.FAILSAFE: now_ms * MS}.get(source, MS)


@pytest.mark.parametrize(("now_ms", "source"), [(5, Source.FRESH), (60, Source.HELD), (250, Source.FAILSAFE)])
def test_whose_command_is_used(now_ms: int, source: Source) -> None:
    external = Command(True, False, MS, (1.0, 0.0, 0.0, 0.0))
    used, found = select_command(external, FAILSAFE, now_ms * MS, 20, 100)
    assert found is source
    assert used == (
        Command(True, True, 250 * MS, FAILSAFE, Reason.COMMAND_TIMEOUT) if source is Source.FAILSAFE else external
    )


TIMES = st.integers(0, 400 * MS)


@given(TIMES, TIMES, st.booleans(), st.booleans(), st.integers(0, 50), st.integers(0, 200))
def test_what_is_used_was_valid_and_young(
    t_ns: int, now_ns: int, valid: bool, native: bool, fresh_ms: int, hold_ms: int
) -> None:
    external = Estimate(valid, t_ns, UP, ZERO, ZERO)
    used, source = select_estimate(external, estimate(2, native), now_ns, fresh_ms, hold_ms)
    if source in (Source.FRESH, Source.HELD):
        assert used is external
        assert valid
        assert 0 < t_ns <= now_ns
        assert now_ns - t_ns <= (fresh_ms if source is Source.FRESH else hold_ms) * MS
    assert used.valid is (source is not Source.FAILSAFE)
    command, found = select_command(Command(valid, True, t_ns, UP), FAILSAFE, now_ns, fresh_ms, hold_ms)
    if found is Source.FAILSAFE:
        assert command.servos == FAILSAFE
    else:
        assert valid
        assert now_ns - t_ns <= max(fresh_ms, hold_ms) * MS


def test_reasons_have_an_order() -> None:
    assert control_reason(True, True, False) is Reason.KILL_SWITCH
    assert control_reason(False, True, False) is Reason.IMU_STALE
    assert control_reason(False, False, False) is Reason.INVALID_ESTIMATOR
    assert control_reason(False, False, True) is Reason.NONE


def test_a_command_is_cut_to_its_range() -> None:
    command = sanitized(Command(True, True, 1, (2.0, -2.0, math.nan, 0.25)), 9)
    assert command == Command(False, True, 9, (1.0, -1.0, 0.0, 0.25))
    assert sanitized(Command(True, True, 1, (math.inf, -math.inf, 0.0, 0.0)), 9).servos == (1.0, -1.0, 0.0, 0.0)
