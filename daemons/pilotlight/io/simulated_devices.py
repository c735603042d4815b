# SPDX-License-Identifier: Apache-2.0
"""Simulated sensors on a bus, behind the protocol of the real ones: they answer register by register.

What they measure comes from functions of time in seconds; time comes from a clock that the caller gives, so a test or
a simulator can run as fast as it likes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Final

from pilotlight.io import lsm6ds3
from pilotlight.io.sensors import Vector

Clock = Callable[[], int]
"""Present time in nanoseconds."""
Motion = Callable[[float], tuple[Vector, Vector]]
"""Acceleration in m/s² and rate of turn in rad/s at a time in seconds."""

_RESET_NS: Final = 50_000


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
        scales = lsm6ds3.GYRO_SCALES if half else lsm6ds3.ACCEL_SCALES
        unit = next(unit for code, unit in scales.values() if code == control >> 2 & 3)
        unit *= math.pi / 180e3 if half else 9.80665e-3
        counts = [max(-32768, min(32767, round(value / unit))) for value in vector]
        place = 0x22 if half else 0x28
        self._registers[place : place + 6] = struct.pack("<3h", *counts)
        self._registers[0x20:0x22] = struct.pack("<h", round((self._temperature_c - 25) * 16))
        self._registers[lsm6ds3.STATUS] |= lsm6ds3.NEW_GYRO if half else lsm6ds3.NEW_ACCEL

    def _rate(self, half: int) -> float:
        """Measurements a second of a half; 0 when it is off."""
        return (*lsm6ds3.RATES_HZ.values(), *(0.0,) * 8)[self._registers[lsm6ds3.CTRL1_XL + half] >> 4]

    def _due(self, half: int, now: int) -> int:
        """How many measurements the oscillator has counted at the rate of a half."""
        return int((now - self._origin) * self._rate(half) / 1e9)
