# SPDX-License-Identifier: Apache-2.0
"""The controller of our own: proportional in attitude, damped by rates, mixed onto four fins."""

from __future__ import annotations

import math

from pilotlight.runtime.control.samples import Estimate, ImuSample, clamp
from pilotlight.tags.messages import Four


def roll_pitch(attitude: Four) -> tuple[float, float]:
    """Roll and pitch (rad) of a rotation w, x, y, z."""
    w, x, y, z = attitude
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = math.asin(clamp(2.0 * (w * y - z * x), -1.0, 1.0))
    return roll, pitch


class Controller:
    """Gains, and how far a fin may be deflected (0 to 1)."""

    def __init__(self, kp_roll: float, kp_pitch: float, kd: float, max_deflection: float) -> None:
        self._kp_roll = kp_roll
        self._kp_pitch = kp_pitch
        self._kd = kd
        self._most = max_deflection

    def step(self, estimate: Estimate, imu: ImuSample, roll_set: float = 0.0, pitch_set: float = 0.0) -> Four:
        """Deflections of the four fins that turn the body to the set-points (rad).

        Without a valid estimate the attitude counts as level, and only rates are damped.
        """
        roll, pitch = roll_pitch(estimate.attitude) if estimate.valid else (0.0, 0.0)
        roll_command = -self._kp_roll * (roll - roll_set) - self._kd * imu.gx
        pitch_command = -self._kp_pitch * (pitch - pitch_set) - self._kd * imu.gy
        most = self._most
        return (
            clamp(roll_command - pitch_command, -most, most),
            clamp(-roll_command - pitch_command, -most, most),
            clamp(roll_command + pitch_command, -most, most),
            clamp(-roll_command + pitch_command, -most, most),
        )
