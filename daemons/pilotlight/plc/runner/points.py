# SPDX-License-Identifier: Apache-2.0
"""What the runner writes to system points, and the commands it takes from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from pilotlight.plc.language.points import POINTS
from pilotlight.plc.runner.names import Names
from pilotlight.plc.runner.state import SystemState
from pilotlight.plc.values import from_cell
from pilotlight.tags import Value

_HALVES = {
    "sys.clock_10ms": 5_000_000, "sys.clock_100ms": 50_000_000, "sys.clock_500ms": 250_000_000,
    "sys.clock_1s": 500_000_000, "sys.clock_1m": 30_000_000_000, "sys.clock_1h": 1_800_000_000_000,
}  # fmt: skip
_LARGEST_INT = 32767
_ERRORS = ("rtc.apply_date_error", "rtc.apply_time_error", "storage.sd.write_status")
_COMMANDS = ("sys.cmd_watchdog_reset", "storage.sd.eject_cmd", "storage.sd.delete_all_cmd")
_OBEYED = {*_ERRORS, *_COMMANDS, "rtc.apply_date", "rtc.apply_time", "sys.cmd_mode_stop"}
"""What a scan begins with, if the program has it: commands, and what answers to them."""


class Points:
    """The clock, the mode and the counters of a runner, as its system points show them."""

    def __init__(self, names: Names, now: datetime | None = None) -> None:
        self.names = names
        self.scan_id = 0
        self.time_ns = 0
        self.dt_ns = 0
        self.running = True
        self.battery = True
        self.fixed = True
        self.period_ns = 0
        self.shortest_ns = 0
        self.longest_ns = 0
        self._shown: list[tuple[int, str]] = []
        self._known = 0
        self._commanded = False
        self._base = plain(now or datetime.now())
        self._base_ns = 0

    @property
    def rtc(self) -> datetime:
        """Date and time of the clock."""
        return self._base + timedelta(microseconds=(self.time_ns - self._base_ns) // 1000)

    def set_rtc(self, now: datetime) -> None:
        """Set the clock; a time with a zone is turned into local time."""
        self._base, self._base_ns = plain(now), self.time_ns

    @property
    def clock(self) -> tuple[datetime, int]:
        """A date and time, and the simulated time at which it was."""
        return self._base, self._base_ns

    def go_back(self, scan_id: int, time_ns: int, clock: tuple[datetime, int], *, running: bool) -> None:
        """Be as at the end of a scan of the past."""
        self.scan_id, self.time_ns, self.running = scan_id, time_ns, running
        self._base, self._base_ns = clock

    def adopt_clock(self, other: Points) -> None:
        """Run the clock on as another runner's runs."""
        self._base, self._base_ns = other._base, other._base_ns

    def follow(self, other: Points) -> None:
        """Go on where another runner's points are: counters, times, mode and clock."""
        self.scan_id, self.time_ns, self.dt_ns = other.scan_id, other.time_ns, other.dt_ns
        self.shortest_ns, self.longest_ns, self.period_ns = other.shortest_ns, other.longest_ns, other.period_ns
        self.running, self.battery, self.fixed = other.running, other.battery, other.fixed
        self.adopt_clock(other)

    def restart(self, *, keep_clock: bool) -> None:
        """Count from zero again."""
        now = self.rtc if keep_clock else datetime.now()
        self.scan_id = self.time_ns = self.dt_ns = self.shortest_ns = self.longest_ns = 0
        self.set_rtc(now)

    def obey(self, cells: MutableSequence[Any]) -> bool:
        """Take the commands that are in the image, and clear them; whether it is told to stop."""
        slots = self.names.slots
        if len(slots) != self._known:
            self._know(slots)
        if not self._commanded:
            return False
        for name in _ERRORS:
            if name in slots:
                cells[slots[name]] = 0
        for kind, apply in (("date", self._date), ("time", self._time)):
            command = slots.get(f"rtc.apply_{kind}")
            if command is not None and cells[command]:
                cells[command] = 0
                try:
                    self.set_rtc(apply(cells))
                except ValueError:
                    error = slots.get(f"rtc.apply_{kind}_error")
                    if error is not None:
                        cells[error] = 1
        for name in _COMMANDS:
            slot = slots.get(name)
            if slot is not None and cells[slot]:
                cells[slot] = 0
                if name.startswith("storage.") and "storage.sd.write_status" in slots:
                    cells[slots["storage.sd.write_status"]] = 1
        stop = slots.get("sys.cmd_mode_stop")
        if stop is None or not cells[stop]:
            return False
        cells[stop] = 0
        return True

    def _new(self, cells: MutableSequence[Any], field: str) -> int:
        slot = self.names.slots.get(f"rtc.new_{field}")
        return 0 if slot is None else int(cells[slot])

    def _date(self, cells: MutableSequence[Any]) -> datetime:
        year, month, day = (self._new(cells, field) for field in ("year4", "month", "day"))
        return self.rtc.replace(year=year, month=month, day=day)

    def _time(self, cells: MutableSequence[Any]) -> datetime:
        hour, minute, second = (self._new(cells, field) for field in ("hour", "minute", "second"))
        return self.rtc.replace(hour=hour, minute=minute, second=second, microsecond=0)

    def show(self, cells: MutableSequence[Any]) -> None:
        """Write every point that has a slot and that only the runner writes."""
        slots = self.names.slots
        if len(slots) != self._known:
            self._know(slots)
        for slot, name in self._shown:
            cells[slot] = self.value(name)

    def _know(self, slots: Mapping[str, int]) -> None:
        """Look through the names anew: there are more than before."""
        self._known = len(slots)
        self._commanded = not _OBEYED.isdisjoint(slots)
        self._shown = [(slot, name) for name, slot in slots.items() if self.value(name) is not None]

    def recall(self, cells: MutableSequence[Any], after: list[Any]) -> None:
        """Write what the points showed in a scan of the past that left the image `after`; commands are taken."""
        slots = self.names.slots
        for name in ("rtc.apply_date", "rtc.apply_time", "sys.cmd_mode_stop", *_COMMANDS):
            if name in slots:
                cells[slots[name]] = 0
        for name, slot in slots.items():
            if name in _ERRORS or self.value(name) is not None:
                cells[slot] = after[slot]

    def resolve(self, name: str, state: SystemState | None = None) -> tuple[bool, Value | None]:
        """Whether there is a system point of this name, and its value in a state: the newest unless given."""
        point = POINTS.get(name)
        if point is None:
            return False, None
        of = self
        if state is not None:
            of = copy(self)
            of.scan_id, of.time_ns = state.scan_id, state.time_ns
            if name in state.tags and of.value(name) is None:
                return True, state.tags[name]
        return True, from_cell(point.type, of.value(name) or 0)

    def value(self, name: str) -> int | None:
        """The number of a point that follows from the runner's state; None for all other names."""
        half = _HALVES.get(name)
        if half is not None:
            return self.time_ns // half % 2
        simple = _SIMPLE.get(name)
        if simple is not None:
            return min(simple(self), 2**31 - 1)
        field = _CALENDAR.get(name)
        return None if field is None else field(self.rtc)


