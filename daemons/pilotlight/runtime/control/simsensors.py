# SPDX-License-Identifier: Apache-2.0
"""The simulator at the other end of the bridge, as the sensors that the loop knows."""

from __future__ import annotations

from pilotlight.io.sensors import AirSample, MotionSample
from pilotlight.runtime.control.simframes import SensorFrame
from pilotlight.runtime.control.simnet import SensorLink


class SimNetMotion:
    """The simulator as a motion sensor: each frame once, if it is valid and not older than `stale_ms`."""

    def __init__(self, link: SensorLink, stale_ms: int) -> None:
        self._link = link
        self._stale_ns = stale_ms * 1_000_000
        self._seen: SensorFrame | None = None

    @property
    def ready(self) -> bool:
        """Whether the simulator is connected."""
        return self._link.connected

    def start(self) -> None:
        """Nothing needs starting: the link connects by itself."""

    def poll(self, now_ns: int) -> MotionSample | None:
        """The newest frame, if it has not been given and may be used."""
        frame = self._link.latest
        if frame is None or frame is self._seen:
            return None
        self._seen = frame
        if not frame.imu_valid or not 0 <= now_ns - frame.t_ns <= self._stale_ns:
            return None
        return MotionSample(frame.t_ns, frame.accel, frame.gyro, frame.temperature_c)

    def stop(self) -> None:
        """Nothing needs stopping."""


class SimNetAir:
    """The simulator as a barometer: each frame once, if it is valid and not older than `stale_ms`."""

    def __init__(self, link: SensorLink, stale_ms: int) -> None:
        self._link = link
        self._stale_ns = stale_ms * 1_000_000
        self._seen: SensorFrame | None = None

    @property
    def ready(self) -> bool:
        """Whether the simulator is connected."""
        return self._link.connected

    def start(self) -> None:
        """Nothing needs starting: the link connects by itself."""

    def poll(self, now_ns: int) -> AirSample | None:
        """The newest frame, if it has not been given and may be used."""
        frame = self._link.latest
        if frame is None or frame is self._seen:
            return None
        self._seen = frame
        if not frame.baro_valid or not 0 <= now_ns - frame.t_ns <= self._stale_ns:
            return None
        return AirSample(frame.t_ns, frame.pressure_pa, frame.temperature_c)

    def stop(self) -> None:
        """Nothing needs stopping."""
