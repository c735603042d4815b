# SPDX-License-Identifier: Apache-2.0
"""The runner: scans a program, phase by phase, and remembers what each scan left.

A scan is: faults cleared, patches, commands, system points, forces, logic, forces, edges, commit, then monitors and
breakpoints. Nothing that a program computes can raise; callbacks of the user can, after the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from pilotlight.plc import ir
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.engine.conditions import Test
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Machine
from pilotlight.plc.language.conditions import lower_all
from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import ACTIVE, Tag
from pilotlight.plc.runner.history import History, LabeledSnapshot
from pilotlight.plc.runner.names import Names
from pilotlight.plc.runner.points import Points
from pilotlight.plc.runner.state import SystemState
from pilotlight.plc.runner.watching import Breakpoint, Monitor, Watch
from pilotlight.tags import Value

LONGEST_RUN = 10_000
"""Scans that run_until() makes at most, unless told otherwise."""


class Runner:
    """Runs one program. Not for several threads at a time."""

    def __init__(
        self, logic: Program | None = None, *, dt_ns: int, history: Mapping[str, int] | None = None,
        auto_start: bool = True,
    ) -> None:  # fmt: skip
        self.logic = Program() if logic is None else logic
        self._functions = self.logic.functions
        self._engine = Interpreter(self.logic.ir, self._functions)
        self.names = Names(self.logic.ir)
        self.points = Points(self.names)
        self.auto_start = auto_start
        self._period(dt_ns)
        self._patches: dict[int, int | float] = {}
        self._forces: dict[int, int | float] = {}
        self._watches: list[Watch] = []
        self._last_id = 0
        self._last_clock: int | None = None
        self._rules = dict(history or {})
        self._history = History(self._state, self.names.cells, **self._rules)
        self._history.restart(0, 0, self._cells)
        self._playhead = 0
        self._before: list[Any] = list(self._cells)

    # -- cells ---------------------------------------------------------------------------------------------

    @property
    def _cells(self) -> list[Any]:
        """The image, with room for every name."""
        cells = self._engine.cells
        if len(cells) < len(self.names.cells):
            cells.extend(cell.default for cell in self.names.cells[len(cells) :])
        return cells

    def _state(self, scan_id: int, time_ns: int, image: list[Any]) -> SystemState:
        return SystemState(scan_id, time_ns, image, self.names.cells)

    def _period(self, dt_ns: int) -> None:
        if dt_ns <= 0:
            raise ValueError("the time of a scan is above 0")
        self.points.period_ns = dt_ns

    # -- state ---------------------------------------------------------------------------------------------

    @property
    def current_state(self) -> SystemState:
        """The state at the playhead."""
        tip = self._history.newest_scan_id
        if self._playhead == tip:
            return self._state(tip, self.points.time_ns, self._cells)
        return self._history.at(self._playhead)

    @property
    def history(self) -> History:
        """Retained scans."""
        return self._history

    @property
    def playhead(self) -> int:
        """Number of the scan that is looked at."""
        return self._playhead

    @property
    def simulation_time(self) -> float:
        """Seconds of simulated time at the newest scan."""
        return self.points.time_ns / 1e9

    @property
    def running(self) -> bool:
        """Whether the mode is RUN."""
        return self.points.running

    @property
    def forces(self) -> Mapping[str, Value]:
        """Forced tags and their values, read-only."""
        names = self.names
        return MappingProxyType({names.cells[s].name: names.value(s, n) for s, n in self._forces.items()})

    # -- patches and forces --------------------------------------------------------------------------------

    def patch(self, values: Mapping[str | Tag, Value] | Mapping[str, Value] | Mapping[Tag, Value]) -> None:
        """Give tags values in the next scan, once; the last patch of a tag wins.

        Raises ValueError for read-only points and TagValueError for values that do not fit: then nothing is patched.
        """
        self._patches.update(self._numbers(values))

    def _numbers(self, values: Mapping[Any, Value]) -> dict[int, int | float]:
        found: dict[int, int | float] = {}
        for tag, value in values.items():
            slot = self.names.find(tag, value)
            self.names.refuse_readonly(slot)
            found[slot] = self.names.number(slot, value)
        return found

    def _force(self, values: Mapping[Any, Value]) -> None:
        self._forces.update(self._numbers(values))

    def _unforce(self, tag: str | Tag) -> None:
        slot = self.names.slots.get(tag.name if isinstance(tag, Tag) else tag)
        if slot is None or slot not in self._forces:
            raise KeyError(f"{tag} is not forced")
        del self._forces[slot]

    def clear_forces(self) -> None:
        """Let every forced tag go."""
        self._forces.clear()

    @contextmanager
    def _forced(self, values: Mapping[Any, Value]) -> Iterator[Self]:
        kept = dict(self._forces)
        self._force(values)
        try:
            yield self
        finally:
            self._forces = kept

    # -- scanning ------------------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """The phases before the logic; whether the program has told the runner to stop."""
        points = self.points
        if not points.running and self.auto_start:
            self.start()
        points.dt_ns = self._elapsed()
        self._before = self._cells.copy()
        cells = self._cells
        self._engine.begin()
        for slot, number in self._patches.items():
            cells[slot] = number
        self._patches = {}
        stop = points.obey(cells)
        points.show(cells)
        for slot, number in self._forces.items():
            cells[slot] = number
        return stop

    def _elapsed(self) -> int:
        if self.points.fixed:
            return self.points.period_ns
        now = time.perf_counter_ns()
        elapsed = 0 if self._last_clock is None else now - self._last_clock
        self._last_clock = now
        return elapsed

    def _commit(self, stop: bool) -> None:
        """The phases after the logic."""
        cells, before, points = self._cells, self._before, self.points
        for slot, number in self._forces.items():
            cells[slot] = number
        self._engine.finish()
        pairs = enumerate(zip(cells, before, strict=False))
        changed = [slot for slot, (now, was) in pairs if now is not was and now != was]
        changed.extend(range(len(before), len(cells)))
        points.shortest_ns = points.dt_ns if points.scan_id == 0 else min(points.shortest_ns, points.dt_ns)
        points.longest_ns = max(points.longest_ns, points.dt_ns)
        points.time_ns += points.dt_ns
        points.scan_id += 1
        follow = self._playhead == self._history.newest_scan_id
        self._history.append(points.time_ns, cells, changed)
        if follow or self._playhead < self._history.oldest_scan_id:
            self._playhead = self._history.newest_scan_id if follow else self._history.oldest_scan_id
        if stop:
            points.running = False

    def step(self) -> SystemState:
        """Make one scan; gives its state."""
        self._scan()
        return self.current_state

    def _scan(self) -> bool:
        """Make one scan; whether a breakpoint wants a pause."""
        stop = self._begin()
        if self.points.running:
            self._engine.run(self.points.dt_ns)
        self._commit(stop)
        return bool(self._watches) and self._look()

    def run(self, cycles: int) -> SystemState:
        """Make so many scans, or fewer when a breakpoint pauses."""
        if cycles < 0:
            raise ValueError("a number of scans is not below 0")
        for _ in range(cycles):
            if self._scan():
                break
        return self.current_state

    def run_for(self, seconds: float) -> SystemState:
        """Scan until so much simulated time has passed, or a breakpoint pauses."""
        end = self.points.time_ns + round(seconds * 1e9)
        while self.points.time_ns < end:
            if self._scan():
                break
        return self.current_state

    def _until(self, holds: Callable[[SystemState], bool], max_cycles: int) -> bool:
        if max_cycles < 1:
            raise ValueError("run_until() makes at least one scan")
        for _ in range(max_cycles):
            paused = self._scan()
            if holds(self.current_state):
                return True
            if paused:
                break
        return False

    def _asked(self, conditions: tuple[object, ...]) -> Callable[[SystemState], bool]:
        """A question to the state after each scan: a function of it, or conditions."""
        if not conditions:
            raise TypeError("give a condition")
        first: Any = conditions[0]
        if len(conditions) == 1 and callable(first) and not isinstance(first, Tag):
            function: Callable[[SystemState], object] = first
            return lambda state: bool(function(state))
        test = self._test(lower_all(self.names, conditions))
        return lambda state: self._holds(test)

    def _test(self, condition: ir.Condition) -> Test:
        program = ir.Program(tuple(self.names.cells), (), tuple(self.names.tables))
        return Expressions(program).test(condition)

    def _holds(self, test: Test) -> bool:
        """Whether a condition holds now; its edges are those of the scan that has just ended, its faults nobody's."""
        image = self._cells.copy()
        for slot, previous in self.names.edges.items():
            image[previous] = 1 if slot < len(self._before) and self._before[slot] else 0
        return test.true(Machine(image))

    # -- watching ------------------------------------------------------------------------------------------

    def monitor(self, tag: str | Tag, callback: Callable[[Any, Any], object]) -> Monitor:
        """Call `callback(current, previous)` after each scan that changed the tag. KeyError for an unknown name."""
        slot = self.names.find(tag)
        self.points.show(self._cells)
        self._last_id += 1
        watch = Monitor(self, self._last_id, slot, self.names.value(slot, self._cells[slot]), callback)
        self._watches.append(watch)
        return watch

    def _when(self, conditions: tuple[object, ...]) -> Breakpoint:
        self._last_id += 1
        watch = Breakpoint(self, self._last_id, self._asked(conditions))
        self._watches.append(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Drop a monitor or breakpoint."""
        self._watches = [each for each in self._watches if each is not watch]

    def _look(self) -> bool:
        watches = list(self._watches)
        for watch in watches:
            if isinstance(watch, Monitor):
                watch.look(self.names.value(watch.slot, self._cells[watch.slot]))
        pause = False
        for watch in watches:
            if not isinstance(watch, Breakpoint) or not watch.enabled:
                continue
            tip = self._history.newest_scan_id
            if watch.holds(self._state(tip, self.points.time_ns, self._cells)):
                pause = pause or watch.pauses
                for label in watch.labels:
                    timestamp = self.simulation_time
                    self._history.label(LabeledSnapshot(label, tip, timestamp, self.points.rtc.isoformat()))
        return pause

    # -- time travel ---------------------------------------------------------------------------------------

    def seek(self, scan_id: int) -> SystemState:
        """Look at a retained scan; KeyError when it is not retained."""
        state = self._history.at(scan_id)
        self._playhead = scan_id
        return state

    def rewind(self, seconds: float) -> SystemState:
        """Look at the newest scan that is so much older than the one looked at, or at the oldest retained."""
        if seconds < 0:
            raise ValueError("rewind() goes back: give 0 or more seconds")
        return self.seek(self._history.at_or_before(self._history.time_of(self._playhead) - round(seconds * 1e9)))

    def diff(self, scan_a: int, scan_b: int) -> dict[str, tuple[Value | None, Value | None]]:
        """Tags that differ between two retained scans, sorted by name: value in the first, value in the second."""
        a, b = self._history.at(scan_a).tags, self._history.at(scan_b).tags
        return {name: (a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)}

    def fork(self, scan_id: int | None = None) -> Self:
        """A runner of its own that goes on from a retained scan, without forces, patches and watches."""
        number = self._playhead if scan_id is None else scan_id
        time_ns, image = self._history.image(number)
        other = self._sibling()
        for cell in self.names.cells[len(other.names.cells) :]:
            other.names.slots[cell.name] = len(other.names.cells)
            other.names.cells.append(cell)
        other.names.tags.update(self.names.tags)
        other._cells[: len(image)] = image
        points = other.points
        points.fixed, points.battery = self.points.fixed, self.points.battery
        points.scan_id, points.time_ns = number, time_ns
        points.adopt_clock(self.points)
        other._history.restart(number, time_ns, other._cells)
        other._playhead = number
        return other

    def _adopt_history(self, rules: Mapping[str, int]) -> None:
        self._rules = dict(rules)
        self._history = History(self._state, self.names.cells, **self._rules)

    def _sibling(self) -> Self:
        raise NotImplementedError(f"{type(self).__name__} cannot be forked")

    # -- mode ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Go to STOP; tags, forces and patches stay as they are."""
        self.points.running = False

    def start(self) -> None:
        """Go from STOP to RUN: tags that are not retentive take their defaults; forces and patches stay."""
        if self.points.running:
            return
        self._reset(lambda cell: cell.retentive, keep_clock=True)

    def reboot(self) -> SystemState:
        """Power off and on: with the battery all tags keep their values, without it none does. Forces are dropped."""
        self._patches, self._forces = {}, {}
        battery = self.points.battery
        self._reset(lambda cell: battery, keep_clock=battery)
        return self.current_state

    def _reset(self, keep: Callable[[ir.Cell], bool], *, keep_clock: bool) -> None:
        cells = self._cells
        for slot, cell in enumerate(self.names.cells):
            if cell.internal or not keep(cell):
                cells[slot] = cell.default
        self.points.restart(keep_clock=keep_clock)
        self.points.running = True
        self._last_clock = None
        self._history.restart(0, 0, cells)
        self._playhead = 0

    def set_rtc(self, now: datetime) -> None:
        """Set the clock of the program."""
        self.points.set_rtc(now)

    # -- the active scope ----------------------------------------------------------------------------------

    @contextmanager
    def _active(self) -> Iterator[Self]:
        token = ACTIVE.set(self)
        try:
            yield self
        finally:
            ACTIVE.reset(token)

    def read_tag(self, tag: Tag) -> Value:
        """The value as the next scan would see it: patched, forced, or as the newest scan left it."""
        slot = self.names.find(tag)
        number = self._patches.get(slot, self._forces.get(slot))
        if number is None:
            number = self.points.value(tag.name)
        return self.names.value(slot, self._cells[slot] if number is None else number)

    def write_tag(self, tag: Tag, value: Value) -> None:
        """Patch a tag."""
        self.patch({tag: value})
