# SPDX-License-Identifier: Apache-2.0
"""What only the parent can find out for the arming checks: interlocks, persistent lines, clock, sensors."""

from __future__ import annotations

import time

from pilotlight.tags import Quality, Readers, SegmentError, SegmentMissing, SegmentSilent, TagValueError, now_ns

from .checks import Check
from .scan import FORCES, SEGMENT, STATE, distrust

FRESH_NS = 500_000_000
"""How old the control loop's last measurement may be."""
SENSORS_FAIL = frozenset({2, 5})
"""Reasons of a failsafe that are the sensors': IMU_STALE and INVALID_ESTIMATOR."""
_SENSORS = ("Sensor.Time", "Sensor.ImuValid", "Sensor.BaroValid")
EARLIEST = 1_767_225_600
"""1 January 2026: a wall clock before it was never set."""


class Interlocks:
    """Tags of other segments that have to be true for anything to be armed. Names are `<segment>.<tag>`.

    One that was not true for a single publish since the last look does not hold at this one: the stamp of its last
    change tells, however many changes there were. The same is so of one that is looked at for the first time, and
    of all after a segment has begun anew.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._readers = Readers()
        self._seen: dict[str, tuple[int, ...]] = {}
        """Of each: the epoch of its segment, and the stamps of what decides, at the last look."""

    def failing(self) -> list[str]:
        """Why each interlock that does not hold does not; empty when all hold."""
        return [f"{name}: {reason}" for name in self._names if (reason := self._look(name))]

    def close(self) -> None:
        """Let go of the segments."""
        self._readers.close()

    def _look(self, name: str) -> str:
        segment, _, tag = name.partition(".")
        asked = (tag, STATE, FORCES) if segment == SEGMENT else (tag,)
        try:
            reader = self._readers.written(segment)
            reading, *others = reader.read(*asked)
        except SegmentSilent as error:
            return str(error)
        except (SegmentError, TagValueError, KeyError, OSError) as error:
            return f"it cannot be read ({error})"
        before = self._seen.get(name)
        self._seen[name] = now = (reader.epoch, reading.stamp_ns, *(other.stamp_ns for other in others))
        if others and (trouble := distrust(*(other.value for other in others))):
            return trouble
        if reading.quality is not Quality.GOOD:
            return f"its quality is {Quality(reading.quality).name}"
        if reading.value is not True:
            return "it is not true"
        return "" if now == before else "it was not true all the time since the last look"


class Sensors:
    """Motion sensor and barometer, as the control loop has them."""

    def __init__(self) -> None:
        self._readers = Readers()

    def sound(self) -> bool:
        """Whether both are valid and fresh and no failsafe is theirs; so it is without a control loop."""
        try:
            reader = self._readers.written("control")
            time_of, imu, baro, *reasons = (
                reading.value for reading in reader.read(*_SENSORS, "Servo.Reason", "Controller.Reason")
            )
        except SegmentMissing:
            return True
        except (SegmentError, TagValueError, KeyError, OSError):
            return False
        fresh = isinstance(time_of, int) and 0 <= now_ns() - time_of <= FRESH_NS
        return fresh and imu is True and baro is True and not SENSORS_FAIL.intersection(reasons)

    def close(self) -> None:
        """Let go of the segment."""
        self._readers.close()


def failing(interlocks: list[str], persistent: bool, sound: bool) -> Check:
    """The checks that fail at present.

    `interlocks` as told by `Interlocks.failing`, `persistent` by `Held`, `sound` by `Sensors`.
    """
    found = Check.INTERLOCKS if interlocks else Check(0)
    if persistent:
        found |= Check.PERSISTENCE
    if time.time() < EARLIEST:
        found |= Check.CLOCK
    if not sound:
        found |= Check.SENSORS
    return found
