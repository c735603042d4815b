# SPDX-License-Identifier: Apache-2.0
"""The motion sensor's driver against a simulated sensor."""

from __future__ import annotations

import errno
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.io.lsm6ds3 import (
    ACCEL_RANGES_G,
    BDU,
    CTRL1_XL,
    GYRO_RANGES_DPS,
    NEW_ACCEL,
    NEW_GYRO,
    OUT_TEMP,
    RATES_HZ,
    START_LIMIT_NS,
    STATUS,
    Lsm6ds3,
    Setup,
)
from pilotlight.io.sensors import MAX_RETRIES, ComputedAir, ComputedMotion, SensorError, Vector

from tests.support.polling import MILLISECOND, Clock
from tests.support.simulated_devices import SimulatedLsm6ds3


class Watched:
    """Registers that keep a record of the transfers, and fail when told to."""

    def __init__(self, inner: SimulatedLsm6ds3) -> None:
        self.inner = inner
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.errors: list[int] = []

    def read(self, register: int, count: int) -> bytes:
        self.reads.append((register, count))
        self._fail()
        return self.inner.read(register, count)

    def write(self, register: int, value: int) -> None:
        self.writes.append((register, value))
        self._fail()
        self.inner.write(register, value)

    def close(self) -> None: ...

    def _fail(self) -> None:
        if self.errors:
            raise OSError(self.errors.pop(0), "said the test")


def swinging(t: float) -> tuple[Vector, Vector]:
    return (math.sin(t), math.cos(t), 9.0), (0.5 * math.sin(3 * t), -0.5, 0.25)


def started(clock: Clock, setup: Setup, motion: object = swinging) -> tuple[Lsm6ds3, Watched]:
    registers = Watched(SimulatedLsm6ds3(clock, motion, 31.5))
    driver = Lsm6ds3(registers, setup)
    for _ in range(200):
        clock.polls(driver.poll, 1)
        if driver.ready:
            return driver, registers
    raise AssertionError("the driver does not get ready")


def test_each_sample_is_read_once_in_one_transfer() -> None:
    clock = Clock()
    driver, registers = started(clock, Setup())
    registers.reads.clear()
    samples = clock.polls(driver.poll, 500)
    assert 103 <= len(samples) <= 105, "104 Hz asked at 500 Hz for a second"
    assert registers.reads.count((OUT_TEMP, 14)) == len(samples)
    assert registers.reads.count((STATUS, 1)) == 500 and len(registers.reads) == 500 + len(samples)
    assert len({sample.accel for sample in samples}) == len(samples), "none is repeated"
    last = samples[-1]
    assert last.temperature_c == 31.5
    expected = swinging(last.t_ns / 1e9)
    assert last.accel == pytest.approx(expected[0], abs=0.03) and last.gyro == pytest.approx(expected[1], abs=0.03)


def test_one_poll_makes_one_transfer_while_starting_and_two_at_most_later() -> None:
    clock = Clock()
    registers = Watched(SimulatedLsm6ds3(clock, swinging))
    driver = Lsm6ds3(registers, Setup())
    for _ in range(200):
        before = len(registers.reads) + len(registers.writes)
        limit = 2 if (CTRL1_XL, 4) in registers.reads else 1
        clock.polls(driver.poll, 1)
        assert len(registers.reads) + len(registers.writes) - before <= limit


def test_values_are_taken_over_as_a_whole() -> None:
    _, registers = started(Clock(), Setup())
    assert registers.inner.read(CTRL1_XL, 4)[2] & BDU


@pytest.mark.parametrize(
    ("scale", "turn", "accel", "gyro"),
    [
        (2, 245, 0.59820565, 0.152716310),
        (4, 500, 1.1964113, 0.305432619),
        (8, 1000, 2.3928226, 0.610865238),
        (16, 2000, 4.7856452, 1.22173048),
    ],
)
def test_a_thousand_counts_of_each_range(scale: int, turn: int, accel: float, gyro: float) -> None:
    clock = Clock()
    driver, registers = started(clock, Setup(104, 104, scale, turn))

    class Thousand(Watched):
        def read(self, register: int, count: int) -> bytes:
            return struct.pack("<7h", -160, 1000, -1000, 0, 1000, 0, -1000) if count == 14 else b"\x03"

    driver._registers = Thousand(registers.inner)
    sample = driver.poll(clock.ns + 1)
    assert sample is not None and sample.temperature_c == 15.0
    assert sample.accel == pytest.approx((accel, 0, -accel), rel=1e-8)
    assert sample.gyro == pytest.approx((gyro, -gyro, 0), rel=1e-8)


@pytest.mark.parametrize("scale", ACCEL_RANGES_G)
@pytest.mark.parametrize("turn", GYRO_RANGES_DPS)
def test_every_range_gives_the_same_values(scale: int, turn: int) -> None:
    clock = Clock()
    driver, _ = started(clock, Setup(208, 208, scale, turn))
    sample = clock.polls(driver.poll, 10)[-1]
    expected = swinging(sample.t_ns / 1e9)
    assert sample.accel == pytest.approx(expected[0], abs=0.02) and sample.gyro == pytest.approx(expected[1], abs=0.02)


def test_the_first_samples_after_the_start_are_thrown_away() -> None:
    clock = Clock()
    driver = Lsm6ds3(SimulatedLsm6ds3(clock, swinging), Setup(833, 833))
    begun = clock.ns
    (first, *_) = clock.polls(driver.poll, 100)
    assert first.t_ns - begun >= 100 * MILLISECOND


