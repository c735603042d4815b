# SPDX-License-Identifier: Apache-2.0
"""Driver of the LSM6DS3 and its relatives: acceleration and rate of turn, over SPI.

A sample is taken only when the sensor says that it has a new one, in one transfer, with the update of its registers
held back meanwhile: no value is read twice, and no value is made of two measurements.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pilotlight.io.buses import Registers
from pilotlight.io.sensors import MotionSample, Retries, SensorError

KNOWN_IDS: Final = {0x69: "LSM6DS3", 0x6A: "LSM6DSL or ISM330DLC", 0x6B: "LSM6DSR"}
WHO_AM_I: Final = 0x0F
CTRL1_XL: Final = 0x10
CTRL2_G: Final = 0x11
CTRL3_C: Final = 0x12
CTRL4_C: Final = 0x13
STATUS: Final = 0x1E
OUT_TEMP: Final = 0x20

SW_RESET: Final = 0x01
IF_INC: Final = 0x04
BDU: Final = 0x40
I2C_DISABLE: Final = 0x04
NEW_ACCEL: Final = 0x01
NEW_GYRO: Final = 0x02

RATES_HZ: Final[Sequence[float]] = (0.0, 12.5, 26.0, 52.0, 104.0, 208.0, 416.0, 833.0)
"""Rates of measurement by the register's code; 0 is off."""
ACCEL_RANGES_G: Final = {2: (0b00, 0.061), 4: (0b10, 0.122), 8: (0b11, 0.244), 16: (0b01, 0.488)}
"""Ranges of acceleration in g: code, and milli-g for each count."""
GYRO_RANGES_DPS: Final = {245: (0b00, 8.75), 500: (0b01, 17.5), 1000: (0b10, 35.0), 2000: (0b11, 70.0)}
"""Ranges of rate of turn in degrees a second: code, and milli-degrees a second for each count."""

START_LIMIT_NS: Final = 500_000_000
"""A start that takes longer has failed."""
SETTLE_NS: Final = 100_000_000
"""Samples of this first time after switching on, and the one that ends it, are thrown away: the gyroscope spins up."""
SILENT_PERIODS: Final = 5
"""A sensor that has nothing new for so many periods of its rate has failed."""

_OUTPUT: Final = struct.Struct("<7h")
_IDENTIFY, _RESET, _AWAIT_RESET, _CONFIGURE, _VERIFY, _SETTLE, _MEASURE = range(7)


@dataclass(frozen=True)
class Setup:
    """How the sensor measures: values of `RATES_HZ`, `ACCEL_RANGES_G`, `GYRO_RANGES_DPS`; ValueError for others."""

    accel_hz: float = 104.0
    gyro_hz: float = 104.0
    accel_range_g: int = 2
    gyro_range_dps: int = 245

    def __post_init__(self) -> None:
        _check(self.accel_hz, RATES_HZ)
        _check(self.gyro_hz, RATES_HZ)
        _check(self.accel_range_g, list(ACCEL_RANGES_G))
        _check(self.gyro_range_dps, list(GYRO_RANGES_DPS))
        if self.rate_hz == 0:
            raise ValueError("both rates are 0: the sensor would measure nothing")

    @property
    def rate_hz(self) -> float:
        """New samples a second: the higher of the two rates."""
        return max(self.accel_hz, self.gyro_hz)

    @property
    def gate(self) -> int:
        """The bits of STATUS that must be set for a new sample: those of what measures at the higher rate."""
        bits = NEW_ACCEL if self.accel_hz == self.rate_hz else 0
        return bits | (NEW_GYRO if self.gyro_hz == self.rate_hz else 0)

    @property
    def registers(self) -> tuple[int, int, int, int]:
        """CTRL1_XL to CTRL4_C."""
        accel = RATES_HZ.index(self.accel_hz) << 4 | ACCEL_RANGES_G[self.accel_range_g][0] << 2
        gyro = RATES_HZ.index(self.gyro_hz) << 4 | GYRO_RANGES_DPS[self.gyro_range_dps][0] << 2
        return accel, gyro, BDU | IF_INC, I2C_DISABLE


