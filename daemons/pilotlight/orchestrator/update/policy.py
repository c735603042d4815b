# SPDX-License-Identifier: Apache-2.0
"""When the machine may restart into an installed update. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pilotlight.daemon import InvalidArgument

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MIN = 24 * 60
STOPPED_S = 10.0
"""How long the machine must have been stopped: a program that is exchanged or restarted by hand is not."""
RUNNING = "RUNNING"

_WINDOW = re.compile(r"(?:(?P<days>[A-Za-z,-]+) +)?(?P<start>\d\d:\d\d) *- *(?P<end>\d\d:\d\d)")


class RebootPolicy(StrEnum):
    """When to restart by oneself after an update was installed."""

    NOW = "now"
    STOPPED = "stopped"
    WINDOW = "window"
    NEVER = "never"


@dataclass(frozen=True)
class Window:
    """From ``start`` to before ``end`` (minutes of the day, local time) on ``days`` (0 is Monday).

    A window whose end is not after its start goes over midnight and belongs to the day it begins on.
    """

    days: frozenset[int]
    start: int
    end: int

    def contains(self, now: datetime) -> bool:
        """Whether a moment is in the window."""
        minute, day = now.hour * 60 + now.minute, now.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


def window(text: str) -> Window:
    """From ``02:00-04:00``, ``Sat,Sun 02:00-04:00`` or ``Mon-Fri 22:00-05:00``. Raises ValueError."""
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"“{text}” is no window of time: write 02:00-04:00, or Sat,Sun 02:00-04:00")
    return Window(_days(match["days"]), _minute(match["start"]), _minute(match["end"]))


def checked(policy: str, when: str) -> tuple[RebootPolicy, str]:
    """A choice of somebody, if it is one. Raises InvalidArgument."""
    if policy not in tuple(RebootPolicy):
        known = ", ".join(RebootPolicy)
        raise InvalidArgument(f"“{policy}” is no policy: they are {known}; the policy stays as it was")
    try:
        if when or policy == RebootPolicy.WINDOW:
            window(when)
    except ValueError as error:
        raise InvalidArgument(f"{error}; the policy stays as it was") from None
    return RebootPolicy(policy), when


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    names = [day.lower() for day in DAYS]
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in names or (dash and last not in names):
            raise ValueError(f"“{part}” is no day: they are {', '.join(DAYS)}")
        begin = names.index(first)
        length = (names.index(last) - begin) % 7 if dash else 0
        found |= {(begin + step) % 7 for step in range(length + 1)}
    return frozenset(found)


def _minute(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"“{text}” is no time of day: they go from 00:00 to 23:59")
    return hours * 60 + minutes


@dataclass(frozen=True)
class Machine:
    """What the decision depends on: the runtime's state (None: it does not answer) and since when (s) it is so."""

    state: str | None
    since_s: float


def waits_for(policy: RebootPolicy, when: Window | None, now: datetime, machine: Machine) -> str:
    """What a restart still waits for, as the end of a sentence; empty when it may happen now."""
    if policy is RebootPolicy.NOW:
        return ""
    if policy is RebootPolicy.NEVER:
        return "somebody to restart the device"
    if policy is RebootPolicy.WINDOW:
        if when is None:
            return "a window of time to be set"
        return "" if when.contains(now) else "the window of time"
    if machine.state == RUNNING:
        return "the machine to be stopped"
    return "" if machine.since_s >= STOPPED_S else "the machine to stay stopped for a moment"