def plain(now: datetime) -> datetime:
    """A time without a zone: local."""
    return now if now.tzinfo is None else now.astimezone().replace(tzinfo=None)


def _milliseconds(time_ns: int) -> int:
    return min((time_ns + 500_000) // 1_000_000, _LARGEST_INT)


_SIMPLE: dict[str, Callable[[Points], int]] = {
    "sys.always_on": lambda p: 1,
    "sys.first_scan": lambda p: int(p.scan_id == 0),
    "sys.scan_clock_toggle": lambda p: p.scan_id % 2,
    "sys.mode_switch_run": lambda p: 1,
    "sys.mode_run": lambda p: int(p.running),
    "sys.fixed_scan_mode": lambda p: int(p.fixed),
    "sys.battery_present": lambda p: int(p.battery),
    "sys.scan_counter": lambda p: p.scan_id,
    "sys.scan_time_current_ms": lambda p: _milliseconds(p.dt_ns),
    "sys.scan_time_min_ms": lambda p: _milliseconds(p.shortest_ns),
    "sys.scan_time_max_ms": lambda p: _milliseconds(p.longest_ns),
    "sys.scan_time_fixed_setup_ms": lambda p: _milliseconds(p.period_ns) if p.fixed else 0,
    "sys.interrupt_scan_time_ms": lambda p: 0,
    "storage.sd.ready": lambda p: 1,
}
_CALENDAR: dict[str, Callable[[datetime], int]] = {
    "rtc.year4": lambda t: t.year,
    "rtc.year2": lambda t: t.year % 100,
    "rtc.month": lambda t: t.month,
    "rtc.day": lambda t: t.day,
    "rtc.weekday": lambda t: t.isoweekday() % 7 + 1,
    "rtc.hour": lambda t: t.hour,
    "rtc.minute": lambda t: t.minute,
    "rtc.second": lambda t: t.second,
}