class Lsm6ds3:
    """The sensor behind `registers`. One poll makes at most two transfers; see `MotionSensor`."""

    def __init__(self, registers: Registers, setup: Setup) -> None:
        self._registers = registers
        self._wanted = bytes(setup.registers)
        self._gate = setup.gate
        self._period_ns = round(1e9 / setup.rate_hz)
        self._accel_unit = ACCEL_RANGES_G[setup.accel_range_g][1] * 9.80665e-3
        self._gyro_unit = GYRO_RANGES_DPS[setup.gyro_range_dps][1] * math.pi / 180e3
        self._retries = Retries("motion sensor")
        self._state = _IDENTIFY
        self._began_ns = 0
        self._next_register = 0
        self._fresh_ns = 0

    @property
    def ready(self) -> bool:
        """True once it is configured and its samples are used."""
        return self._state == _MEASURE

    def start(self) -> None:
        """Start from the beginning with the next poll: identify, reset, configure, read back."""
        self._state = _IDENTIFY
        self._began_ns = 0

    def poll(self, now_ns: int) -> MotionSample | None:
        """The next sample, or the next step of the start; SensorError as `MotionSensor` says."""
        try:
            sample = None
            if self._state >= _SETTLE:
                sample = self._measure(now_ns)
            else:
                self._step(now_ns)
        except OSError as error:
            self._retries.failed(error)
            return None
        self._retries.succeeded()
        return sample

    def stop(self) -> None:
        """Switch both halves off, whichever answers; the sensor must be started to measure again."""
        self.start()
        failure: OSError | None = None
        for register in (CTRL1_XL, CTRL2_G):
            try:
                self._registers.write(register, 0)
            except OSError as error:
                failure = error
        if failure is not None:
            raise SensorError(f"motion sensor: it may measure on: {failure.strerror or failure}") from failure

    def _measure(self, now_ns: int) -> MotionSample | None:
        if self._registers.read(STATUS, 1)[0] & self._gate != self._gate:
            if now_ns - self._fresh_ns > SILENT_PERIODS * self._period_ns:
                # As one does that lost its settings with its supply.
                self.start()
                raise SensorError("motion sensor: it answers, but measures nothing new; it is started anew")
            return None
        values = _OUTPUT.unpack(self._registers.read(OUT_TEMP, _OUTPUT.size))
        self._fresh_ns = now_ns
        if self._state == _SETTLE:
            if now_ns >= self._began_ns + SETTLE_NS:
                self._state = _MEASURE
            return None
        a, g = self._accel_unit, self._gyro_unit
        accel = (values[4] * a, values[5] * a, values[6] * a)
        gyro = (values[1] * g, values[2] * g, values[3] * g)
        return MotionSample(now_ns, accel, gyro, 25.0 + values[0] / 16.0)

    def _step(self, now_ns: int) -> None:
        """One transfer of the start."""
        self._began_ns = self._began_ns or now_ns
        if now_ns - self._began_ns > START_LIMIT_NS:
            self.start()
            raise SensorError(f"motion sensor: not started after {START_LIMIT_NS // 1_000_000} ms; trying again")
        if self._state == _IDENTIFY:
            found = self._registers.read(WHO_AM_I, 1)[0]
            if found not in KNOWN_IDS:
                self.start()
                raise SensorError(f"motion sensor: it calls itself {found:#04x}, which is none that is known here")
            self._state = _RESET
        elif self._state == _RESET:
            self._registers.write(CTRL3_C, SW_RESET | IF_INC)
            self._state = _AWAIT_RESET
        elif self._state == _AWAIT_RESET:
            if not self._registers.read(CTRL3_C, 1)[0] & SW_RESET:
                self._state = _CONFIGURE
                self._next_register = len(self._wanted) - 1
        elif self._state == _CONFIGURE:
            # The rates come last: they switch the sensor on.
            self._registers.write(CTRL1_XL + self._next_register, self._wanted[self._next_register])
            self._next_register -= 1
            if self._next_register < 0:
                self._state = _VERIFY
        else:
            found_registers = self._registers.read(CTRL1_XL, len(self._wanted))
            if found_registers != self._wanted:
                self.start()
                raise SensorError(
                    f"motion sensor: its settings read {found_registers.hex()} instead of {self._wanted.hex()}"
                )
            self._state = _SETTLE
            self._began_ns = self._fresh_ns = now_ns


def _check(value: float, known: Sequence[float]) -> None:
    if value not in known:
        raise ValueError(f"{value:g} is none of {', '.join(f'{one:g}' for one in known)}")
