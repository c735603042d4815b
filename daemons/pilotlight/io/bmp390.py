# SPDX-License-Identifier: Apache-2.0
"""Driver of the BMP390: pressure and temperature of the air, over I2C.

The sensor measures 25 times a second on its own, each pressure out of eight and each temperature out of two readings,
with its own low-pass filter. Flags and values come in one transfer, during which the sensor holds them still.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from pilotlight.io.buses import Registers
from pilotlight.io.sensors import AirSample, Retries, SensorError

CHIP_ID: Final = 0x60
REG_ID: Final = 0x00
REG_ERROR: Final = 0x02
REG_STATUS: Final = 0x03
REG_POWER: Final = 0x1B
REG_OVERSAMPLING: Final = 0x1C
REG_RATE: Final = 0x1D
REG_FILTER: Final = 0x1F
REG_CALIBRATION: Final = 0x31
REG_COMMAND: Final = 0x7E

RESET: Final = 0xB6
COMMAND_READY: Final = 0x10
NEW_PRESSURE: Final = 0x20
NEW_TEMPERATURE: Final = 0x40
SETTINGS_REFUSED: Final = 0x04
MEASURING: Final = 0x33
"""Pressure and temperature on, measuring by itself."""

PERIOD_NS: Final = 40_000_000
RESET_NS: Final = 2_000_000
"""The sensor answers nothing useful for this time after a reset."""
START_LIMIT_NS: Final = 2_000_000_000
"""A start that takes longer has failed; asked 20 times a second, a sound one takes 0.6 s."""
SILENT_PERIODS: Final = 5
"""A sensor that has nothing new for so many periods has failed."""

# Pressure eightfold and temperature twofold; 25 Hz; filter over three samples; then the switch.
_SETTINGS: Final = ((REG_OVERSAMPLING, 0x0B), (REG_RATE, 0x03), (REG_FILTER, 0x04), (REG_POWER, MEASURING))
_CALIBRATION: Final = struct.Struct("<HHbhhbbHHbbhbb")
_BINARY32: Final = struct.Struct("<f")
_IDENTIFY, _RESET, _AWAIT_RESET, _CALIBRATE, _CONFIGURE, _VERIFY, _ACCEPTED, _MEASURE = range(8)


@dataclass(frozen=True)
class Calibration:
    """What the maker measured of one sensor, scaled to the formulas of `compensate`; names as in its data sheet."""

    t1: float
    t2: float
    t3: float
    p1: float
    p2: float
    p3: float
    p4: float
    p5: float
    p6: float
    p7: float
    p8: float
    p9: float
    p10: float
    p11: float

    @classmethod
    def of(cls, registers: bytes) -> Calibration:
        """From the 21 registers 0x31 on; ValueError when they are empty, which no sound sensor's are."""
        if len(set(registers)) == 1:
            raise ValueError(f"every byte of the calibration is {registers[0]:#04x}")
        t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11 = _CALIBRATION.unpack(registers)
        return cls(
            t1 * 2.0**8, t2 / 2.0**30, t3 / 2.0**48, (p1 - 2.0**14) / 2.0**20, (p2 - 2.0**14) / 2.0**29, p3 / 2.0**32,
            p4 / 2.0**37, p5 * 2.0**3, p6 / 2.0**6, p7 / 2.0**8, p8 / 2.0**15, p9 / 2.0**48, p10 / 2.0**48,
            p11 / 2.0**65,
        )  # fmt: skip


def compensate(calibration: Calibration, raw_pressure: int, raw_temperature: int) -> tuple[float, float]:
    """Pressure in Pa, 30 000 to 125 000, and temperature in °C, -40 to 85, of two readings of 24 bits.

    Powers are rounded to binary32 as in the maker's own program, so that the results agree to the last digit.
    """
    c = calibration
    above = raw_temperature - c.t1
    t = max(-40.0, min(85.0, above * c.t2 + above * above * c.t3))
    t_2, t_3 = _power(t, 2), _power(t, 3)
    up = float(raw_pressure)
    offset = c.p5 + c.p6 * t + c.p7 * t_2 + c.p8 * t_3
    slope = up * (c.p1 + c.p2 * t + c.p3 * t_2 + c.p4 * t_3)
    curve = _power(up, 2) * (c.p9 + c.p10 * t) + _power(up, 3) * c.p11
    return max(30_000.0, min(125_000.0, offset + slope + curve)), t


def _power(base: float, exponent: int) -> float:
    single = _single(base)
    result = 1.0
    for _ in range(exponent):
        result = _single(single * result)
    return result


