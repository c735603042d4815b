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
from pilotlight.io.sensors import ComputedAir, ComputedMotion
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.control.devices import Devices
from pilotlight.runtime.control.opening import open_devices
from pilotlight.runtime.control.samples import MS, Reason
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.runtime.control.watchdog import State

from tests.support.bus_faults import Fault, Faults, FaultyPulses, FaultyRegisters
from tests.support.polling import Clock
from tests.support.simulated_devices import SimulatedBmp390, SimulatedLsm6ds3
from tests.unit.control.configs import settings


def motion(t: float) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return (math.sin(9 * t), 0.5 * math.cos(7 * t), 9.81), (0.3 * math.sin(5 * t), 0.2 * math.cos(3 * t), 0.1)


def nothing() -> None:
    """No delay."""


@dataclass
class Board:
    """The loop over real drivers, its sensors and servos simulated; each step is 2 ms."""

    extra: str = ""
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    servo_faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        clock = self.clock
        imu = FaultyRegisters(SimulatedLsm6ds3(clock, motion), self.faults, nothing)
        air = SimulatedBmp390(clock, lambda t: (100000.0, 20.0))
        self.servos = SimulatedPulses([1500] * 4)
        self.servos.start(0)
        outputs = FaultyPulses(self.servos, self.servo_faults, nothing)
        self.devices = Devices(Lsm6ds3(imu, Setup()), Bmp390(air), outputs, None, 0)
        self.loop = ControlLoop(settings("[actuator]\nstart_armed = true\n" + self.extra))
        self.reason = Reason.NONE

    def run(self, ms: int) -> None:
        loop, devices = self.loop, self.devices
        for step in range(ms // 2):
            self.clock.ns += 2 * MS
            now = self.clock.ns
            loop.imu_step(devices.read_imu(now), now)
            if devices.imu_ready() and loop.watchdog.wants_reinit(now):
                loop.watchdog.reinitialised(devices.restart_imu(), now)
            if step % 2 == 0:
                if step % 10 == 0:
                    loop.baro_step(devices.read_baro(now))
                loop.estimator_step(now)
                loop.control_step(now, 0, None, None)
                output = loop.actuator_step(now, True)
                loop.io_errors.report(devices.drive(output.pulses))
                self.reason = output.reason


def test_a_sensor_polled_faster_than_it_measures_is_healthy() -> None:
    board = Board()
    board.run(3000)
    assert board.reason is Reason.NONE
    assert (board.loop.watchdog.state, board.loop.watchdog.fault_count) == (State.HEALTHY, 0)
    assert board.loop.failsafe.enters == 1  # the time that the sensors need to start
    assert abs(board.loop.native_estimate.position[2] + 110.9) < 1.0
    assert board.servos.pulses_us != (1500,) * 4


def test_a_sensor_that_stops_answering_is_a_failsafe_until_it_answers() -> None:
    board = Board()
    board.run(2000)
    board.faults.set(Fault.NAK, 1.0)
    board.run(1000)
    assert board.reason is Reason.IMU_STALE
    assert board.loop.degraded
    board.faults.clear()
    board.run(2000)
    assert board.reason is Reason.NONE
    assert not board.loop.degraded


def test_a_sensor_that_is_stuck_is_found_started_anew_and_trusted_again() -> None:
    board = Board("[imu_watchdog]\nflatline_consecutive = 3\n")
    board.run(2000)
    still = motion(0.0)
    board.devices._motion = Lsm6ds3(SimulatedLsm6ds3(board.clock, lambda t: still), Setup())
    board.run(1500)
    assert board.reason is Reason.IMU_STALE
    assert board.loop.watchdog.blocking
    assert board.loop.watchdog.reinit_attempts > 3
    board.devices._motion = Lsm6ds3(SimulatedLsm6ds3(board.clock, motion), Setup())
    board.run(1500)
    assert (board.reason, board.loop.watchdog.state) == (Reason.NONE, State.HEALTHY)
    assert board.loop.watchdog.fault_count == 1


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


def test_simulated_mode_opens_nothing() -> None:
    devices = open_devices(settings(), None)
    sample = devices.read_imu(1_000_000_000)
    assert sample is not None
    assert sample.ax == pytest.approx(0.6 * math.sin(0.8))
    assert devices.drive((1000, 2000, 1500, 1500))
