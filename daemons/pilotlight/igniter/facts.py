# SPDX-License-Identifier: Apache-2.0
"""What only the parent can find out for the arming checks: interlock tags, persistence of the lines, the wall clock."""

from __future__ import annotations

import time

from pilotlight.tags import Quality, Readers, SegmentError, SegmentSilent, TagValueError

from .checks import Check
from .scan import FORCES, SEGMENT, STATE, distrust

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


def failing(interlocks: list[str], persistent: bool) -> Check:
    """The checks that fail at present; `interlocks` as told by `Interlocks.failing`, `persistent` by `Held`."""
    found = Check.INTERLOCKS if interlocks else Check(0)
    if persistent:
        found |= Check.PERSISTENCE
    if time.time() < EARLIEST:
        found |= Check.CLOCK
    return found