def _single(value: float) -> float:
    rounded: float = _BINARY32.unpack(_BINARY32.pack(value))[0]
    return rounded


class Bmp390:
    """The sensor behind `registers`. One poll makes one transfer; see `AirSensor`."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._retries = Retries("barometer")
        self._calibration: Calibration | None = None
        self._state = _IDENTIFY
        self._began_ns = 0
        self._next_setting = 0
        self._fresh_ns = 0

    @property
    def ready(self) -> bool:
        """True once it is configured and measures."""
        return self._state == _MEASURE

    def start(self) -> None:
        """Start from the beginning with the next poll: identify, reset, read the calibration, configure, read back."""
        self._state = _IDENTIFY
        self._began_ns = 0

    def poll(self, now_ns: int) -> AirSample | None:
        """The next sample, or the next step of the start; SensorError as `AirSensor` says."""
        sample = None
        try:
            if self._state == _MEASURE and self._calibration is not None:
                sample = self._measure(self._calibration, now_ns)
            else:
                self._step(now_ns)
        except OSError as error:
            self._retries.failed(error)
            return None
        self._retries.succeeded()
        return sample

    def stop(self) -> None:
        """Let the sensor sleep; it must be started to measure again."""
        self.start()
        try:
            self._registers.write(REG_POWER, 0)
        except OSError as error:
            raise SensorError(f"barometer: it may measure on: {error.strerror or error}") from error

    def _measure(self, calibration: Calibration, now_ns: int) -> AirSample | None:
        found = self._registers.read(REG_STATUS, 7)
        if not (found[0] & NEW_PRESSURE and found[0] & NEW_TEMPERATURE):
            if now_ns - self._fresh_ns > SILENT_PERIODS * PERIOD_NS:
                raise SensorError("barometer: it answers, but measures nothing new")
            return None
        self._fresh_ns = now_ns
        raw_pressure = int.from_bytes(found[1:4], "little")
        raw_temperature = int.from_bytes(found[4:7], "little")
        pressure, temperature = compensate(calibration, raw_pressure, raw_temperature)
        return AirSample(now_ns, pressure, temperature)

    def _step(self, now_ns: int) -> None:
        """One transfer of the start, or none while the sensor resets."""
        self._began_ns = self._began_ns or now_ns
        if now_ns - self._began_ns > START_LIMIT_NS:
            self.start()
            raise SensorError(f"barometer: not started after {START_LIMIT_NS // 1_000_000} ms; trying again")
        if self._state == _IDENTIFY:
            found = self._registers.read(REG_ID, 1)[0]
            if found != CHIP_ID:
                self._refuse(f"it calls itself {found:#04x}, a BMP390 is {CHIP_ID:#04x}")
            self._state = _RESET
        elif self._state == _RESET:
            self._registers.write(REG_COMMAND, RESET)
            self._state = _AWAIT_RESET
            self._fresh_ns = now_ns
        elif self._state == _AWAIT_RESET:
            if now_ns - self._fresh_ns >= RESET_NS and self._registers.read(REG_STATUS, 1)[0] & COMMAND_READY:
                self._state = _CALIBRATE
        elif self._state == _CALIBRATE:
            try:
                self._calibration = Calibration.of(self._registers.read(REG_CALIBRATION, _CALIBRATION.size))
            except ValueError as error:
                self._refuse(str(error))
            self._state = _CONFIGURE
            self._next_setting = 0
        elif self._state == _CONFIGURE:
            register, value = _SETTINGS[self._next_setting]
            self._registers.write(register, value)
            self._next_setting += 1
            if self._next_setting == len(_SETTINGS):
                self._state = _VERIFY
        elif self._state == _VERIFY:
            self._verify()
            self._state = _ACCEPTED
        else:
            if self._registers.read(REG_ERROR, 1)[0] & SETTINGS_REFUSED:
                self._refuse("it refuses its settings")
            self._state = _MEASURE
            self._fresh_ns = now_ns

    def _verify(self) -> None:
        """What was set must be there."""
        found = self._registers.read(REG_POWER, REG_FILTER - REG_POWER + 1)
        for register, value in _SETTINGS:
            if found[register - REG_POWER] != value:
                self._refuse(f"its setting {register:#04x} reads {found[register - REG_POWER]:#04x}, not {value:#04x}")

    def _refuse(self, reason: str) -> None:
        self.start()
        raise SensorError(f"barometer: {reason}")
