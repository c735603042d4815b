# SPDX-License-Identifier: Apache-2.0
"""One scan, phase by phase, and what goes into it: patches, forces, time.

A scan is: faults cleared, patches, commands, system points, forces, logic, forces, edges, commit. Nothing that a
program computes can raise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Self

from pilotlight.plc.engine import Interpreter
from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.history import History
from pilotlight.plc.runner.names import Names
from pilotlight.plc.runner.points import Points
from pilotlight.plc.runner.state import SystemState
from pilotlight.tags import Value


class Scanner:
    """A program, its image, and the phases of a scan."""

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
        self._last_clock: int | None = None
        self._rules = dict(history or {})
        self._history = History(self._state, self.names.cells, **self._rules)
        self._history.restart(0, 0, self._cells)
        self._playhead = 0
        self._before: list[Any] = list(self._cells)

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

    def start(self) -> None:
        """Go from STOP to RUN."""
        self.points.running = True
