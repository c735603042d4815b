# SPDX-License-Identifier: Apache-2.0
"""Simulated sensors on a bus, behind the protocol of the real ones: they answer register by register.

What they measure comes from functions of time in seconds; time comes from a clock that the caller gives, so a test or
a simulator can run as fast as it likes.
"""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Callable
from typing import Final

from pilotlight.io import bmp390, lsm6ds3
from pilotlight.io.sensors import Vector

Clock = Callable[[], int]
"""Present time in nanoseconds."""
Motion = Callable[[float], tuple[Vector, Vector]]
"""Acceleration in m/s² and rate of turn in rad/s at a time in seconds."""
Air = Callable[[float], tuple[float, float]]
"""Pressure in Pa and temperature in °C at a time in seconds."""

_RESET_NS: Final = 50_000
_FIFO_DATA: Final = 0x14
"""A transfer that comes to this register of the BMP390 stays at it."""


class SimulatedLsm6ds3:
    """The motion sensor, with the reset, the rates, the ranges and the flags of new data.

    Both halves count by one oscillator: at equal rates they have new data at the same time.
    """

    def __init__(self, clock: Clock, motion: Motion, temperature_c: float = 25.0, identity: int = 0x69) -> None:
        self._clock = clock
        self._motion = motion
        self._temperature_c = temperature_c
        self._identity = identity
        self._registers = bytearray(128)
        self._origin = clock()
        self._taken: list[int] = [0, 0]
        self._reset_until = 0
        self._reset()

    def read(self, register: int, count: int) -> bytes:
        """The registers, brought up to date; reading an output clears its flag of new data."""
        self._update()
        step = 1 if self._registers[lsm6ds3.CTRL3_C] & lsm6ds3.IF_INC else 0
        places = [register + step * number for number in range(count)]
        values = bytes(self._registers[place] for place in places)
        if any(0x28 <= place <= 0x2D for place in places):
            self._registers[lsm6ds3.STATUS] &= ~lsm6ds3.NEW_ACCEL
        if any(0x22 <= place <= 0x27 for place in places):
            self._registers[lsm6ds3.STATUS] &= ~lsm6ds3.NEW_GYRO
        return values

    def write(self, register: int, value: int) -> None:
        """Set a register; a new rate starts its half anew, and a reset puts all of them back."""
        self._update()
        if register == lsm6ds3.CTRL3_C and value & lsm6ds3.SW_RESET:
            self._reset()
            self._registers[lsm6ds3.CTRL3_C] |= lsm6ds3.SW_RESET
            self._reset_until = self._clock() + _RESET_NS
            return
        self._registers[register] = value
        if register in (lsm6ds3.CTRL1_XL, lsm6ds3.CTRL2_G):
            half = register - lsm6ds3.CTRL1_XL
            self._taken[half] = self._due(half, self._clock())

    def close(self) -> None:
        """Nothing is held."""

    def power_cycle(self) -> None:
        """What a short break of the supply does: all settings are lost."""
        self._reset()

    def _reset(self) -> None:
        self._registers[:] = bytes(128)
        self._registers[lsm6ds3.WHO_AM_I] = self._identity
        self._registers[lsm6ds3.CTRL3_C] = lsm6ds3.IF_INC

    def _update(self) -> None:
        now = self._clock()
        if self._registers[lsm6ds3.CTRL3_C] & lsm6ds3.SW_RESET and now >= self._reset_until:
            self._registers[lsm6ds3.CTRL3_C] &= ~lsm6ds3.SW_RESET
        for half in (0, 1):
            self._measure(half, now)

    def _measure(self, half: int, now: int) -> None:
        """Put the newest sample that is due into the outputs of a half: 0 acceleration, 1 rate of turn."""
        due = self._due(half, now)
        if due <= self._taken[half]:
            return
        self._taken[half] = due
        vector = self._motion((self._origin + due * 1e9 / self._rate(half)) / 1e9)[half]
        control = self._registers[lsm6ds3.CTRL1_XL + half]
        scales = lsm6ds3.GYRO_RANGES_DPS if half else lsm6ds3.ACCEL_RANGES_G
        unit = next(unit for code, unit in scales.values() if code == control >> 2 & 3)
        unit *= math.pi / 180e3 if half else 9.80665e-3
        counts = [max(-32768, min(32767, round(value / unit))) for value in vector]
        place = 0x22 if half else 0x28
        self._registers[place : place + 6] = struct.pack("<3h", *counts)
        self._registers[0x20:0x22] = struct.pack("<h", round((self._temperature_c - 25) * 16))
        self._registers[lsm6ds3.STATUS] |= lsm6ds3.NEW_GYRO if half else lsm6ds3.NEW_ACCEL

    def _rate(self, half: int) -> float:
        """Measurements a second of a half; 0 when it is off."""
        return (*lsm6ds3.RATES_HZ, *(0.0,) * 8)[self._registers[lsm6ds3.CTRL1_XL + half] >> 4]

    def _due(self, half: int, now: int) -> int:
        """How many measurements the oscillator has counted at the rate of a half."""
        return int((now - self._origin) * self._rate(half) / 1e9)


