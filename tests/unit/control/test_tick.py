# SPDX-License-Identifier: Apache-2.0
"""The whole loop as decisions: failsafe and its causes, the snapshot, counters, and the same results again."""

import math
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.samples import MS, BaroSample, ImuSample, Reason
from pilotlight.runtime.control.selection import Source
from pilotlight.runtime.control.status import loop_status
from pilotlight.runtime.control.tick import ActuatorOutput, ControlLoop, ControlOutput
from pilotlight.tags.messages import SENSOR_SNAPSHOT, ControllerCommand, EstimatorState, Fault, fault_of

from tests.unit.control.configs import settings

START = 1_000_000_000
ARMED = "[actuator]\nstart_armed = true\n"
EXTERNAL = ARMED + '[modes]\nestimator_mode = "python_dev"\ncontroller_mode = "cpp_dev"\n'
SWITCH = "[killswitch]\nenabled = true\n"
FAILSAFE = "".join(f"[servo{n}]\nfailsafe_norm = 0.5\n" for n in range(4))
CLOSED = 0


def sample(t_ns: int, gx: float = 0.1) -> ImuSample:
    return ImuSample(True, t_ns, 0.5 + t_ns * 1e-9, 0.3, 9.8, gx, 0.02, 0.01)


def air(t_ns: int) -> BaroSample:
    return BaroSample(True, t_ns, 100000.0, 20.0)


