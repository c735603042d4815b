# SPDX-License-Identifier: Apache-2.0
"""What passes through a tick: samples, estimates and commands. All times are CLOCK_MONOTONIC in nanoseconds."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Final

from pilotlight.tags.messages import Four, Vector

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

    @property
    def text(self) -> str:
        """For people."""
        return _REASONS[self]


_REASONS: Final = (
    "",
    "there is no fresh command",
    "the motion sensor gives no fresh sample that can be used",
    "servos refused their pulses",
    "the kill switch is open, or cannot be read",
    "there is no valid estimate",
    "the simulator is not connected",
)


class Record(ABC):
    """Values that go together and never change; equal to a record of the same kind with the same values.

    A plain class, since the constructor of a dataclass stays interpreted when everything else is compiled.
    """

    @abstractmethod
    def values(self) -> tuple[object, ...]:
        """All values, in the order of the constructor."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Record) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash(self.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.values()!r}"


class ImuSample(Record):
    """Acceleration in m/s² and rates in rad/s, in the body's frame; `t_ns` tells one sample from the next."""

    def __init__(
        self, valid: bool, t_ns: int, ax: float, ay: float, az: float, gx: float, gy: float, gz: float
    ) -> None:
        self.valid: Final = valid
        self.t_ns: Final = t_ns
        self.ax: Final = ax
        self.ay: Final = ay
        self.az: Final = az
        self.gx: Final = gx
        self.gy: Final = gy
        self.gz: Final = gz

    def values(self) -> tuple[object, ...]:
        return self.valid, self.t_ns, self.ax, self.ay, self.az, self.gx, self.gy, self.gz

    def finite(self) -> bool:
        """Whether all six numbers are: 0 times any other number is no 0."""
        return (self.ax * 0.0 + self.ay * 0.0 + self.az * 0.0 + self.gx * 0.0 + self.gy * 0.0 + self.gz * 0.0) == 0.0


LEAST_PA: Final = 10.0
"""The air at 80 km."""
MOST_PA: Final = 200_000.0
"""More than at the bottom of any mine."""


class BaroSample(Record):
    """Pressure in Pa and temperature in °C."""

    def __init__(self, valid: bool, t_ns: int, pressure_pa: float, temperature_c: float) -> None:
        self.valid: Final = valid
        self.t_ns: Final = t_ns
        self.pressure_pa: Final = pressure_pa
        self.temperature_c: Final = temperature_c

    def values(self) -> tuple[object, ...]:
        return self.valid, self.t_ns, self.pressure_pa, self.temperature_c

    def usable(self) -> bool:
        """Whether it is valid and a pressure that air can have."""
        return self.valid and LEAST_PA <= self.pressure_pa <= MOST_PA


class Estimate(Record):
    """Attitude w, x, y, z from body to north-east-down, velocity m/s, position m (north, east, down); all binary32."""

    def __init__(self, valid: bool, t_ns: int, attitude: Four, velocity: Vector, position: Vector) -> None:
        self.valid: Final = valid
        self.t_ns: Final = t_ns
        self.attitude: Final = attitude
        self.velocity: Final = velocity
        self.position: Final = position

    def values(self) -> tuple[object, ...]:
        return self.valid, self.t_ns, self.attitude, self.velocity, self.position


class Command(Record):
    """What the servos shall do, each -1 to 1. `reason` says that it is a failsafe command, and why."""

    def __init__(self, valid: bool, armed: bool, t_ns: int, servos: Four, reason: Reason = Reason.NONE) -> None:
        self.valid: Final = valid
        self.armed: Final = armed
        self.t_ns: Final = t_ns
        self.servos: Final = servos
        self.reason: Final = reason

    def values(self) -> tuple[object, ...]:
        return self.valid, self.armed, self.t_ns, self.servos, self.reason


IDENTITY: Four = (1.0, 0.0, 0.0, 0.0)
ZERO: Vector = (0.0, 0.0, 0.0)
NO_IMU: Final = ImuSample(False, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
NO_BARO: Final = BaroSample(False, 0, 0.0, 0.0)
NO_ESTIMATE: Final = Estimate(False, 0, IDENTITY, ZERO, ZERO)


def clamp(value: float, least: float, most: float) -> float:
    """`value`, or the end of the range that it is beyond."""
    return least if value < least else most if value > most else value


def aged_ms(now_ns: int, t_ns: int, limit_ms: int) -> bool:
    """Whether something of the time `t_ns` is unusable now: never, from the future, or older than the limit."""
    return t_ns == 0 or t_ns > now_ns or now_ns - t_ns > limit_ms * MS
