# SPDX-License-Identifier: Apache-2.0
"""Sensors of motion and of air: their samples, the protocols of their drivers, and sensors that are only computed.

A driver never sleeps. Starting and recovering takes time, so a driver is a small state machine: each `poll` makes one
step, and the caller asks again at its next tick.
"""

from __future__ import annotations

import errno
import math
from typing import Final, NamedTuple, Protocol, TypeAlias

Vector: TypeAlias = tuple[float, float, float]

MAX_RETRIES: Final = 2
"""How many polls in a row may fail for a passing reason before it counts as a failure."""
PASSING: Final = frozenset({errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT, errno.EBUSY})
"""What a bus says when the same transfer may succeed a moment later."""


class SensorError(Exception):
    """A sensor did not deliver. The message says what it did instead; the last sample only grows older."""


class MotionSample(NamedTuple):
    """One measurement of motion, in the body's frame."""

    t_ns: int
    """When it was read, on CLOCK_MONOTONIC."""
    accel: Vector
    """Acceleration x, y, z in m/s², gravity included."""
    gyro: Vector
    """Rate of turn about x, y, z in rad/s."""
    temperature_c: float
    """Temperature of the sensor in °C."""


class AirSample(NamedTuple):
    """One measurement of the air."""

    t_ns: int
    """When it was read, on CLOCK_MONOTONIC."""
    pressure_pa: float
    temperature_c: float


class MotionSensor(Protocol):
    """An inertial measurement unit."""

    @property
    def ready(self) -> bool:
        """True once it is started and measures."""

    def start(self) -> None:
        """Begin to start, from any state, with the next poll: the recovery of a sensor that misbehaves."""

    def poll(self, now_ns: int) -> MotionSample | None:
        """The next sample, or None when there is no new one yet; `now_ns` is CLOCK_MONOTONIC.

        SensorError when the sensor fails; asking again is allowed and goes on where it can.
        """

    def stop(self) -> None:
        """Switch the sensor off. SensorError when it does not answer."""


class AirSensor(Protocol):
    """A barometer; the methods are those of MotionSensor."""

    @property
    def ready(self) -> bool:
        """True once it is started and measures."""

    def start(self) -> None:
        """Begin to start, from any state, with the next poll."""

    def poll(self, now_ns: int) -> AirSample | None:
        """The next sample, or None when there is no new one yet; SensorError when the sensor fails."""

    def stop(self) -> None:
        """Switch the sensor off. SensorError when it does not answer."""


class Retries:
    """The rule for a transfer that failed: what may pass is asked again at the next poll, twice at most until one goes
    well."""

    def __init__(self, sensor: str) -> None:
        self._sensor = sensor
        self._count = 0

    def succeeded(self) -> None:
        """A transfer went well."""
        self._count = 0

    def failed(self, error: OSError) -> None:
        """Return when the transfer is to be tried again; raise SensorError when it is a failure."""
        if error.errno in PASSING and self._count < MAX_RETRIES:
            self._count += 1
            return
        raise SensorError(f"{self._sensor}: the bus says: {error.strerror or error}") from error


class ComputedMotion:
    """The motion sensor of simulated mode: slow swings that depend on the time alone."""

    ready = True

    def start(self) -> None:
        """Nothing needs starting."""

    def poll(self, now_ns: int) -> MotionSample | None:
        """A new sample at each poll."""
        t = now_ns / 1e9
        accel = (0.6 * math.sin(0.8 * t), 0.5 * math.sin(1.1 * t + 0.3), 9.80665 + 0.15 * math.cos(0.4 * t))
        gyro = (0.05 * math.sin(1.3 * t), 0.06 * math.cos(1.7 * t), 0.04 * math.sin(0.5 * t))
        return MotionSample(now_ns, accel, gyro, 25.0)

    def stop(self) -> None:
        """Nothing needs stopping."""


class ComputedAir:
    """The barometer of simulated mode."""

    ready = True

    def start(self) -> None:
        """Nothing needs starting."""

    def poll(self, now_ns: int) -> AirSample | None:
        """A new sample at each poll."""
        t = now_ns / 1e9
        return AirSample(now_ns, 101325 + 120 * math.sin(0.08 * t), 25 + 0.8 * math.sin(0.02 * t + 0.2))

    def stop(self) -> None:
        """Nothing needs stopping."""
