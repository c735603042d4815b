# SPDX-License-Identifier: Apache-2.0
"""Injected faults, and what the drivers make of them."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.io.bmp390 import Bmp390
from pilotlight.io.lsm6ds3 import Lsm6ds3, Setup
from pilotlight.io.pulse import SimulatedPulses
from pilotlight.io.sensors import ComputedAir, ComputedMotion, SensorError, Vector

from tests.support.bus_faults import Fault, Faults, FaultyAir, FaultyMotion, FaultyPulses, FaultyRegisters
from tests.support.polling import MILLISECOND, Clock
from tests.support.simulated_devices import SimulatedBmp390, SimulatedLsm6ds3


def turning(t: float) -> tuple[Vector, Vector]:
    return (math.sin(t), math.cos(t), 9.0), (0.1, 0.2, math.sin(t))


def still(t: float) -> tuple[float, float]:
    return 101325.0 + t, 20.0


def never() -> None:
    raise AssertionError("nothing is slow here")


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.set(Fault.NAK, 0.3)
        return [faults.strikes(Fault.NAK) for _ in range(200)]

    assert run(7) == run(7) != run(8)
    assert 30 < sum(run(7)) < 90


def test_a_fault_ends_and_is_counted() -> None:
    faults = Faults()
    faults.set(Fault.DROP, 1)
    assert faults.strikes(Fault.DROP) and not faults.strikes(Fault.NAK)
    faults.set(Fault.DROP, 0)
    assert not faults.strikes(Fault.DROP)
    faults.set(Fault.NAN, 1)
    faults.clear()
    assert not faults.strikes(Fault.NAN) and faults.counts[Fault.DROP] == 1
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="0 to 1"):
            faults.set(Fault.NAK, share)


def test_faults_of_registers() -> None:
    clock, faults = Clock(), Faults()
    delays: list[int] = []
    registers = FaultyRegisters(SimulatedLsm6ds3(clock, turning), faults, lambda: delays.append(1))
    assert registers.read(0x0F, 1) == b"\x69"
    for fault, number in ((Fault.NAK, errno.EREMOTEIO), (Fault.DROP, errno.ETIMEDOUT)):
        faults.set(fault, 1)
        for action in (lambda: registers.read(0x0F, 1), lambda: registers.write(0x10, 0x40)):
            with pytest.raises(OSError, match="injected") as caught:
                action()
            assert caught.value.errno == number
        faults.clear()
    registers.write(0x10, 0x40)
    assert registers.read(0x10, 1) == b"\x40"
    faults.set(Fault.STUCK, 1)
    registers.write(0x10, 0x00)
    assert registers.read(0x10, 1) == b"\x40"
    faults.clear()
    assert registers.read(0x10, 1) == b"\x40", "the write was lost too"
    faults.set(Fault.SLOW, 1)
    assert registers.read(0x0F, 1) == b"\x69" and delays == [1]
    registers.close()


@pytest.mark.parametrize(
    "make", [lambda faults: FaultyMotion(ComputedMotion(), faults), lambda faults: FaultyAir(ComputedAir(), faults)]
)
def test_faults_of_sensors(make: Callable[[Faults], FaultyMotion | FaultyAir]) -> None:
    faults = Faults()
    sensor = make(faults)
    first = sensor.poll(10**9)
    assert first is not None and sensor.ready
    faults.set(Fault.STUCK, 1)
    second = sensor.poll(2 * 10**9)
    assert second is not None and second[1:] == first[1:] and second.t_ns == 2 * 10**9
    faults.clear()
    faults.set(Fault.NAN, 1)
    third = sensor.poll(3 * 10**9)
    assert third is not None and "nan" in str(third[1]) and third.t_ns == 3 * 10**9
    faults.clear()
    faults.set(Fault.DROP, 1)
    assert sensor.poll(4 * 10**9) is None
    faults.clear()
    faults.set(Fault.SLOW, 1)
    assert sensor.poll(5 * 10**9) is None
    late = sensor.poll(6 * 10**9)
    assert late is not None and late.t_ns == 5 * 10**9
    assert sensor.poll(65 * 10**8) is not None
    sensor.start()
    faults.clear()
    faults.set(Fault.DROP, 1)
    assert sensor.poll(66 * 10**8) is None, "what was late before a new start is lost"
    faults.clear()
    faults.set(Fault.NAK, 1)
    with pytest.raises(SensorError, match="injected"):
        sensor.poll(7 * 10**9)
    faults.clear()
    fresh = sensor.poll(8 * 10**9)
    assert fresh is not None and fresh.t_ns == 8 * 10**9
    sensor.stop()


def test_faults_of_outputs() -> None:
    faults = Faults()
    delays: list[int] = []
    inner = SimulatedPulses([1500])
    outputs = FaultyPulses(inner, faults, lambda: delays.append(1))
    outputs.start(1)
    assert outputs.ready
    for fault, number in ((Fault.NAK, errno.EIO), (Fault.DROP, errno.ETIMEDOUT)):
        faults.set(fault, 1)
        with pytest.raises(OSError, match="injected") as caught:
            outputs.write([1000])
        assert caught.value.errno == number
        faults.clear()
    faults.set(Fault.STUCK, 1)
    outputs.write([1000])
    assert inner.pulses_us == (1500,)
    faults.clear()
    faults.set(Fault.SLOW, 1)
    outputs.write([1100])
    assert inner.pulses_us == (1100,) and delays == [1]
    for fault in Fault:
        faults.set(fault, 1)
    outputs.off()
    assert inner.pulses_us == ()
    outputs.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.dictionaries(st.sampled_from([Fault.NAK, Fault.STUCK, Fault.DROP]), st.floats(0, 1)))
def test_drivers_survive_any_faults_and_measure_again_after_a_new_start(seed: int, shares: dict[Fault, float]) -> None:
    """A driver raises nothing but SensorError, gives no sample from the future, and is sound again once they end."""
    clock, faults = Clock(), Faults(seed)
    motion = Lsm6ds3(FaultyRegisters(SimulatedLsm6ds3(clock, turning), faults, never), Setup())
    air = Bmp390(FaultyRegisters(SimulatedBmp390(clock, still), faults, never))
    for fault, share in shares.items():
        faults.set(fault, share)
    for number in range(400):
        clock.ns += 2 * MILLISECOND
        for sensor in (motion, air):
            try:
                sample = sensor.poll(clock.ns)
            except SensorError:
                if number % 7 == 0:
                    sensor.start()
            else:
                assert sample is None or sample.t_ns == clock.ns
    faults.clear()
    motion.start()
    air.start()
    assert len(clock.polls(motion.poll, 200)) > 20
    (*_, last) = clock.polls(air.poll, 200)
    assert last.pressure_pa == pytest.approx(101325 + clock.ns / 1e9, abs=1)
