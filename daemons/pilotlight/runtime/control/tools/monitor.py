# SPDX-License-Identifier: Apache-2.0
"""Watching the simulator link through the status file: rates, ages and a health word for each direction."""

from __future__ import annotations

from collections.abc import Mapping

from .report import Paint

NO_DATA, STALLED, SLOW, OK, NO_CLIENT = "NO_DATA", "STALLED", "SLOW", "OK", "NO_CLIENT"
_COLOURS = {OK: "green", SLOW: "yellow", NO_DATA: "yellow", NO_CLIENT: "yellow", STALLED: "red"}


class Stream:
    """A counter of frames over time; times are seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self.frames = 0
        self.rate_hz = 0.0
        self._seen_s: float | None = None
        self._looked_s: float | None = None

    def look(self, frames: int, now_s: float) -> None:
        """Take the counter as it is now. A smaller one than before is that of a new run."""
        if frames < self.frames:
            self.frames, self.rate_hz, self._seen_s, self._looked_s = 0, 0.0, None, None
        if self._looked_s is not None and now_s > self._looked_s:
            self.rate_hz = (frames - self.frames) / (now_s - self._looked_s)
        if frames != self.frames:
            self._seen_s = now_s
        self.frames, self._looked_s = frames, now_s

    def age_s(self, now_s: float) -> float | None:
        """Seconds since the counter last moved; None before the first frame."""
        return None if self._seen_s is None else now_s - self._seen_s

    def health(self, now_s: float, warn_s: float, stall_s: float) -> str:
        """`NO_DATA` before the first frame, then by the age of the last one."""
        age = self.age_s(now_s)
        if age is None:
            return NO_DATA
        return STALLED if age >= stall_s else SLOW if age >= warn_s else OK


class Monitor:
    """Both directions of the link; needs 0 < warn_s < stall_s."""

    def __init__(self, warn_s: float, stall_s: float) -> None:
        if not 0 < warn_s < stall_s:
            raise ValueError(f"needs 0 < warn < stall, not warn {warn_s} and stall {stall_s}")
        self._limits = (warn_s, stall_s)
        self.sensor = Stream()
        self.actuator = Stream()
        self._connected = False

    def look(self, status: Mapping[str, str], now_s: float) -> None:
        """Take the values of a status file read at `now_s`."""
        self.sensor.look(_number(status.get("sim_net_sensor_frames", "")), now_s)
        self.actuator.look(_number(status.get("sim_net_actuator_frames", "")), now_s)
        self._connected = status.get("sim_net_actuator_client_connected") == "true"

    def sensor_health(self, now_s: float) -> str:
        """Of frames from the simulator to the loop."""
        return self.sensor.health(now_s, *self._limits)

    def actuator_health(self, now_s: float) -> str:
        """Of frames from the loop to the simulator; `NO_CLIENT` while none is connected."""
        return self.actuator.health(now_s, *self._limits) if self._connected else NO_CLIENT

    def text(self, now_s: float, file_age_s: float, paint: Paint) -> str:
        """The page: one line a direction, then the age of the status file."""
        rows = (
            ("sensor", self.sensor, self.sensor_health(now_s)),
            ("actuator", self.actuator, self.actuator_health(now_s)),
        )
        lines = [f"{'stream':<10}{'frames':>10}{'rate (Hz)':>12}{'last seen':>12}  health"]
        for name, stream, health in rows:
            age = stream.age_s(now_s)
            seen = "never" if age is None else f"{age:.1f} s ago"
            cells = f"{name:<10}{stream.frames:>10}{stream.rate_hz:>12.1f}{seen:>12}  "
            lines.append(cells + paint(_COLOURS[health], health))
        lines.append(f"status file: {file_age_s:.1f} s old")
        return "\n".join(lines) + "\n"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
