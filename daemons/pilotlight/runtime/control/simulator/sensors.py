# SPDX-License-Identifier: Apache-2.0
"""What the sensors say of the truth: bias, noise, range, lag, and the faults of the scenario."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

from .faults import Faults
from .scenario import Sensors
from .vectors import Vector


class Sample(NamedTuple):
    """One look at all sensors: m/s^2 and rad/s in body axes, Pa, degrees Celsius. An invalid one still has values."""

    imu_valid: bool
    baro_valid: bool
    accel: Vector
    gyro: Vector
    pressure_pa: float
    temperature_c: float


class SensorModel:
    """The sensors of one flight, at the centre of mass; chance comes from the scenario's seed alone."""

    def __init__(self, sensors: Sensors, faults: Faults, chance: random.Random, pressure_pa: float) -> None:
        self._sensors = sensors
        self._faults = faults
        self._chance = chance
        self._accel_bias = self._scattered(sensors.accel_bias_mps2)
        self._gyro_bias = self._scattered(sensors.gyro_bias_rads)
        self._pressure = pressure_pa
        self._baro_due_s = 0.0
        self._baro = pressure_pa
        self._baro_looked_s = 0.0
        self._temperature = 0.0

    def _scattered(self, deviation: float) -> Vector:
        gauss = self._chance.gauss
        return (gauss(0.0, deviation), gauss(0.0, deviation), gauss(0.0, deviation))

    def sample(self, time_s: float, accel: Vector, gyro: Vector, pressure_pa: float, temperature_c: float) -> Sample:
        """The sample at a time that never goes back. The barometer keeps its value until it measures again."""
        sensors = self._sensors
        dt = time_s - self._baro_looked_s
        self._baro_looked_s = time_s
        self._pressure += (pressure_pa - self._pressure) * (1.0 - math.exp(-dt / sensors.baro_lag_s))
        if time_s >= self._baro_due_s:
            self._baro_due_s += 1.0 / sensors.baro_hz
            self._baro = self._pressure + self._chance.gauss(0.0, sensors.baro_noise_pa)
            self._temperature = temperature_c + self._chance.gauss(0.0, sensors.temperature_noise_c)
        measured = _measured(
            accel, self._accel_bias, self._scattered(sensors.accel_noise_mps2), sensors.accel_range_mps2
        )
        turning = _measured(gyro, self._gyro_bias, self._scattered(sensors.gyro_noise_rads), sensors.gyro_range_rads)
        imu_valid, measured, turning = self._faults.imu(time_s, measured, turning)
        baro_valid, pressure = self._faults.baro(time_s, self._baro)
        return Sample(imu_valid, baro_valid, measured, turning, pressure, self._temperature)


def _measured(true: Vector, bias: Vector, noise: Vector, reach: float) -> Vector:
    x, y, z = (max(-reach, min(reach, t + b + n)) for t, b, n in zip(true, bias, noise, strict=True))
    return (x, y, z)
