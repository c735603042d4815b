# SPDX-License-Identifier: Apache-2.0
"""What fails when: the faults of a scenario, asked for by kind and time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .scenario import Fault, FaultKind
from .vectors import ZERO, Vector

NO_READING = (math.nan, math.nan, math.nan)


class Faults:
    """The faults of one flight; remembers the last good sample for what sticks."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        self._imu = (ZERO, ZERO)
        self._baro = 0.0

    def active(self, kind: FaultKind, time_s: float) -> list[Fault]:
        """The faults of this kind that are in force at a time of the flight."""
        return [f for f in self._faults if f.kind is kind and f.start_s <= time_s < f.start_s + f.duration_s]

    def imu(self, time_s: float, accel: Vector, gyro: Vector) -> tuple[bool, Vector, Vector]:
        """Whether the sample is valid, and what it then says."""
        if self.active(FaultKind.IMU_STUCK, time_s):
            accel, gyro = self._imu
        self._imu = (accel, gyro)
        for fault in self.active(FaultKind.ACCEL_BIAS, time_s):
            accel = _shifted(accel, fault)
        for fault in self.active(FaultKind.GYRO_BIAS, time_s):
            gyro = _shifted(gyro, fault)
        if self.active(FaultKind.IMU_ZERO, time_s):
            accel, gyro = ZERO, ZERO
        if self.active(FaultKind.IMU_NAN, time_s):
            accel, gyro = NO_READING, NO_READING
        return not self.active(FaultKind.IMU_DROP, time_s), accel, gyro

    def baro(self, time_s: float, pressure_pa: float) -> tuple[bool, float]:
        """Whether the sample is valid, and what it then says."""
        if self.active(FaultKind.BARO_STUCK, time_s):
            pressure_pa = self._baro
        self._baro = pressure_pa
        for fault in self.active(FaultKind.BARO_BIAS, time_s):
            pressure_pa += fault.value
        if self.active(FaultKind.BARO_NAN, time_s):
            pressure_pa = math.nan
        return not self.active(FaultKind.BARO_DROP, time_s), pressure_pa

    def stuck_fins(self, time_s: float) -> set[int]:
        """The fins that do not move."""
        return {fault.axis for fault in self.active(FaultKind.FIN_STUCK, time_s)}


def _shifted(vector: Vector, fault: Fault) -> Vector:
    x, y, z = vector
    offset = fault.value
    axis = fault.axis
    return (x + offset * (axis == 0), y + offset * (axis == 1), z + offset * (axis == 2))
