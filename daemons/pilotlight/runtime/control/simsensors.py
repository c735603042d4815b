# SPDX-License-Identifier: Apache-2.0
"""The simulator at the other end of the bridge, as the sensors that the loop knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from pilotlight.io.sensors import AirSample, MotionSample
from pilotlight.runtime.control.simframes import SensorFrame

Sample = TypeVar("Sample")


class Link(Protocol):
    """The connection to the simulator's sensors: over TCP, or through a process that has the network."""

    @property
    def connected(self) -> bool:
        """Whether it is there."""

    @property
    def latest(self) -> SensorFrame | None:
        """The newest sound frame of this connection, the same object until there is another."""


class _SimNetSensor(ABC, Generic[Sample]):
    """Gives each frame once, if it is valid and not older than `stale_ms`."""

    def __init__(self, link: Link, stale_ms: int) -> None:
        self._link = link
        self._stale_ns = stale_ms * 1_000_000
        self._seen: SensorFrame | None = None

    @property
    def ready(self) -> bool:
        """Whether the simulator is connected."""
        return self._link.connected

    def start(self) -> None:
        """Nothing needs starting: the link connects by itself."""

    def poll(self, now_ns: int) -> Sample | None:
        """The newest frame, if it has not been given and may be used."""
        frame = self._link.latest
        if frame is None or frame is self._seen:
            return None
        self._seen = frame
        return self._sample(frame) if 0 <= now_ns - frame.t_ns <= self._stale_ns else None

    def stop(self) -> None:
        """Nothing needs stopping."""

    @abstractmethod
    def _sample(self, frame: SensorFrame) -> Sample | None:
        """What the frame says; None when it says that this is not valid."""


class SimNetMotion(_SimNetSensor[MotionSample]):
    """The simulator as a motion sensor."""

    def _sample(self, frame: SensorFrame) -> MotionSample | None:
        return MotionSample(frame.t_ns, frame.accel, frame.gyro, frame.temperature_c) if frame.imu_valid else None


class SimNetAir(_SimNetSensor[AirSample]):
    """The simulator as a barometer."""

    def _sample(self, frame: SensorFrame) -> AirSample | None:
        return AirSample(frame.t_ns, frame.pressure_pa, frame.temperature_c) if frame.baro_valid else None
