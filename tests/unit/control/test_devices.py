# SPDX-License-Identifier: Apache-2.0
"""The real drivers under the loop's decisions, over simulated sensors with faults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from pilotlight.io.bmp390 import Bmp390
from pilotlight.io.edges import Edge, SimulatedEdges
from pilotlight.io.lsm6ds3 import Lsm6ds3, Setup
from pilotlight.io.pulse import SimulatedPulses
from pilotlight.io.sensors import ComputedAir, ComputedMotion, SensorError
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.control import opening
from pilotlight.runtime.control.devices import Devices
from pilotlight.runtime.control.groups import Group, Groups
from pilotlight.runtime.control.opening import open_devices
from pilotlight.runtime.control.samples import MS, Reason
from pilotlight.runtime.control.sensing import Sensing
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.runtime.control.watchdog import State

from tests.support.bus_faults import Fault, Faults, FaultyPulses, FaultyRegisters
from tests.support.polling import Clock
from tests.support.simulated_devices import SimulatedBmp390, SimulatedLsm6ds3
from tests.unit.control.configs import settings


def motion(t: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return (math.sin(9 * t), 0.5 * math.cos(7 * t), 9.81), (0.3 * math.sin(5 * t), 0.2 * math.cos(3 * t), 0.1)


RATES = (("imu", 500), ("estimator", 250), ("control", 250), ("actuator", 250), ("baro", 50))


@dataclass
class Board:
    """The loop over real drivers, in its rate groups; sensors, servos and time are simulated."""

    extra: str = ""
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    air_faults: Faults = field(default_factory=Faults)
    servo_faults: Faults = field(default_factory=Faults)
    slow_ms: int = 0
    """What a transfer with the fault SLOW takes."""

    def __post_init__(self) -> None:
        clock = self.clock
        self.motion = motion
        self.imu = SimulatedLsm6ds3(clock, lambda t: self.motion(t))
        self.air = SimulatedBmp390(clock, lambda t: (100000.0, 20.0))
        motion_driver = Lsm6ds3(FaultyRegisters(self.imu, self.faults, self.delay), Setup())
        air_driver = Bmp390(FaultyRegisters(self.air, self.air_faults, self.delay))
        self.servos = SimulatedPulses([1500] * 4)
        self.servos.start(0)
        outputs = FaultyPulses(self.servos, self.servo_faults, self.delay)
        self.devices = Devices(motion_driver, air_driver, outputs, None, 0)
        configuration = settings("[actuator]\nstart_armed = true\n" + self.extra)
        self.loop = ControlLoop(configuration)
        self.said: list[str] = []
        self.sensing = Sensing(self.loop, self.devices, configuration, self.said.append)
        self.groups = Groups([Group(name, hz) for name, hz in RATES], clock.ns)
        self.reason = Reason.NONE

    def delay(self) -> None:
        """A transfer that takes long."""
        self.clock.ns += self.slow_ms * MS

    def run(self, ms: int) -> None:
        end = self.clock.ns + ms * MS
        while self.groups.wake_ns() < end:
            self.clock.ns = max(self.clock.ns, self.groups.wake_ns())
            number = self.groups.due(self.clock.ns)
            while number >= 0:
                self.groups.groups[number].begin(self.clock.ns)
                self.step(number, self.clock.ns)
                number = self.groups.due(self.clock.ns, number + 1)

    def step(self, number: int, now: int) -> None:
        name = RATES[number][0]
        if name == "imu":
            self.sensing.imu(now)
        elif name == "baro":
            self.sensing.baro(now)
        elif name == "estimator":
            self.loop.estimator_step(now)
        elif name == "control":
            self.loop.control_step(now, 0, None, None)
        else:
            output = self.loop.actuator_step(now, True)
            self.loop.io_errors.report(self.devices.drive(output.pulses))
            self.reason = output.reason


def test_a_sensor_polled_faster_than_it_measures_is_healthy() -> None:
    board = Board()
    board.run(3000)
    assert board.reason is Reason.NONE
    assert (board.loop.watchdog.state, board.loop.watchdog.fault_count) == (State.HEALTHY, 0)
    assert board.loop.failsafe.enters == 1  # the time that the sensors need to start
    assert abs(board.loop.native_estimate.position[2] + 110.9) < 1.0
    assert board.servos.pulses_us != (1500,) * 4


@pytest.mark.parametrize("fault", [Fault.NAK, Fault.DROP])
def test_a_sensor_that_stops_answering_is_a_failsafe_until_it_answers(fault: Fault) -> None:
    board = Board()
    board.run(2000)
    board.faults.set(fault, 1.0)
    board.run(1000)
    assert board.reason is Reason.IMU_STALE
    assert board.loop.degraded
    assert board.loop.imu_failures > 400, "a bus that gives no answer fails at every read"
    assert [text.split(":")[0] for text in board.said] == ["the control loop does without its motion sensor"]
    board.faults.clear()
    board.run(2000)
    assert board.reason is Reason.NONE
    assert not board.loop.degraded
    assert board.said[1:] == ["the control loop has its motion sensor again"]


def test_a_motion_sensor_that_lost_its_settings_is_started_anew() -> None:
    board = Board()
    board.run(2000)
    board.imu.power_cycle()
    board.run(100)
    assert board.reason is Reason.IMU_STALE
    assert "measures nothing new" in board.said[0]
    board.run(400)
    assert (board.reason, board.loop.watchdog.fault_count) == (Reason.NONE, 0)


def test_a_sensor_that_is_stuck_is_found_started_anew_and_trusted_again() -> None:
    board = Board("[imu_watchdog]\nflatline_consecutive = 3\n")
    board.run(2000)
    still = motion(0.0)
    board.motion = lambda t: still
    board.run(1500)
    dog = board.loop.watchdog
    assert board.reason is Reason.IMU_STALE
    assert dog.blocking
    assert "FLATLINE" in board.said[0]
    assert dog.reinit_attempts > 3
    board.motion = motion
    board.run(1500)
    assert (board.reason, dog.state) == (Reason.NONE, State.HEALTHY)
    assert dog.fault_count == 1
    assert (dog.reinit_successes, dog.reinit_failures) == (dog.reinit_attempts, 0)


def test_a_sensor_that_reads_zero_gets_the_time_to_start_and_is_trusted_when_it_measures_again() -> None:
    board = Board()
    board.run(2000)
    board.motion = lambda t: ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    board.run(3000)
    dog = board.loop.watchdog
    assert (board.reason, dog.last_fault.name) == (Reason.IMU_STALE, "ZERO_VECTOR")
    # A start takes 20 ms, settling 100 ms, and then comes a sample to judge.
    assert 15 <= dog.reinit_attempts <= 25
    assert dog.reinit_attempts - dog.reinit_successes <= 1
    board.motion = motion
    board.run(1000)
    assert (board.reason, dog.state) == (Reason.NONE, State.HEALTHY)


def test_a_sensor_whose_line_is_held_high_is_started_once_it_can_be_identified(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    board.run(2000)
    monkeypatch.setattr(board.imu, "read", lambda register, count: b"\xff" * count)
    board.run(3000)
    dog = board.loop.watchdog
    assert (board.reason, dog.last_fault.name) == (Reason.IMU_STALE, "DEGENERATE_PATTERN")
    assert (dog.reinit_attempts, dog.reinit_successes, dog.reinit_failures) == (1, 0, 1)
    monkeypatch.undo()
    board.run(1000)
    assert (board.reason, dog.state, dog.reinit_attempts) == (Reason.NONE, State.HEALTHY, 1)


def test_a_barometer_that_is_gone_is_tried_now_and_then_and_spoken_of_once() -> None:
    board = Board()
    board.run(2000)
    board.air_faults.set(Fault.DROP, 1.0)
    board.run(5000)
    assert board.reason is Reason.NONE, "the loop flies on by its motion sensor"
    assert board.loop.degraded
    assert board.sensing.recovery.recoveries == 0
    assert board.said == ["the control loop does without its barometer: barometer: the bus says: no answer (injected)"]
    board.air_faults.clear()
    board.run(1000)
    assert not board.loop.degraded
    assert board.sensing.recovery.recoveries == 1
    assert board.said[1:] == ["the control loop has its barometer again"]


def test_a_bus_that_answers_late_delays_its_own_group_and_stops_no_other() -> None:
    board = Board()
    board.run(2000)
    board.slow_ms = 3
    board.faults.set(Fault.SLOW, 1.0)
    imu, _, control, actuator, _ = board.groups.groups
    before, skipped = (control.runs, actuator.runs), imu.overruns
    board.run(1000)
    assert board.reason is Reason.NONE
    assert imu.overruns - skipped > 200
    # A wake-up takes 3 or 6 ms here, and everything that is due runs in it.
    assert control.runs - before[0] >= 160
    assert actuator.runs - before[1] >= 160


def test_servos_that_refuse_latch_the_failsafe() -> None:
    board = Board()
    board.run(1000)
    board.servo_faults.set(Fault.NAK, 1.0)
    board.run(100)
    board.servo_faults.clear()
    board.run(1000)
    assert board.reason is Reason.IO_ERROR_LATCH


def test_a_switch_that_opened_between_two_looks_was_open(tmp_path: Path) -> None:
    chip = SimulatedChip.create(tmp_path / "sim0.lines", 8)
    switch = SimulatedEdges.open(chip.path, 3)
    devices = Devices(ComputedMotion(), ComputedAir(), SimulatedPulses([1500] * 4), switch, 0)
    assert devices.switch_level() == 0
    chip.drive(3, True)
    assert devices.switch_level() == 1
    chip.drive(3, False)
    assert devices.switch_level() == 1, "it was open until just now"
    assert devices.switch_level() == 0
    switch.close()
    assert devices.switch_level() is None
    assert Devices(ComputedMotion(), ComputedAir(), SimulatedPulses([1500] * 4), None, 0).switch_level() is None
    chip.close()


@pytest.mark.parametrize("closed", [0, 1])
def test_an_opening_that_was_over_before_the_kernel_looked_counts(closed: int) -> None:
    waiting = [[Edge(1, bool(closed)), Edge(2, bool(closed))], []]
    line = SimpleNamespace(edges=lambda: waiting.pop(0), level=lambda: bool(closed), lost=0)
    devices = Devices(ComputedMotion(), ComputedAir(), SimulatedPulses([1500] * 4), line, closed)
    assert [devices.switch_level(), devices.switch_level()] == [1 - closed, closed]


def moment() -> None:
    """No pause between the polls: the clock of the sensors goes on by itself."""


def test_devices_are_opened_when_both_sensors_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(opening, "now_ns", clock)
    monkeypatch.setattr(opening.time, "sleep", lambda seconds: clock.polls(lambda now: None, 1))
    imu, air = Lsm6ds3(SimulatedLsm6ds3(clock, motion), Setup()), Bmp390(SimulatedBmp390(clock, lambda t: (1e5, 20.0)))
    opening.await_sensors(imu, air)
    assert imu.ready and air.ready
    absent = FaultyRegisters(SimulatedBmp390(clock, lambda t: (1e5, 20.0)), Faults(), moment)
    absent._faults.set(Fault.NAK, 1.0)
    foreign = Lsm6ds3(SimulatedLsm6ds3(clock, motion, identity=0x6C), Setup())
    with pytest.raises(SensorError, match=r"motion sensor: it calls itself 0x6c.*; barometer: the bus says: not ack"):
        opening.await_sensors(foreign, Bmp390(absent))


def test_servos_are_not_started_when_a_sensor_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    foreign = Lsm6ds3(SimulatedLsm6ds3(Clock(), motion, identity=0x6C), Setup())
    monkeypatch.setattr(opening, "POLLS", 3)
    monkeypatch.setattr(opening, "_sensors", lambda settings, link: (foreign, ComputedAir()))
    monkeypatch.setattr(opening, "_servos", started.append)
    with pytest.raises(SensorError, match="0x6c"):
        open_devices(settings(), None)
    assert started == []


def test_simulated_mode_opens_nothing() -> None:
    devices = open_devices(settings(), None)
    sample = devices.read_imu(1_000_000_000)
    assert sample is not None
    assert sample.ax == pytest.approx(0.6 * math.sin(0.8))
    assert devices.drive((1000, 2000, 1500, 1500))
