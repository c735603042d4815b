# SPDX-License-Identifier: Apache-2.0
"""What only the parent can find out for the arming checks: interlock tags, persistence of the lines, the wall clock."""

from __future__ import annotations

import time

from pilotlight.tags import Quality, Readers, SegmentError, SegmentSilent, TagValueError

from .checks import Check
from .held import persistent

EARLIEST = 1_767_225_600
"""1 January 2026: a wall clock before it was never set."""


class Interlocks:
    """Tags of other segments that have to be true for anything to be armed. Names are `<segment>.<tag>`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._readers = Readers()

    def failing(self) -> list[str]:
        """Why each interlock that does not hold does not; empty when all hold."""
        return [f"{name}: {reason}" for name in self._names if (reason := self._look(name))]

    def close(self) -> None:
        """Let go of the segments."""
        self._readers.close()

    def _look(self, name: str) -> str:
        segment, _, tag = name.partition(".")
        try:
            (reading,) = self._readers.written(segment).read(tag)
        except SegmentSilent as error:
            return str(error)
        except (SegmentError, TagValueError, KeyError, OSError) as error:
            return f"it cannot be read ({error})"
        if reading.quality is not Quality.GOOD:
            return f"its quality is {Quality(reading.quality).name}"
        return "" if reading.value is True else "it is not true"


def failing(interlocks: list[str]) -> Check:
    """The checks that fail at present; `interlocks` as told by `Interlocks.failing`."""
    found = Check.INTERLOCKS if interlocks else Check(0)
    if persistent():
        found |= Check.PERSISTENCE
    if time.time() < EARLIEST:
        found |= Check.CLOCK
    return found