@settings(deadline=None)
@given(st.sampled_from(RATES_HZ), st.sampled_from(RATES_HZ))
def test_samples_come_at_the_higher_rate(accel: float, gyro: float) -> None:
    clock = Clock()
    if accel == gyro == 0:
        with pytest.raises(ValueError, match="measure nothing"):
            Setup(accel, gyro)
        return
    setup = Setup(accel, gyro)
    driver, _ = started(clock, setup)
    samples = clock.polls(driver.poll, 1000, MILLISECOND)
    assert len(samples) == pytest.approx(max(accel, gyro), abs=1.1)


def test_the_gate_waits_for_the_faster_half() -> None:
    assert Setup().gate == NEW_ACCEL | NEW_GYRO
    assert Setup(12.5, 416).gate == NEW_GYRO
    assert Setup(416, 0).gate == NEW_ACCEL


@pytest.mark.parametrize("setting", ["accel_hz", "gyro_hz", "accel_range_g", "gyro_range_dps"])
def test_a_setting_that_is_none(setting: str) -> None:
    for value in (-1, 3, 100, 1660):
        with pytest.raises(ValueError, match=f"{value} is none of "):
            Setup(**{setting: value})


@pytest.mark.parametrize("identity", [0x00, 0xFF, 0x6C])
def test_a_foreign_or_absent_sensor_is_not_started(identity: int) -> None:
    clock = Clock()
    driver = Lsm6ds3(SimulatedLsm6ds3(clock, swinging, identity=identity), Setup())
    for _ in range(5):
        with pytest.raises(SensorError, match=f"calls itself {identity:#04x}"):
            driver.poll(clock.ns)
    assert not driver.ready


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.EBUSY])
def test_what_may_pass_is_asked_again_twice(number: int) -> None:
    clock = Clock()
    driver, registers = started(clock, Setup())
    registers.errors = [number] * MAX_RETRIES
    assert clock.polls(driver.poll, MAX_RETRIES) == []
    assert len(clock.polls(driver.poll, 50)) >= 10, "two are forgiven, and the third poll delivers"
    registers.errors = [number] * (MAX_RETRIES + 1)
    clock.polls(driver.poll, MAX_RETRIES)
    with pytest.raises(SensorError, match="said the test"):
        driver.poll(clock.ns)
    assert len(clock.polls(driver.poll, 50)) >= 10, "a failure is no end"


def test_a_refusal_is_a_failure_at_once() -> None:
    clock = Clock()
    driver, registers = started(clock, Setup())
    registers.errors = [errno.EREMOTEIO]
    with pytest.raises(SensorError, match="said the test"):
        driver.poll(clock.ns)


def test_a_sensor_that_lost_its_settings_starts_anew_by_itself() -> None:
    clock = Clock()
    driver, registers = started(clock, Setup())
    registers.inner.power_cycle()
    with pytest.raises(SensorError, match="measures nothing new; it is started anew"):
        clock.polls(driver.poll, 100)
    assert not driver.ready
    assert len(clock.polls(driver.poll, 500)) > 80


def test_a_sensor_that_never_ends_its_reset_is_given_up_and_tried_again() -> None:
    clock = Clock()
    frozen = Clock()
    driver = Lsm6ds3(SimulatedLsm6ds3(frozen, swinging), Setup())
    begun = clock.ns
    with pytest.raises(SensorError, match="not started after 500 ms"):
        clock.polls(driver.poll, 1000)
    assert clock.ns - begun <= START_LIMIT_NS + 5 * MILLISECOND
    assert not driver.ready
    frozen.ns += 10**9
    driver.poll(clock.ns)
    driver.poll(clock.ns)
    for _ in range(100):
        frozen.ns += 2 * MILLISECOND
        clock.polls(driver.poll, 1)
    assert driver.ready


def test_settings_that_do_not_take_are_not_measured_with() -> None:
    clock = Clock()

    class Deaf(Watched):
        def write(self, register: int, value: int) -> None:
            if register != CTRL1_XL:
                super().write(register, value)

    driver = Lsm6ds3(Deaf(SimulatedLsm6ds3(clock, swinging)), Setup())
    with pytest.raises(SensorError, match="read 00404404 instead of 40404404"):
        clock.polls(driver.poll, 60)


def test_stopping_switches_both_halves_off_even_when_one_transfer_fails() -> None:
    clock = Clock()
    driver, registers = started(clock, Setup())
    registers.errors = [errno.EIO]
    with pytest.raises(SensorError, match="may measure on"):
        driver.stop()
    assert registers.inner.read(CTRL1_XL, 2) == bytes([0x40, 0x00])
    driver.stop()
    assert registers.inner.read(CTRL1_XL, 2) == bytes(2) and not driver.ready


def test_the_computed_sensors_follow_their_formulas() -> None:
    motion, air = ComputedMotion(), ComputedAir()
    motion.start()
    air.start()
    sample = motion.poll(0)
    assert sample is not None and motion.ready
    assert sample.accel == pytest.approx((0.0, 0.5 * math.sin(0.3), 9.95665)) and sample.gyro == (0.0, 0.06, 0.0)
    now = air.poll(10**9)
    assert now is not None and air.ready
    assert now == (10**9, pytest.approx(101325 + 120 * math.sin(0.08)), pytest.approx(25 + 0.8 * math.sin(0.22)))
    motion.stop()
    air.stop()
