# SPDX-License-Identifier: Apache-2.0
"""One scan, phase by phase, and what goes into it: patches, forces, time.

A scan is: faults cleared, patches, commands, system points, forces, logic, forces, edges, commit. Nothing that a
program computes can raise.
"""

from __future__ import annotations

import time
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Any, Self

from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.changing import Change, judge
from pilotlight.plc.runner.engines import Engines
from pilotlight.plc.runner.history import History
from pilotlight.plc.runner.inputs import Conditions, Numbers
from pilotlight.plc.runner.names import Names
from pilotlight.plc.runner.points import Points
from pilotlight.plc.runner.state import Picture, States, SystemState
from pilotlight.plc.values import to_cell
from pilotlight.tags import Value


class Scanner:
    """A program, its image, and the phases of a scan."""

    def __init__(
        self, logic: Program | Sequence[Program] | None = None, *, dt_ns: int,
        history: Mapping[str, int] | None = None, auto_start: bool = True, initial_state: SystemState | None = None,
        engine: str | Engines = "interpreter",
    ) -> None:  # fmt: skip
        self.logic = _one(logic)
        self._functions = self.logic.functions
        if isinstance(engine, str):
            engine = Engines(engine, self.logic.ir, self._functions)
        self._engines = engine
        self._engine = engine.make()
        self._more: list[Any] = []
        self.names = Names(self.logic.ir)
        self.points = Points(self.names)
        self.auto_start = auto_start
        self._period(dt_ns)
        self._patches: dict[int, int | float] = {}
        self._forces: dict[int, int | float] = {}
        self._last_clock: int | None = None
        self._rules = dict(history or {})
        self._history = History(self._state_at, self.names.cells, **self._rules)
        self._states = States()
        self._traces: OrderedDict[int, Any] = OrderedDict()
        self._scanning = False
        self._change: Change | None = None
        if initial_state is not None:
            self._adopt(initial_state)
        self._restarted()
        self._before: list[Any] = list(self._cells)
        self._given: tuple[Numbers, Numbers, tuple[datetime, int]] = {}, {}, self.points.clock
        self._held = Conditions({}, {}, True, self.points.clock)

    @property
    def engine(self) -> str:
        """What runs the program: `interpreter` or `native`."""
        return self._engines.kind

    def _adopt(self, state: SystemState) -> None:
        """Take over a state: its tags, those internal cells that the program has, its number and its time."""
        for name, value in state.tags.items():
            slot = self.names.find(name, value)
            self._cells[slot] = self.names.number(slot, value)
        for name, number in state.memory.items():
            slot = self.names.slots.get(name, -1)
            if slot >= 0 and self.names.cells[slot].internal:
                self._cells[slot] = number
        self.points.scan_id, self.points.time_ns = state.scan_id, state.time_ns

    def _restarted(self) -> None:
        """The history begins with the image as it is."""
        self._states.clear()
        self._traces.clear()
        self._history.restart(self.points.scan_id, self.points.time_ns, self._cells)
        self._playhead = self.points.scan_id
        self._changes()

    def _changes(self) -> bytes:
        """What has changed since the last call, packed for the history."""
        packed = self._engine.changes()
        size = self.names.program_size
        if len(self.names.cells) == size:
            return packed
        cells, known = self._cells, len(self._more)
        more = [cells[slot] for slot in range(size, len(self.names.cells))]
        slots = [n for n, number in enumerate(more) if n >= known or number != self._more[n]]
        self._more = more
        middle = 4 * (len(packed) // 12)
        behind = array("I", [size + n for n in slots]).tobytes()
        return packed[:middle] + behind + packed[middle:] + array("d", [more[n] for n in slots]).tobytes()

    @property
    def _cells(self) -> MutableSequence[Any]:
        """The image, with room for every name."""
        cells, names = self._engine.cells, self.names
        if len(names.cells) > names.program_size and len(cells) < len(names.cells):
            cells.extend(cell.default for cell in names.cells[len(cells) :])
        return cells

    def _image(self) -> list[Any]:
        return list(self._cells)

    def _state_at(self, scan_id: int) -> SystemState:
        """The state of a retained scan: the same object as long as somebody has it."""
        state = self._states.get(scan_id)
        if state is None:
            names, history = self.names, self._history
            picture = Picture(names.cells, names.slots, self._image)
            if scan_id == history.newest_scan_id and not self._scanning:
                state = SystemState.of_picture(scan_id, history.newest_time_ns, picture)
                self._states.keep_newest(state)
            else:
                state = SystemState.of_picture(scan_id, history.time_of(scan_id), picture)
                state.settle(history.image(scan_id)[: history.width(scan_id)])
                self._states.keep(state)
        return state

    def _settle(self) -> None:
        """Called before the image changes: who has its state, keeps it."""
        self._states.settle(self._image)

    def _period(self, dt_ns: int) -> None:
        if dt_ns <= 0:
            raise ValueError("the time of a scan is above 0")
        self.points.period_ns = dt_ns

    @property
    def current_state(self) -> SystemState:
        """The state after the newest scan, wherever the playhead is."""
        return self._state_at(self._history.newest_scan_id)

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
    def system_runtime(self) -> Points:
        """The system points."""
        return self.points

    @property
    def forces(self) -> Mapping[str, Value]:
        """Forced tags and their values, read-only."""
        names = self.names
        return MappingProxyType({names.cells[s].name: names.value(s, n) for s, n in self._forces.items()})

    def patch(self, tags: Mapping[str | Tag, Value] | Mapping[str, Value] | Mapping[Tag, Value]) -> None:
        """Give tags values in the next scan, once; the last patch of a tag wins.

        Raises ValueError for read-only points and TagValueError for values that do not fit: then nothing is patched.
        """
        self._patches.update(self._numbers(tags))

    def _numbers(self, values: Mapping[Any, Value]) -> dict[int, int | float]:
        found: dict[int, int | float] = {}
        names, cells, known = self.names, self.names.cells, self.names.writable
        for tag, value in values.items():
            slot = known.get(tag) if tag.__class__ is str else None
            if slot is None:
                slot = names.to_write(tag, value)
            found[slot] = to_cell(cells[slot].type, value)
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

    def _begin(self, *, keep: bool = True) -> bool:
        """The phases before the logic; whether the program has told the runner to stop. `keep` the image before."""
        points = self.points
        if not points.running and self.auto_start:
            self.start()
        points.dt_ns = self._elapsed()
        if keep:
            self._before = self._image()
        self._settle()
        self._scanning = True
        cells = self._cells
        self._engine.begin()
        self._engine.put(self._patches)
        self._given = self._patches, dict(self._forces), points.clock
        self._patches = {}
        stop = points.obey(cells)
        points.show(cells)
        if self._forces:
            self._engine.put(self._forces)
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
        cells, points = self._cells, self.points
        if self._forces:
            self._engine.put(self._forces)
        self._engine.finish()
        if points.scan_id == 0 or points.dt_ns < points.shortest_ns:
            points.shortest_ns = points.dt_ns
        if points.dt_ns > points.longest_ns:
            points.longest_ns = points.dt_ns
        points.time_ns += points.dt_ns
        points.scan_id += 1
        self._scanning = False
        history = self._history
        follow = self._playhead == history.newest_scan_id
        history.append(points.time_ns, cells, self._changes())
        oldest = history.oldest_scan_id
        if follow:
            self._playhead = history.newest_scan_id
        elif self._playhead < oldest:
            self._playhead = oldest
        patches, forces, clock = self._given
        held = self._held
        if (held.before, held.after, held.running, held.clock) != (forces, self._forces, points.running, clock):
            held = self._held = Conditions(forces, dict(self._forces), points.running, clock)
        stand = self._engine.holds(patches)
        history.inputs.record(points.scan_id, patches, held, stand=stand, oldest=oldest)
        if stop:
            points.running = False
        if self._change is not None:
            judge(self, self._change)

    def start(self) -> None:
        """Go from STOP to RUN."""
        self.points.running = True


def _one(logic: Program | Sequence[Program] | None) -> Program:
    """The program to run; an empty sequence is the empty program."""
    if isinstance(logic, Program):
        return logic
    if logic is None or len(logic) == 0:
        return Program()
    if len(logic) == 1 and isinstance(logic[0], Program):
        return logic[0]
    raise TypeError("a runner runs one Program: write the rungs inside `with Program():` or @program")
