# SPDX-License-Identifier: Apache-2.0
"""Units of the time that timers and drums count in."""

from __future__ import annotations

import enum


class TimeUnit(enum.IntEnum):
    """A unit; its value is its nanoseconds."""

    Tms = 1_000_000
    Ts = 1_000_000_000
    Tm = 60_000_000_000
    Th = 3_600_000_000_000
    Td = 86_400_000_000_000


Tms, Ts, Tm, Th, Td = TimeUnit
_NAMES: dict[TimeUnit, tuple[str, ...]] = {
    Tms: ("ms", "msec", "millisecond", "milliseconds", "tms"),
    Ts: ("s", "sec", "secs", "second", "seconds", "ts"),
    Tm: ("m", "min", "mins", "minute", "minutes", "tm"),
    Th: ("h", "hr", "hrs", "hour", "hours", "th"),
    Td: ("d", "day", "days", "td"),
}


def normalize_unit(unit: TimeUnit | str) -> TimeUnit:
    """The unit of a name such as "ms", "sec", "min", "hour", "day"; ValueError for another."""
    if isinstance(unit, TimeUnit):
        return unit
    for known, names in _NAMES.items():
        if str(unit).lower() in names:
            return known
    raise ValueError(f"{unit!r} is no unit of time: use ms, sec, min, hour or day")
