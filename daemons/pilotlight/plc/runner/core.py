# SPDX-License-Identifier: Apache-2.0
"""The runner: makes scans, and looks after each.

What a program computes cannot raise; the callbacks of monitors and breakpoints can, after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from pilotlight.plc import ir
from pilotlight.plc.engine.conditions import Test
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Machine
from pilotlight.plc.language.conditions import all_of, lower_all
from pilotlight.plc.language.points import POINTS
from pilotlight.plc.language.program import Program
from pilotlight.plc.language.properties import PLAIN
from pilotlight.plc.language.tag import ACTIVE, Tag
from pilotlight.plc.runner import batch
from pilotlight.plc.runner.engines import Engines
from pilotlight.plc.runner.history import LabeledSnapshot
from pilotlight.plc.runner.state import RunResult, SystemState
from pilotlight.plc.runner.travelling import Traveller
from pilotlight.plc.runner.watching import Breakpoint, Monitor, Watch
from pilotlight.tags import Value

LONGEST_RUN = 10_000
"""Scans that run_until() makes at most, unless told otherwise."""


class Runner(Traveller):
    """Runs one program. Not for several threads at a time."""

    def __init__(
        self, logic: Program | Sequence[Program] | None = None, *, dt_ns: int,
        history: Mapping[str, int] | None = None, auto_start: bool = True, initial_state: SystemState | None = None,
        engine: str | Engines = "interpreter",
    ) -> None:  # fmt: skip
        super().__init__(
            logic, dt_ns=dt_ns, history=history, auto_start=auto_start, initial_state=initial_state, engine=engine
        )
        self._asking = False
        self._watches: list[Watch] = []
        self._last_id = 0

    def step(self) -> SystemState:
        """Make one scan; gives its state."""
        self._scan()
        return self.current_state

    def _scan(self) -> bool:
        """Make one scan; whether a breakpoint wants a pause."""
        stop = self._begin(keep=self._asking or bool(self._watches))
        if self.points.running:
            self._engine.run(self.points.dt_ns)
        self._commit(stop)
        return bool(self._watches) and self._look()

    def run(
        self, cycles: int, *, inputs: Mapping[str, Sequence[Value]] | Mapping[Tag, Sequence[Value]] | None = None
    ) -> SystemState:
        """Make so many scans, or fewer when a breakpoint pauses.

        `inputs` has for a tag its value in each scan, as patches; of all tags equally many, the first again after the
        last. Raises as patch() does, before the first scan.
        """
        if cycles < 0:
            raise ValueError("a number of scans is not below 0")
        slots, rows = self._columns(inputs or {})
        made = 0
        while made < cycles:
            if batch.possible(self, cycles - made):
                made += batch.scans(self, cycles - made, slots, rows, made)
                if made >= cycles:
                    break
            if rows:
                self._patches.update(zip(slots, rows[made % len(rows)], strict=True))
            made += 1
            if self._scan():
                break
        return self.current_state

    def _columns(self, inputs: Mapping[Any, Sequence[Value]]) -> tuple[list[int], list[tuple[int | float, ...]]]:
        """Slots of inputs, and for each scan the numbers."""
        columns: dict[int, list[int | float]] = {}
        for tag, values in inputs.items():
            slot = self.names.to_write(tag, values[0]) if values else self.names.find(tag)
            known = {each: self.names.number(slot, each[1]) for each in {(type(value), value) for value in values}}
            columns[slot] = [known[type(value), value] for value in values]
        if len({len(numbers) for numbers in columns.values()}) > 1 or any(not each for each in columns.values()):
            raise ValueError("inputs need a value at least, and for each tag equally many")
        return list(columns), list(zip(*columns.values(), strict=True))

    def run_for(self, seconds: float) -> SystemState:
        """Scan until so much simulated time has passed, or a breakpoint pauses."""
        end = self.points.time_ns + round(seconds * 1e9)
        while self.points.time_ns < end:
            if self._scan():
                break
        return self.current_state

    def _until(self, holds: Callable[[SystemState], bool], max_cycles: int) -> RunResult:
        if max_cycles < 1:
            raise ValueError("run_until() makes at least one scan")
        for _ in range(max_cycles):
            self._asking = True
            try:
                paused = self._scan()
            finally:
                self._asking = False
            if holds(self._state_at(self._history.newest_scan_id)):
                return RunResult.of(self.current_state, True)
            if paused:
                break
        return RunResult.of(self.current_state, False)

    def _asked(self, conditions: tuple[object, ...]) -> Callable[[SystemState], bool]:
        """A question to the state after each scan: a function of it, or conditions."""
        if not conditions:
            raise TypeError("give a condition")
        if any(isinstance(each, (tuple, list)) for each in conditions):
            conditions = (all_of(*conditions),)
        first: Any = conditions[0]
        if len(conditions) == 1 and callable(first) and not isinstance(first, Tag):
            function: Callable[[SystemState], object] = first
            return lambda state: bool(function(state))
        tests = {self.names: self._test(lower_all(self.names, conditions))}

        def holds(_state: SystemState) -> bool:
            if self.names not in tests:  # the program has been changed online
                tests.clear()
                tests[self.names] = self._test(lower_all(self.names, conditions))
            return self._holds(tests[self.names])

        return holds

    def _test(self, condition: ir.Condition) -> Test:
        program = ir.Program(tuple(self.names.cells), (), tuple(self.names.tables))
        return Expressions(program).test(condition)

    def _holds(self, test: Test) -> bool:
        """Whether a condition holds now; its edges are those of the scan that has just ended, its faults nobody's."""
        image = list(self._cells)
        for slot, previous in self.names.edges.items():
            image[previous] = 1 if slot < len(self._before) and self._before[slot] else 0
        return test.true(Machine(image))

    @property
    def bounds_violations(self) -> dict[str, str]:
        """Tags whose value after the newest scan is not one that is meant, and what is wrong with it."""
        found: dict[str, str] = {}
        for name, tag in {**self.names.tags, **self.logic.tags}.items():
            value = None if tag.properties is PLAIN else self._value_of(name)
            complaint = "" if value is None else tag.properties.complaint(value)
            if complaint:
                found[name] = complaint
        return found

    def monitor(self, tag: str | Tag, callback: Callable[[Any, Any], object]) -> Monitor:
        """Call `callback(current, previous)` after each scan that changed the tag.

        A name that nothing has used so far is waited for; its previous value is None then.
        """
        self._last_id += 1
        watch = Monitor(self, self._last_id, tag.name if isinstance(tag, Tag) else tag, callback)
        self._settle()
        if watch.name in POINTS:
            self.names.find(watch.name)
        self.points.show(self._cells)
        watch.seen = self._value_of(watch.name)
        if isinstance(tag, Tag):
            self.names.find(tag)
        self._watches.append(watch)
        return watch

    def _value_of(self, name: str) -> Value | None:
        slot = self.names.slots.get(name)
        return None if slot is None else self.names.value(slot, self._cells[slot])

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
                watch.look(self._value_of(watch.name))
        pause = False
        for watch in watches:
            if not isinstance(watch, Breakpoint) or not watch.enabled:
                continue
            tip = self._history.newest_scan_id
            if watch.holds(self._state_at(tip)):
                pause = pause or watch.pauses
                for label in watch.labels:
                    timestamp = self.simulation_time
                    self._history.label(LabeledSnapshot(label, tip, timestamp, self.points.rtc.isoformat()))
        return pause

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
        self._settle()
        cells = self._cells
        for slot, cell in enumerate(self.names.cells):
            if cell.internal or not keep(cell):
                cells[slot] = cell.default
        self.points.restart(keep_clock=keep_clock)
        self.points.running = True
        self._last_clock = None
        self._restarted()

    def set_rtc(self, now: datetime) -> None:
        """Set the clock of the program."""
        self.points.set_rtc(now)

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
