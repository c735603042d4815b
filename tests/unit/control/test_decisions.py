# SPDX-License-Identifier: Apache-2.0
"""Estimator, controller, servo mapping, watchdog, kill switch and the recovery of a device, each by itself."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.actuator import FailsafeCounts, IoErrors, Link, Mapper, override_reason
from pilotlight.runtime.control.controller import Controller
from pilotlight.runtime.control.estimator import Estimator
from pilotlight.runtime.control.killswitch import KillSwitch
from pilotlight.runtime.control.recovery import DeviceRecovery
from pilotlight.runtime.control.samples import MS, NO_BARO, NO_ESTIMATE, NO_IMU, BaroSample, Estimate, ImuSample, Reason
from pilotlight.runtime.control.settings import ImuWatchdog as WatchdogSettings
from pilotlight.runtime.control.settings import Servo
from pilotlight.runtime.control.watchdog import Fault, ImuWatchdog, State

SECOND = 1_000_000_000


def imu(t_ns: int, ax: float = 0.5, gx: float = 0.1) -> ImuSample:
    return ImuSample(True, t_ns, ax, 0.3, 9.8, gx, -0.05, 0.02)


ESTIMATES = """
0.999999821 0.000306026835 -0.000509523728 1.55927964e-07 -27.0936775
0.999999046 0.000801976945 -0.00110682449 4.08875894e-05 -27.1771545
0.999997735 0.00128805463 -0.0016921385 8.21792928e-05 -27.3357677
"""
DEFLECTIONS = """
-0.024457321566 0.00701160745465 -0.00701160745465 0.024457321566
-0.0270810968778 0.0067681826422 -0.0067681826422 0.0270810968778
-0.0296523964732 0.0065296264956 -0.0065296264956 0.0296523964732
"""


def test_estimator_and_controller_are_equal_to_the_last_digit() -> None:
    estimator, controller = Estimator(0.02, 0.1), Controller(1.2, 1.2, 0.15, 0.8)
    for i, (wanted, deflected) in enumerate(
        zip(ESTIMATES.strip().splitlines(), DEFLECTIONS.strip().splitlines(), strict=True)
    ):
        sample = imu(SECOND + i * 4 * MS)
        estimate = estimator.step(sample, BaroSample(True, 1, 101000.0 - 10 * i, 20.0))
        assert " ".join(f"{value:.9g}" for value in (*estimate.attitude, estimate.position[2])) == wanted
        assert " ".join(f"{value:.12g}" for value in controller.step(estimate, sample)) == deflected


def test_an_estimate_needs_a_valid_sample_and_keeps_nothing_of_a_bad_one() -> None:
    estimator, other = Estimator(0.02, 0.1), Estimator(0.02, 0.1)
    assert estimator.step(NO_IMU, NO_BARO) == NO_ESTIMATE
    assert not estimator.step(imu(1, ax=math.nan), NO_BARO).valid
    assert not estimator.step(imu(2, gx=math.inf), NO_BARO).valid
    assert estimator.step(imu(3), NO_BARO) == other.step(imu(3), NO_BARO)


@pytest.mark.parametrize("pressure", [0.0, -5.0, 9.0, 1e300, math.nan, math.inf])
def test_a_pressure_that_air_cannot_have_is_ignored(pressure: float) -> None:
    estimator = Estimator(0.02, 0.1)
    assert estimator.step(imu(1), BaroSample(True, 1, pressure, 20.0)).position == (0.0, 0.0, 0.0)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.integers(0, 10**12), NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_no_sample_makes_an_estimate_that_is_no_rotation(samples: list[tuple[int, float, float, float]]) -> None:
    estimator = Estimator(0.02, 0.1)
    for t_ns, a, g, p in samples:
        estimate = estimator.step(ImuSample(True, t_ns, a, a, -a, g, -g, g), BaroSample(True, t_ns, p, 20.0))
        if estimate.valid:
            assert math.isclose(math.hypot(*estimate.attitude), 1.0, abs_tol=1e-6)
            assert all(math.isfinite(value) for value in estimate.position)


def test_the_controller_turns_to_its_set_points_and_never_beyond_its_limit() -> None:
    level = Estimate(True, 1, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    still = ImuSample(True, 1, 0.0, 0.0, 9.8, 0.0, 0.0, 0.0)
    controller = Controller(1.2, 1.2, 0.15, 0.8)
    assert controller.step(level, still) == (0.0, 0.0, 0.0, 0.0)
    assert controller.step(level, still, roll_set=0.1) == pytest.approx((0.12, -0.12, 0.12, -0.12))
    assert controller.step(level, still, pitch_set=5.0) == (-0.8, -0.8, 0.8, 0.8)


SERVOS = (
    Servo(),
    Servo(direction=-1.0, trim_norm=0.1),
    Servo(min_pwm_us=900, max_pwm_us=2100, neutral_pwm_us=1600),
    Servo(failsafe_norm=-0.5),
)
PULSES = [
    *[(True, False, (2000, 1200, 900, 1625))] * 4,
    (False, False, (1960, 1240, 956, 1585)),
    (False, False, (1920, 1280, 1012, 1545)),
    (False, True, (1880, 1320, 1068, 1505)),
    (False, True, (1840, 1360, 1124, 1465)),
]


def test_pulses_are_equal() -> None:
    mapper = Mapper(SERVOS, 4.0)
    for i, (armed, failsafe, pulses) in enumerate(PULSES):
        assert mapper.step((1.0, 0.5, -1.0, 0.25), armed, failsafe, SECOND + i * 20 * MS) == pulses
    straight = tuple(replace(servo, direction=1.0, trim_norm=0.0) for servo in SERVOS)
    assert Mapper(straight, 4.0).failsafe_pulses() == (1500, 1500, 1600, 1250)


NORM = st.floats(-1.0, 1.0)


@given(
    st.lists(st.tuples(st.sampled_from((-1.0, 1.0)), NORM, NORM, NORM), min_size=4, max_size=4),
    st.sampled_from((0.0, 0.5, 4.0)),
)
def test_who_ends_the_loop_puts_servos_where_its_own_failsafe_ends(
    calibrations: list[tuple[float, float, float, float]], slew: float
) -> None:
    servos = tuple(
        Servo(direction=way, trim_norm=trim, failsafe_norm=failsafe, max_norm=most)
        for way, trim, failsafe, most in calibrations
    )
    mapper = Mapper(servos, slew)
    mapper.step((1.0, -1.0, 0.5, 0.0), True, False, SECOND)
    for later in (10, 20):
        pulses = mapper.step((1.0, -1.0, 0.5, 0.0), True, True, SECOND + later * SECOND)
    assert mapper.failsafe_pulses() == pulses


@given(st.tuples(*[NUMBERS] * 4), st.booleans(), st.booleans(), st.integers(0, SECOND))
def test_a_pulse_is_always_one_the_servo_can_take(
    norms: tuple[float, float, float, float], armed: bool, failsafe: bool, later: int
) -> None:
    mapper = Mapper(SERVOS, 4.0)
    for now in (SECOND, SECOND + later):
        for servo, pulse in zip(SERVOS, mapper.step(norms, armed, failsafe, now), strict=True):
            assert servo.min_pwm_us <= pulse <= servo.max_pwm_us


def test_a_servo_whose_neutral_is_an_end_rests_there() -> None:
    end = Servo(neutral_pwm_us=1000)
    assert Mapper((end,) * 4, 0.0).step((1.0,) * 4, False, False, SECOND) == (1000,) * 4


def test_causes_have_an_order() -> None:
    order = [Reason.IO_ERROR_LATCH, Reason.KILL_SWITCH, Reason.IMU_STALE, Reason.LINK_DOWN, Reason.COMMAND_TIMEOUT]
    for count, reason in enumerate(order):
        flags = [place >= count for place in range(5)]
        assert override_reason(*flags, Reason.INVALID_ESTIMATOR) is reason
    assert override_reason(False, False, False, False, False, Reason.INVALID_ESTIMATOR) is Reason.INVALID_ESTIMATOR
    assert override_reason(False, False, False, False, False, Reason.NONE) is Reason.NONE


def test_failsafe_is_counted_at_its_edges() -> None:
    counts = FailsafeCounts()
    for reason in (Reason.NONE, Reason.IMU_STALE, Reason.KILL_SWITCH, Reason.NONE, Reason.NONE, Reason.LINK_DOWN):
        counts.step(reason)
    assert (counts.activations, counts.enters, counts.exits, counts.last) == (3, 2, 1, Reason.LINK_DOWN)
    assert (counts.causes[Reason.IMU_STALE], counts.causes[Reason.KILL_SWITCH]) == (1, 0)
    assert counts.causes[Reason.LINK_DOWN] == 1


def test_a_link_goes_down_and_up_only_when_that_lasts() -> None:
    link = Link()
    steps = [(0, False, False), (199, False, False), (200, False, True), (300, True, True), (799, True, True)]
    steps += [(800, True, False), (900, False, False), (1000, True, False), (1150, False, False), (1349, False, False)]
    steps += [(1350, False, True), (1400, True, True), (1500, False, True), (1600, True, True), (2099, True, True)]
    for ms, connected, down in [*steps, (2100, True, False)]:
        assert (ms, link.step(connected, ms * MS)) == (ms, down)


def test_write_errors_in_a_row_latch() -> None:
    errors, loose = IoErrors(True, 3), IoErrors(False, 3)
    for success in (False, False, True, False, False):
        errors.report(success)
    assert not errors.latched
    errors.report(False)
    errors.report(True)
    assert (errors.latched, errors.total) == (True, 5)
    for _ in range(10):
        loose.report(False)
    assert not loose.latched


def watchdog(**keys: int) -> ImuWatchdog:
    return ImuWatchdog(WatchdogSettings(**{"zero_vector_consecutive": 3, "flatline_consecutive": 3, **keys}))


def zero(t_ns: int) -> ImuSample:
    return ImuSample(True, t_ns, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def alike(t_ns: int) -> ImuSample:
    return ImuSample(True, t_ns, 1.0 + t_ns, 1.0 + t_ns, 1.0 + t_ns, 0.5, 0.5, 0.5)


def clean(t_ns: int) -> ImuSample:
    return imu(t_ns, ax=1000.0 + t_ns)


def test_three_zeros_are_a_fault_and_two_are_suspect() -> None:
    dog = watchdog()
    assert dog.step(clean(1), 1).valid
    assert dog.step(zero(2), 2).valid
    assert dog.state is State.SUSPECT
    assert dog.step(zero(3), 3).valid
    assert dog.step(zero(4), 4) == NO_IMU
    assert (dog.state, dog.last_fault, dog.fault_count) == (State.FAULTED, Fault.ZERO_VECTOR, 1)
    assert dog.counts[Fault.ZERO_VECTOR] == 3


def test_a_clean_sample_clears_what_was_suspect() -> None:
    dog = watchdog()
    for t, sample in enumerate((zero, zero, clean, zero, zero)):
        assert dog.step(sample(t + 1), t).valid
    assert dog.state is State.SUSPECT


def test_a_sample_that_is_no_number_is_a_fault_at_once() -> None:
    dog = watchdog()
    assert not dog.step(imu(1, gx=math.nan), 1).valid
    assert (dog.state, dog.last_fault) == (State.FAULTED, Fault.NAN_INF)


def test_flat_and_alike_samples_are_faults() -> None:
    dog = watchdog()
    assert [dog.step(imu(t), t).valid for t in range(1, 6)] == [True, True, True, False, False]
    assert dog.last_fault is Fault.FLATLINE
    dog = watchdog(degenerate_pattern_consecutive=2)
    assert [dog.step(alike(t), t).valid for t in (1, 2)] == [True, False]
    assert dog.last_fault is Fault.DEGENERATE_PATTERN


def test_a_sample_seen_twice_is_judged_once() -> None:
    """A sensor that is polled faster than it measures neither fails nor is kept from recovering."""
    dog = watchdog(healthy_recovery_samples=3)
    for poll in range(100):
        assert dog.step(clean(poll // 10 + 1), poll).valid
    assert not dog.step(imu(1000, gx=math.inf), 100).valid
    found = [dog.step(clean(2000 + poll // 10), 200 + poll).valid for poll in range(30)]
    assert found == [False] * 20 + [True] * 10


def test_recovery_takes_clean_samples_in_a_row() -> None:
    dog = watchdog(healthy_recovery_samples=3)
    dog.step(imu(1, gx=math.inf), 0)
    kinds = (clean, clean, zero, clean, clean, clean)
    assert [dog.step(kind(t), t).valid for t, kind in enumerate(kinds, 2)] == [False] * 5 + [True]
    assert dog.state is State.HEALTHY


def test_starting_anew_keeps_its_distance_and_its_number() -> None:
    dog = watchdog(recovery_backoff_ms=100, max_reinit_attempts=2)
    assert not dog.wants_reinit(0)
    dog.step(imu(1, gx=math.inf), 0)
    assert dog.wants_reinit(0)
    dog.reinitialised(0)
    assert dog.state is State.RECOVERING
    assert not dog.wants_reinit(50 * MS)
    assert dog.wants_reinit(100 * MS)
    dog.reinitialised(100 * MS)
    assert not dog.wants_reinit(900 * MS)
    assert dog.reinit_attempts == 2


def test_a_start_is_a_success_with_its_first_sample_and_a_failure_when_none_can_be_read() -> None:
    dog = watchdog()
    dog.unreadable()
    dog.step(imu(1, gx=math.inf), 0)
    dog.reinitialised(0)
    dog.unreadable()
    dog.unreadable()
    assert (dog.state, dog.reinit_successes, dog.reinit_failures) == (State.FAULTED, 0, 1)
    dog.reinitialised(100 * MS)
    assert (dog.reinit_successes, dog.reinit_failures) == (0, 1)
    dog.step(clean(2), 200 * MS)
    dog.step(clean(3), 201 * MS)
    dog.unreadable()
    assert (dog.state, dog.reinit_attempts, dog.reinit_successes, dog.reinit_failures) == (State.RECOVERING, 2, 1, 1)


def test_a_sensor_that_recovers_is_not_started_anew() -> None:
    dog = watchdog(healthy_recovery_samples=50)
    dog.step(imu(1, gx=math.inf), 0)
    dog.reinitialised(0)
    dog.step(clean(2), 1)
    assert not dog.wants_reinit(900 * MS)
    dog.step(zero(3), 2)
    assert dog.wants_reinit(900 * MS)


def test_a_watchdog_that_is_off_interferes_with_nothing() -> None:
    dog = ImuWatchdog(WatchdogSettings(enabled=False))
    assert all(dog.step(zero(t), t).valid for t in range(1, 50))
    assert not dog.wants_reinit(100)


def test_the_kill_switch_debounces_and_latches() -> None:
    switch = KillSwitch(True, 0, 2, True)
    assert [switch.step(level) for level in (0, 1, 0, 1, 1, 0, 0)] == [False, False, False, False, True, True, True]
    assert switch.trips == 1
    loose = KillSwitch(True, 1, 1, False)
    assert [loose.step(level) for level in (1, 0, 1, 0)] == [False, True, False, True]
    assert loose.trips == 2


def test_a_switch_that_cannot_be_read_is_active() -> None:
    switch = KillSwitch(True, 0, 2, True)
    assert [switch.step(level) for level in (0, None, 0)] == [False, True, False]
    assert (switch.trips, switch.unreadable) == (1, 1)
    assert not KillSwitch(False, 0, 2, True).step(None)


def test_a_device_that_fails_is_left_alone_for_a_while_and_counted_when_it_delivers_again() -> None:
    recovery = DeviceRecovery(threshold=3, backoff_ms=200)
    for at in (50, 100):
        recovery.failed(at * MS)
    recovery.delivered()
    for at in (150, 200):
        recovery.failed(at * MS)
    assert not recovery.stopped
    recovery.failed(250 * MS)
    assert recovery.stopped
    assert [recovery.due(at * MS) for at in (251, 449, 450)] == [False, False, True]
    recovery.resume()
    assert (recovery.stopped, recovery.recoveries) == (False, 0)
    for at in (450, 500, 550):
        recovery.failed(at * MS)
    assert recovery.stopped and not recovery.due(749 * MS)
    recovery.resume()
    recovery.delivered()
    recovery.delivered()
    assert recovery.recoveries == 1