class Flight:
    """A loop with all groups at 250 Hz, in the order of a slot."""

    def __init__(self, extra: str = "") -> None:
        self.loop = ControlLoop(settings(extra))
        self.now = START

    def tick(
        self, *, imu: bool = True, level: int | None = CLOSED, connected: bool = True, external: bool = False
    ) -> tuple[ControlOutput, ActuatorOutput]:
        self.now += 4 * MS
        if imu:
            self.loop.imu_step(sample(self.now), self.now)
        self.loop.baro_step(air(self.now))
        self.loop.estimator_step(self.now)
        estimate = command = None
        if external:
            estimate = EstimatorState(1, self.now, True, (1.0, 0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (0.0, 0.0, -9.0)).pack()
            command = ControllerCommand(1, self.now, True, (0.5, 0.25, -0.25, -0.5)).pack()
        control = self.loop.control_step(self.now, level, estimate, command)
        return control, self.loop.actuator_step(self.now, connected)

    def ticks(self, count: int, **conditions: Any) -> tuple[ControlOutput, ActuatorOutput]:
        for _ in range(count - 1):
            self.tick(**conditions)
        return self.tick(**conditions)


def test_a_normal_start_is_not_a_failsafe() -> None:
    flight = Flight(ARMED)
    control, actuator = flight.ticks(10)
    assert (control.estimate_source, control.command_source) == (Source.NATIVE, Source.NATIVE)
    assert control.command.armed
    assert actuator.reason is Reason.NONE
    assert flight.loop.failsafe.activations == 0


def test_an_estimate_of_its_own_that_stands_still_is_not_used_for_long() -> None:
    flight = Flight(ARMED)
    flight.ticks(10)
    for ms in range(4, 129, 4):
        flight.now += 4 * MS
        flight.loop.imu_step(sample(flight.now), flight.now)
        control = flight.loop.control_step(flight.now, CLOSED, None, None)
        held = ms <= 120
        assert control.command.reason is (Reason.NONE if held else Reason.INVALID_ESTIMATOR), ms
        assert control.estimate_source is (Source.NATIVE if held else Source.FAILSAFE)


def test_what_was_latched_before_is_latched_again() -> None:
    flight = Flight(ARMED + SWITCH)
    assert flight.loop.latched is Latch.NONE
    flight.loop.latch(Latch.KILL_SWITCH | Latch.IO_ERRORS)
    control, actuator = flight.ticks(10)
    assert control.command.reason is Reason.KILL_SWITCH
    assert actuator.reason is Reason.IO_ERROR_LATCH
    assert flight.loop.latched == Latch.KILL_SWITCH | Latch.IO_ERRORS
    assert flight.loop.killswitch.trips == 0, "it tripped in another process"


def test_what_does_not_latch_is_not_taken_over() -> None:
    flight = Flight("[actuator]\nlatch_failsafe_on_io_errors = false\n" + SWITCH + "latch_on_trip = false\n")
    flight.loop.latch(Latch.KILL_SWITCH | Latch.IO_ERRORS)
    assert flight.ticks(10)[1].reason is Reason.NONE
    flight.ticks(3, level=1)
    assert flight.loop.latched is Latch.NONE


def test_without_samples_the_servos_go_to_failsafe_and_come_back() -> None:
    flight = Flight(ARMED + FAILSAFE)
    flight.ticks(10)
    control, actuator = flight.ticks(5, imu=False)  # 20 ms: just young enough
    assert actuator.reason is Reason.NONE
    control, actuator = flight.tick(imu=False)
    assert actuator.reason is control.command.reason is Reason.IMU_STALE
    assert not control.command.armed
    assert control.command.servos == (0.5,) * 4
    assert not control.snapshot.imu_valid
    assert flight.ticks(300, imu=False)[1].pulses == (1750,) * 4
    assert flight.tick()[1].reason is Reason.NONE
    status = loop_status(flight.loop)
    assert status["failsafe_enter_count"] == status["failsafe_exit_count"] == 1
    assert status["failsafe_cause_imu_stale_count"] == 1
    assert status["last_failsafe_reason"] == 2


def test_a_sample_from_the_future_is_not_used() -> None:
    flight = Flight(ARMED)
    flight.ticks(3)
    flight.loop.imu_step(sample(flight.now + 1), flight.now)
    assert flight.loop.control_step(flight.now, CLOSED, None, None).command.reason is Reason.IMU_STALE


def test_reads_that_fail_degrade_until_they_succeed() -> None:
    flight = Flight()
    for _ in range(5):
        assert not flight.loop.degraded
        flight.loop.imu_step(None, flight.now)
    assert flight.loop.degraded
    flight.tick()
    assert not flight.loop.degraded
    for _ in range(5):
        flight.loop.baro_step(None)
    assert flight.loop.degraded


def test_the_kill_switch_goes_first_and_disarms() -> None:
    flight = Flight(ARMED + SWITCH + FAILSAFE)
    flight.ticks(10)
    assert flight.tick(level=1)[1].reason is Reason.NONE
    control, actuator = flight.tick(level=1, imu=False)
    assert control.command.reason is actuator.reason is Reason.KILL_SWITCH
    assert not control.command.armed
    assert flight.ticks(10)[1].reason is Reason.KILL_SWITCH  # latched
    assert loop_status(flight.loop)["killswitch_trip_count"] == 1
    assert flight.ticks(10, imu=False)[1].reason is Reason.KILL_SWITCH
    assert flight.tick(level=None)[1].reason is Reason.KILL_SWITCH


def test_an_invalid_estimate_is_a_failsafe_like_any_other() -> None:
    flight = Flight(ARMED + FAILSAFE + "[timeouts]\nimu_stale_ms = 5000\n")
    flight.tick()
    flight.now += 4 * MS
    flight.loop.native_estimate = flight.loop._estimator.step(sample(flight.now, math.nan), air(flight.now))
    control = flight.loop.control_step(flight.now, CLOSED, None, None)
    assert control.command.reason is Reason.INVALID_ESTIMATOR
    for _ in range(200):
        flight.now += 4 * MS
        flight.loop.control_step(flight.now, CLOSED, None, None)
        actuator = flight.loop.actuator_step(flight.now, True)
    assert (actuator.reason, actuator.pulses) == (Reason.INVALID_ESTIMATOR, (1750,) * 4)


def test_samples_that_are_no_numbers_never_get_into_the_loop() -> None:
    flight = Flight(ARMED + "[imu_watchdog]\nenabled = false\n")
    flight.tick()
    flight.loop.imu_step(sample(flight.now + 1, math.nan), flight.now + 1)
    control = flight.loop.control_step(flight.now + 1, CLOSED, None, None)
    assert control.command.reason is Reason.IMU_STALE
    assert all(math.isfinite(value) for value in control.snapshot.gyro)


def test_external_workers_are_used_held_and_given_up() -> None:
    flight = Flight(EXTERNAL)
    control, actuator = flight.ticks(5, external=True)
    assert (control.estimate_source, control.command_source) == (Source.FRESH, Source.FRESH)
    assert control.estimate.velocity == (1.0, 2.0, 3.0)
    assert (control.command.servos, actuator.pulses) == ((0.5, 0.25, -0.25, -0.5), (1750, 1625, 1375, 1250))
    sources = [(c.estimate_source, c.command_source) for c, _ in (flight.tick() for _ in range(40))]
    steps = {pair: sources.count(pair) for pair in dict.fromkeys(sources)}
    assert steps == {
        (Source.FRESH, Source.FRESH): 4,  # 16 ms
        (Source.HELD, Source.HELD): 21,  # to 100 ms
        (Source.HELD, Source.FAILSAFE): 5,  # to 120 ms
        (Source.NATIVE, Source.FAILSAFE): 10,
    }
    assert flight.loop.fresh_estimates == flight.loop.fresh_commands == 9
    assert flight.loop.failsafe.active is Reason.COMMAND_TIMEOUT


def test_native_modes_do_not_listen() -> None:
    flight = Flight(ARMED)
    control, _ = flight.ticks(5, external=True)
    assert (control.estimate_source, control.command_source) == (Source.NATIVE, Source.NATIVE)
    assert flight.loop.estimator_gate.last_accepted_ns == 0


def test_a_lost_link_is_a_failsafe_after_its_delay() -> None:
    flight = Flight(ARMED)
    flight.ticks(10)
    assert flight.ticks(50, connected=False)[1].reason is Reason.NONE
    assert flight.tick(connected=False)[1].reason is Reason.LINK_DOWN
    assert flight.ticks(125)[1].reason is Reason.LINK_DOWN
    assert flight.tick()[1].reason is Reason.NONE


def test_a_command_that_stops_coming_is_a_failsafe() -> None:
    flight = Flight(ARMED)
    flight.ticks(10)
    for ms in (60, 61):
        flight.loop.imu_step(sample(flight.now + ms * MS), flight.now + ms * MS)
        reason = flight.loop.actuator_step(flight.now + ms * MS, True).reason
    assert reason is Reason.COMMAND_TIMEOUT
    assert flight.loop.missed_commands == 1
    assert flight.loop.command_age_max_ns == 61 * MS


def test_a_latched_write_error_is_the_first_cause() -> None:
    flight = Flight(ARMED + SWITCH)
    flight.ticks(10)
    for _ in range(3):
        flight.loop.io_errors.report(False)
    assert flight.ticks(5, level=1)[1].reason is Reason.IO_ERROR_LATCH


def test_set_points_move_the_fins() -> None:
    flight = Flight(ARMED)
    before, _ = flight.ticks(10)
    flight.loop.roll_set = 0.1
    after, _ = flight.tick()
    assert after.command.servos[0] - before.command.servos[0] > 0.1


def test_the_snapshot_says_what_the_tick_saw() -> None:
    flight = Flight()
    control, _ = flight.ticks(3)
    snapshot = control.snapshot
    assert (snapshot.seq, snapshot.t_ns, snapshot.imu_valid, snapshot.baro_valid) == (3, flight.now, True, True)
    assert snapshot.pressure_pa == 100000.0
    assert fault_of(SENSOR_SNAPSHOT, snapshot.pack()) is Fault.NONE
    flight.now += 301 * MS
    assert not flight.loop.control_step(flight.now, CLOSED, None, None).snapshot.baro_valid


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["imu", "bad imu", "no imu", "baro", "estimator", "control", "external", "actuator", "io"]),
        st.integers(0, 30 * MS),
        st.sampled_from([0, 0, 0, 0, 1, None]),
        st.floats(-2, 2) | st.just(math.nan),
    ),
    max_size=80,
)


