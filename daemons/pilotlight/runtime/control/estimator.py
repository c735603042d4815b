# SPDX-License-Identifier: Apache-2.0
"""The estimator of our own: attitude by a complementary filter, altitude by the barometer.

Rates are integrated into roll, pitch and yaw; gravity, as the accelerometer sees it, pulls roll and pitch slowly back.
There is no velocity and no horizontal position.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from pilotlight.runtime.control.samples import (
    NO_ESTIMATE,
    ZERO,
    BaroSample,
    Estimate,
    ImuSample,
    clamp,
)
from pilotlight.tags.messages import Four

SEA_LEVEL_PA: Final = 101325.0
_FIVE_F32: Final = struct.Struct("<5f")


def altitude_m(pressure_pa: float) -> float:
    """Altitude of the standard atmosphere; the pressure is greater than 0."""
    made: float = math.pow(pressure_pa / SEA_LEVEL_PA, 0.1903)
    return 44330.0 * (1.0 - made)


def quaternion(roll: float, pitch: float, yaw: float) -> Four:
    """The rotation by yaw, then pitch, then roll (rad), as w, x, y, z."""
    cr, sr = math.cos(roll * 0.5), math.sin(roll * 0.5)
    cp, sp = math.cos(pitch * 0.5), math.sin(pitch * 0.5)
    cy, sy = math.cos(yaw * 0.5), math.sin(yaw * 0.5)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


class Estimator:
    """The state of the filter: angles, altitude, and the time of the last sample."""

    def __init__(self, accel_gain: float, baro_gain: float) -> None:
        """`accel_gain` and `baro_gain` are how much of a difference one step takes away, 0 to 1."""
        self._accel_gain = clamp(accel_gain, 0.0, 1.0)
        self._baro_gain = clamp(baro_gain, 0.0, 1.0)
        self._roll = 0.0
        self._pitch = 0.0
        self._yaw = 0.0
        self._altitude = 0.0
        self._has_altitude = False
        self._t_ns = 0

    def step(self, imu: ImuSample, baro: BaroSample) -> Estimate:
        """The estimate after these samples. It is invalid when the motion sample is; nothing of that one is kept."""
        if baro.usable():
            self._climb(altitude_m(baro.pressure_pa))
        if not imu.valid or not imu.finite():
            return NO_ESTIMATE
        dt = (imu.t_ns - self._t_ns) * 1e-9 if 0 < self._t_ns < imu.t_ns else 0.0
        self._t_ns = imu.t_ns
        self._turn(imu, dt)
        try:
            w, x, y, z = quaternion(self._roll, self._pitch, self._yaw)
            w, x, y, z, down = _FIVE_F32.unpack(_FIVE_F32.pack(w, x, y, z, -self._altitude))
        except (OverflowError, ValueError):  # beyond binary32, or an angle that ran to infinity
            self._roll = self._pitch = self._yaw = 0.0
            return NO_ESTIMATE
        return Estimate(True, imu.t_ns, (w, x, y, z), ZERO, (0.0, 0.0, down))

    def _climb(self, measured: float) -> None:
        if self._has_altitude:
            self._altitude += self._baro_gain * (measured - self._altitude)
        else:
            self._altitude = measured
            self._has_altitude = True

    def _turn(self, imu: ImuSample, dt: float) -> None:
        gain = self._accel_gain
        roll = self._roll + imu.gx * dt
        pitch = self._pitch + imu.gy * dt
        self._yaw += imu.gz * dt
        accel_roll = math.atan2(imu.ay, imu.az)
        accel_pitch = math.atan2(-imu.ax, math.sqrt(imu.ay * imu.ay + imu.az * imu.az))
        self._roll = (1.0 - gain) * roll + gain * accel_roll
        self._pitch = (1.0 - gain) * pitch + gain * accel_pitch
