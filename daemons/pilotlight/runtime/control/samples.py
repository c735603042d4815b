# SPDX-License-Identifier: Apache-2.0
"""What passes through a tick: samples, estimates and commands. All times are CLOCK_MONOTONIC in nanoseconds."""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass
from typing import Final

from pilotlight.tags.messages import Four, Vector

_FOUR: Final = struct.Struct("<4f")
_THREE: Final = struct.Struct("<3f")
MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""


class Reason(enum.IntEnum):
    """Why servos are in failsafe; the numbers are those of the status file."""

    NONE = 0
    COMMAND_TIMEOUT = 1
    IMU_STALE = 2
    IO_ERROR_LATCH = 3
    KILL_SWITCH = 4
    INVALID_ESTIMATOR = 5
    LINK_DOWN = 6


@dataclass(frozen=True)
class ImuSample:
    """Acceleration in m/s² and rates in rad/s, in the body's frame; `t_ns` tells one sample from the next."""

    valid: bool
    t_ns: int
    ax: float
    ay: float
    az: float
    gx: float
    gy: float
    gz: float

    def finite(self) -> bool:
        """Whether all six numbers are."""
        accel = math.isfinite(self.ax) and math.isfinite(self.ay) and math.isfinite(self.az)
        return accel and math.isfinite(self.gx) and math.isfinite(self.gy) and math.isfinite(self.gz)


@dataclass(frozen=True)
class BaroSample:
    """Pressure in Pa and temperature in °C."""

    valid: bool
    t_ns: int
    pressure_pa: float
    temperature_c: float

    def usable(self) -> bool:
        """Whether it is valid and a pressure that air can have."""
        return self.valid and math.isfinite(self.pressure_pa) and self.pressure_pa > 0.0


@dataclass(frozen=True)
class Estimate:
    """Attitude w, x, y, z from body to north-east-down, velocity m/s, position m (north, east, down); all binary32."""

    valid: bool
    t_ns: int
    attitude: Four
    velocity: Vector
    position: Vector


@dataclass(frozen=True)
class Command:
    """What the servos shall do, each -1 to 1. `reason` says that it is a failsafe command, and why."""

    valid: bool
    armed: bool
    t_ns: int
    servos: Four
    reason: Reason = Reason.NONE


IDENTITY: Four = (1.0, 0.0, 0.0, 0.0)
ZERO: Vector = (0.0, 0.0, 0.0)
NO_IMU: Final = ImuSample(False, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
NO_BARO: Final = BaroSample(False, 0, 0.0, 0.0)
NO_ESTIMATE: Final = Estimate(False, 0, IDENTITY, ZERO, ZERO)


def four_f32(a: float, b: float, c: float, d: float) -> Four:
    """Four numbers as binary32 keeps them; raises OverflowError for one that it cannot."""
    made: Four = _FOUR.unpack(_FOUR.pack(a, b, c, d))
    return made


def three_f32(a: float, b: float, c: float) -> Vector:
    """Three numbers as binary32 keeps them; raises OverflowError for one that it cannot."""
    made: Vector = _THREE.unpack(_THREE.pack(a, b, c))
    return made


def clamp(value: float, least: float, most: float) -> float:
    """`value`, or the end of the range that it is beyond."""
    return least if value < least else most if value > most else value


def aged_ms(now_ns: int, t_ns: int, limit_ms: int) -> bool:
    """Whether something of the time `t_ns` is unusable now: never, from the future, or older than the limit."""
    return t_ns == 0 or t_ns > now_ns or now_ns - t_ns > limit_ms * MS
