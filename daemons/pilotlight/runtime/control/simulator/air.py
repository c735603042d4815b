# SPDX-License-Identifier: Apache-2.0
"""The air: the standard atmosphere up to 20 km, and a wind with shear and gusts."""

from __future__ import annotations

import math
import random

from .scenario import Wind
from .vectors import Vector

GRAVITY = 9.80665
_GAS = 287.05287
_SEA_PRESSURE, _SEA_TEMPERATURE, _LAPSE = 101325.0, 288.15, 0.0065
_TROPOPAUSE, _CEILING = 11_000.0, 20_000.0
_EXPONENT = GRAVITY / (_GAS * _LAPSE)


def temperature_k(altitude_m: float) -> float:
    """Of the standard atmosphere; above 20 km that of 20 km."""
    return _SEA_TEMPERATURE - _LAPSE * min(altitude_m, _TROPOPAUSE)


def pressure_pa(altitude_m: float) -> float:
    """Of the standard atmosphere; above 20 km that of 20 km."""
    if altitude_m <= _TROPOPAUSE:
        return float(_SEA_PRESSURE * (temperature_k(altitude_m) / _SEA_TEMPERATURE) ** _EXPONENT)
    top = temperature_k(_TROPOPAUSE)
    return pressure_pa(_TROPOPAUSE) * math.exp(-GRAVITY * (min(altitude_m, _CEILING) - _TROPOPAUSE) / (_GAS * top))


def density_kgm3(altitude_m: float) -> float:
    """Of dry air."""
    return pressure_pa(altitude_m) / (_GAS * temperature_k(altitude_m))


class WindField:
    """The wind along the flight; gusts forget their past after `gust_s`."""

    def __init__(self, wind: Wind, chance: random.Random) -> None:
        self._wind = wind
        self._chance = chance
        towards = math.radians(wind.from_deg + 180.0)
        self._direction = (math.sin(towards), math.cos(towards))
        self._gust = (0.0, 0.0, 0.0)

    def advance(self, dt_s: float) -> None:
        """Let the gusts go on for a time."""
        keep = math.exp(-dt_s / self._wind.gust_s)
        fresh = self._wind.gust_mps * math.sqrt(1.0 - keep * keep)
        x, y, z = self._gust
        gauss = self._chance.gauss
        self._gust = (
            keep * x + fresh * gauss(0.0, 1.0),
            keep * y + fresh * gauss(0.0, 1.0),
            keep * z + 0.5 * fresh * gauss(0.0, 1.0),
        )

    def at(self, height_m: float) -> Vector:
        """East, north and up in m/s, `height_m` over the pad; none on the ground."""
        if height_m <= 0.0:
            return (0.0, 0.0, 0.0)
        speed = self._wind.speed_mps * (min(height_m, 1000.0) / 10.0) ** self._wind.shear
        share = min(1.0, height_m / 10.0)
        x, y, z = self._gust
        return (
            speed * self._direction[0] + share * x,
            speed * self._direction[1] + share * y,
            share * z,
        )
