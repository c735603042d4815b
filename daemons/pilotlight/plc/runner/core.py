# SPDX-License-Identifier: Apache-2.0
"""The runner: makes scans, looks after each, and goes back to any that is retained.

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
from pilotlight.plc.runner.causes import Cause
from pilotlight.plc.runner.changing import Change, change
from pilotlight.plc.runner.engines import Engines
from pilotlight.plc.runner.history import History, LabeledSnapshot
from pilotlight.plc.runner.scanner import Scanner
from pilotlight.plc.runner.state import RunResult, SystemState
from pilotlight.plc.runner.watching import Breakpoint, Monitor, Watch
from pilotlight.tags import Value

LONGEST_RUN = 10_000
"""Scans that run_until() makes at most, unless told otherwise."""


class Runner(Scanner):
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
            slot = self.names.find(tag, values[0] if values else None)
            self.names.refuse_readonly(slot)
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
        """A runner of its own that goes on from a retained scan, the newest unless given, without forces, patches and
        watches."""
        number = self._history.newest_scan_id if scan_id is None else scan_id
        time_ns, image = self._history.time_of(number), self._history.image(number)
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
        other._restarted()
        return other

    def back(self, scans: int = 1) -> SystemState:
        """Undo the newest scans: they are forgotten, and the image, the clock and the mode are as before them.

        The oldest of them is ready to be made again: its patches wait, its forces hold. KeyError when the scan to go
        back to, or what came in after it, is no longer retained; then nothing has changed.
        """
        history = self._history
        scan_id = history.newest_scan_id - scans
        if scans < 1:
            raise ValueError("back() undoes at least one scan")
        image, undone = history.image(scan_id), history.image(scan_id + 1)
        patches, given = history.inputs.patches(scan_id + 1, undone), history.inputs.conditions(scan_id + 1)
        self._settle()
        self._states.clear()
        self._before = history.image(scan_id - 1) if history.contains(scan_id - 1) else image.copy()
        self.points.go_back(scan_id, history.time_of(scan_id), given.clock, running=given.running)
        history.cut(scan_id)
        self._engine.load(image)
        self._changes()
        self._patches, self._forces = patches, dict(given.before)
        self._playhead = min(self._playhead, scan_id)
        for number in [each for each in self._traces if each > scan_id]:
            del self._traces[number]
        return self.current_state

    def change(self, logic: Program, *, trial: int = 10) -> Change:
        """Change the program online: tags, timers, counters, edges, forces and patches that both have by name and type
        go on; all else begins with its defaults. Watches stay, the history begins again.

        When the new program, in one of its first `trial` scans, sets a fault flag that was not set in the last scan
        before, the old one goes on as it was at the change; what this gives then says so.
        """
        return change(self, logic, trial)

    def why(self, tag: str | Tag, *, scan_id: int | None = None, depth: int = 8) -> Cause:
        """Why a tag has the value it had at the end of a scan, that at the playhead unless given; `depth` causes deep.

        The scans it goes back to are run again beside the runner. KeyError for an unknown tag or scan.
        """
        from pilotlight.plc.runner.why import why

        return why(self, self.names.find(tag), self._playhead if scan_id is None else scan_id, depth)

    def _adopt_history(self, rules: Mapping[str, int]) -> None:
        self._rules = dict(rules)
        self._history = History(self._state_at, self.names.cells, **self._rules)

    def _sibling(self) -> Self:
        raise NotImplementedError(f"{type(self).__name__} cannot be forked")

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
