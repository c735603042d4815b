# SPDX-License-Identifier: Apache-2.0
"""The barometer's formulas against known values, and its driver against a simulated sensor."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.io.bmp390 import (
    PERIOD_NS,
    REG_ERROR,
    REG_POWER,
    REG_STATUS,
    SETTINGS_REFUSED,
    START_LIMIT_NS,
    Bmp390,
    Calibration,
    compensate,
)
from pilotlight.io.sensors import MAX_RETRIES, AirSample, SensorError

from tests.support.polling import MILLISECOND, Clock
from tests.support.simulated_devices import SimulatedBmp390

HUB = 50 * MILLISECOND
CALIBRATION = Calibration.of(bytes.fromhex("116d394af9800275fb23004962ab7603fa034006f8"))


class Watched:
    """Registers that count the transfers, fail when told to, and change what is read."""

    def __init__(self, inner: SimulatedBmp390) -> None:
        self.inner = inner
        self.transfers = 0
        self.errors: list[int] = []
        self.changed: dict[int, bytes] = {}

    def read(self, register: int, count: int) -> bytes:
        self._count()
        return self.changed.get(register) or self.inner.read(register, count)

    def write(self, register: int, value: int) -> None:
        self._count()
        self.inner.write(register, value)

    def close(self) -> None: ...

    def _count(self) -> None:
        self.transfers += 1
        if self.errors:
            raise OSError(self.errors.pop(0), "said the test")


def climbing(t: float) -> tuple[float, float]:
    return 101325.0 - 50 * t, 20.0 + 0.5 * t


def new(clock: Clock) -> tuple[Bmp390, Watched]:
    registers = Watched(SimulatedBmp390(clock, climbing))
    return Bmp390(registers), registers


def started(clock: Clock) -> tuple[Bmp390, Watched]:
    driver, registers = new(clock)
    clock.polls(driver.poll, 20, HUB)
    assert driver.ready
    return driver, registers


@pytest.mark.parametrize(
    ("raw_pressure", "raw_temperature", "text"),
    [
        (6_500_000, 8_300_000, "T=20.356809 degC P=111474.6588 Pa"),
        (7_000_000, 8_000_000, "T=15.062945 degC P=102698.2441 Pa"),
        (5_500_000, 8_600_000, "T=25.646196 degC P=125000.0000 Pa"),
        (6_400_000, 7_600_000, "T=7.997497 degC P=109656.3015 Pa"),
    ],
)
def test_the_formulas_agree_to_the_last_digit(raw_pressure: int, raw_temperature: int, text: str) -> None:
    pressure, temperature = compensate(CALIBRATION, raw_pressure, raw_temperature)
    assert f"T={temperature:.6f} degC P={pressure:.4f} Pa" == text


@settings(deadline=None)
@given(st.integers(0, (1 << 24) - 1), st.integers(0, (1 << 24) - 1), st.binary(min_size=21, max_size=21))
def test_no_reading_leaves_the_ranges(raw_pressure: int, raw_temperature: int, registers: bytes) -> None:
    if len(set(registers)) == 1:
        with pytest.raises(ValueError, match="every byte"):
            Calibration.of(registers)
        return
    pressure, temperature = compensate(Calibration.of(registers), raw_pressure, raw_temperature)
    assert 30_000 <= pressure <= 125_000 and -40 <= temperature <= 85


def test_samples_come_once_each_with_one_transfer_a_poll() -> None:
    clock = Clock()
    driver, registers = started(clock)
    registers.transfers = 0
    samples = clock.polls(driver.poll, 500, 2 * MILLISECOND)
    assert 24 <= len(samples) <= 26 and registers.transfers == 500
    last = samples[-1]
    pressure, temperature = climbing(last.t_ns // PERIOD_NS * PERIOD_NS / 1e9)
    assert last == AirSample(last.t_ns, pytest.approx(pressure, abs=0.1), pytest.approx(temperature, abs=0.001))


def test_half_a_measurement_is_none() -> None:
    clock = Clock()
    driver, registers = started(clock)
    for flags in (0x00, 0x20, 0x40):
        registers.changed[REG_STATUS] = bytes([flags, 1, 2, 3, 4, 5, 6])
        assert driver.poll(clock.ns) is None
    registers.changed[REG_STATUS] = (
        bytes([0x60]) + (6_500_000).to_bytes(3, "little") + (8_300_000).to_bytes(3, "little")
    )
    sample = driver.poll(clock.ns)
    assert sample is not None and round(sample.pressure_pa, 4) == 111474.6588


def test_every_poll_of_a_slow_hub_has_a_sample() -> None:
    clock = Clock()
    driver, _ = started(clock)
    assert len(clock.polls(driver.poll, 100, HUB)) == 100


def test_starting_makes_at_most_one_transfer_a_poll() -> None:
    clock = Clock()
    driver, registers = new(clock)
    while not driver.ready:
        before = registers.transfers
        clock.polls(driver.poll, 1, MILLISECOND)
        assert registers.transfers - before <= 1
        assert registers.transfers < 20


def test_a_foreign_sensor_is_not_started() -> None:
    clock = Clock()
    driver = Bmp390(SimulatedBmp390(clock, climbing, identity=0x58))
    for _ in range(3):
        with pytest.raises(SensorError, match="calls itself 0x58"):
            driver.poll(clock.ns)


def test_an_empty_calibration_is_not_measured_with() -> None:
    clock = Clock()
    driver, registers = new(clock)
    registers.changed[0x31] = b"\xff" * 21
    with pytest.raises(SensorError, match="every byte of the calibration is 0xff"):
        clock.polls(driver.poll, 20, HUB)
    del registers.changed[0x31]
    clock.polls(driver.poll, 20, HUB)
    assert driver.ready


def test_settings_that_are_refused_or_do_not_take_are_not_measured_with() -> None:
    clock = Clock()
    driver, registers = new(clock)
    registers.changed[REG_ERROR] = bytes([SETTINGS_REFUSED])
    with pytest.raises(SensorError, match="refuses its settings"):
        clock.polls(driver.poll, 20, HUB)
    registers.changed = {REG_POWER: bytes(5)}
    with pytest.raises(SensorError, match="setting 0x1c reads 0x00, not 0x0b"):
        clock.polls(driver.poll, 20, HUB)
    assert not driver.ready


def test_a_sensor_that_never_ends_its_reset_is_given_up() -> None:
    clock = Clock()
    driver, registers = new(clock)
    registers.changed[REG_STATUS] = b"\0"
    begun = clock.ns
    with pytest.raises(SensorError, match="not started after 2000 ms"):
        clock.polls(driver.poll, 100, HUB)
    assert clock.ns - begun <= START_LIMIT_NS + 2 * HUB


def test_what_may_pass_is_asked_again_twice_and_a_refusal_is_a_failure_at_once() -> None:
    clock = Clock()
    driver, registers = started(clock)
    registers.errors = [errno.ETIMEDOUT] * (MAX_RETRIES + 1)
    assert clock.polls(driver.poll, MAX_RETRIES, HUB) == []
    with pytest.raises(SensorError, match="said the test"):
        driver.poll(clock.ns)
    registers.errors = [errno.ENXIO]
    with pytest.raises(SensorError, match="said the test"):
        driver.poll(clock.ns)
    assert len(clock.polls(driver.poll, 3, HUB)) == 3, "a failure is no end"


def test_a_sensor_that_lost_its_settings_is_noticed_and_recovers_with_a_new_start() -> None:
    clock = Clock()
    driver, registers = started(clock)
    registers.inner.power_cycle()
    with pytest.raises(SensorError, match="measures nothing new"):
        clock.polls(driver.poll, 10, HUB)
    driver.start()
    assert len(clock.polls(driver.poll, 30, HUB)) > 10


def test_stopping() -> None:
    clock = Clock()
    driver, registers = started(clock)
    registers.errors = [errno.EIO]
    with pytest.raises(SensorError, match="may measure on"):
        driver.stop()
    driver.stop()
    assert registers.inner.read(REG_POWER, 1) == b"\0" and not driver.ready