def run(extra: str, steps: list[tuple[str, int, int | None, float]]) -> list[object]:
    """Everything the loop decides over a sequence of steps; the rules of safety hold after each."""
    loop = ControlLoop(settings(extra + SWITCH))
    now, made = START, list[object]()
    for kind, later, level, number in steps:
        now += later
        if kind in ("imu", "bad imu"):
            loop.imu_step(sample(now, number if kind == "imu" else math.nan), now)
        elif kind == "no imu":
            loop.imu_step(None, now)
        elif kind == "baro":
            loop.baro_step(BaroSample(True, now, 1e5 * number, 20.0))
        elif kind == "estimator":
            loop.estimator_step(now)
        elif kind == "io":
            loop.io_errors.report(level == 0)
        elif kind == "actuator":
            actuator = loop.actuator_step(now, level == 0)
            stale = loop.imu_stale(now)
            if loop.killswitch.active or stale or loop.io_errors.latched or actuator.command is None:
                assert actuator.reason is not Reason.NONE
            assert all(1000 <= pulse <= 2000 for pulse in actuator.pulses)
            made.append(actuator)
        else:
            message = ControllerCommand(1, now - later, True, (number, 0.0, 0.0, 0.0)).pack()
            control = loop.control_step(now, level, None, message if kind == "external" else None)
            if loop.killswitch.active or loop.imu_stale(now):
                assert not control.command.armed
                assert control.command.reason is not Reason.NONE
            assert all(-1.0 <= value <= 1.0 for value in control.command.servos)
            made.append(control)
    made.append(loop_status(loop))
    return made


@given(st.sampled_from([ARMED, EXTERNAL]), STEPS)
@examples(deadline=None)
def test_the_same_steps_have_the_same_results_and_are_safe(
    extra: str, steps: list[tuple[str, int, int | None, float]]
) -> None:
    assert repr(run(extra, steps)) == repr(run(extra, steps))