class SimulatedBmp390:
    """The barometer, with its reset, its switch and the flags of new data; it measures at 25 Hz whatever the rate."""

    CALIBRATION: Final = bytes.fromhex("116d394af9800275fb23004962ab7603fa034006f8")
    """Made up, but of the order of a real sensor's."""

    def __init__(self, clock: Clock, air: Air, identity: int = bmp390.CHIP_ID) -> None:
        self._clock = clock
        self._air = air
        self._identity = identity
        self._registers = bytearray(128)
        self._calibration = bmp390.Calibration.of(self.CALIBRATION)
        self._taken = 0
        self._reset_until = 0
        self._reset()

    def read(self, register: int, count: int) -> bytes:
        """The registers, brought up to date; reading a value clears its flag."""
        now = self._clock()
        if now < self._reset_until:
            raise OSError(errno.EREMOTEIO, "not acknowledged during the reset")
        self._registers[bmp390.REG_STATUS] |= bmp390.COMMAND_READY
        self._measure(now)
        last = _FIFO_DATA if register <= _FIFO_DATA else len(self._registers) - 1
        values = bytes(self._registers[min(register + number, last)] for number in range(count))
        if register <= 0x06 < register + count:
            self._registers[bmp390.REG_STATUS] &= ~bmp390.NEW_PRESSURE
        if register <= 0x09 < register + count:
            self._registers[bmp390.REG_STATUS] &= ~bmp390.NEW_TEMPERATURE
        return values

    def write(self, register: int, value: int) -> None:
        """Set a register, or reset all."""
        if register == bmp390.REG_COMMAND:
            if value == bmp390.RESET:
                self._reset()
                self._reset_until = self._clock() + bmp390.RESET_NS
            return
        if register == bmp390.REG_POWER:
            self._taken = self._clock() // bmp390.PERIOD_NS
        self._registers[register] = value

    def close(self) -> None:
        """Nothing is held."""

    def power_cycle(self) -> None:
        """What a short break of the supply does: all settings are lost."""
        self._reset()

    def _reset(self) -> None:
        self._registers[:] = bytes(128)
        self._registers[bmp390.REG_ID] = self._identity
        place = bmp390.REG_CALIBRATION
        self._registers[place : place + len(self.CALIBRATION)] = self.CALIBRATION

    def _measure(self, now: int) -> None:
        due = now // bmp390.PERIOD_NS
        if self._registers[bmp390.REG_POWER] != bmp390.MEASURING or due <= self._taken:
            return
        self._taken = due
        pressure, temperature = self._air(due * bmp390.PERIOD_NS / 1e9)
        raw_temperature = _search(temperature, lambda raw: bmp390.compensate(self._calibration, 0, raw)[1])
        raw_pressure = _search(
            pressure, lambda raw: bmp390.compensate(self._calibration, raw, raw_temperature)[0], falling=True
        )
        self._registers[0x04:0x07] = raw_pressure.to_bytes(3, "little")
        self._registers[0x07:0x0A] = raw_temperature.to_bytes(3, "little")
        self._registers[bmp390.REG_STATUS] |= bmp390.NEW_PRESSURE | bmp390.NEW_TEMPERATURE


def _search(wanted: float, value_of: Callable[[int], float], falling: bool = False) -> int:
    """The reading of 24 bits whose value is next to `wanted`, of values that only rise or only fall."""
    low, high = 0, (1 << 24) - 1
    while low < high:
        middle = (low + high) // 2
        if (value_of(middle) > wanted) == falling:
            low = middle + 1
        else:
            high = middle
    return low
