# SPDX-License-Identifier: Apache-2.0
"""Stepping through scans both ways.

A stepper stands before a rung, branch or instruction of a scan: of one under way, or of a retained one that is run
again beside the runner. Going back and forth changes nothing. Changing an input does: the scan it stands in is made
again with it, up to the same place, and scans behind it are undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.core import Runner
from pilotlight.plc.runner.debugging import Debugger, ScanStep
from pilotlight.plc.runner.replay import Replay
from pilotlight.tags import Value

Stop = Callable[[ScanStep], bool]
_Place = tuple[tuple[object, ...], int]


class Stepper:
    """Steps a runner. Python functions of the program are called again by each repetition of a scan."""

    def __init__(self, runner: Runner, debugger: Debugger | None = None) -> None:
        self._runner = runner
        self._debugger = Debugger(runner) if debugger is None else debugger
        self._replay = Replay(runner)
        self._walk: Iterator[ScanStep] | None = None
        self.past = False
        self.steps: list[ScanStep] = []
        """Stops of this scan so far; the last is the present one. Empty between two scans."""
        self.scan_id = runner.history.newest_scan_id + 1
        """Number of the scan under way, or of the next one."""
        self.exact = True
        """Whether every repeated scan has left what it left the first time; Python functions may not."""

    @property
    def current(self) -> ScanStep | None:
        """The present stop; None between two scans."""
        return self.steps[-1] if self.steps else None

    @property
    def cells(self) -> list[Any]:
        """The image at the present stop, live."""
        cells: list[Any] = self._replay.cells if self.past else self._runner._cells  # type: ignore[assignment]
        return cells

    @property
    def before(self) -> list[Any]:
        """The image at the end of the scan before the one under way, or between two scans before the last one."""
        if self.past:
            return self._replay.before
        if self._walk is not None:
            return self._runner._before
        history = self._runner.history
        return history.image(max(history.newest_scan_id - 1, history.oldest_scan_id))

    @property
    def time_ns(self) -> int:
        """Simulated time at the start of the scan, in nanoseconds."""
        return self._runner.history.time_of(self.scan_id - 1)

    @property
    def forces(self) -> Mapping[str, Value]:
        """Forces of the scan that the stepper stands in."""
        conditions = self._replay.conditions
        if not self.past or conditions is None:
            return self._runner.forces
        names = self._runner.names
        return {names.cells[slot].name: names.value(slot, number) for slot, number in conditions.before.items()}

    def forward(self) -> ScanStep | None:
        """Go on to the next stop; None when the scan has just ended, and then again begins the next one."""
        if self._walk is None:
            self._enter(self.scan_id)
        walk: Any = self._walk
        try:
            step: ScanStep | None = next(walk, None)
        except BaseException:
            self._ended()
            raise
        if step is None:
            self._ended()
        else:
            self.steps.append(step)
            if not self.past:
                self.scan_id = self._runner.points.scan_id + 1
        return step

    def _enter(self, scan_id: int) -> None:
        self.past = scan_id <= self._runner.history.newest_scan_id
        if self.past:
            self._replay.begin(scan_id)
            self._walk = (self._debugger._step(event) for event in self._replay.walk())
        else:
            self._walk = self._debugger.scan_steps_debug()
        self.steps, self.scan_id = [], scan_id

    def _ended(self) -> None:
        self.exact = self.exact and (not self.past or self._replay.exact)
        self._walk, self.steps = None, []
        self.scan_id = self.scan_id + 1 if self.past else self._runner.points.scan_id + 1
        if self.scan_id > self._runner.history.newest_scan_id:
            self.past = False

    def scan(self) -> None:
        """End the scan under way, or make one when none is."""
        if self._walk is None and self.scan_id > self._runner.history.newest_scan_id:
            self._runner._scan()
            self.scan_id = self._runner.points.scan_id + 1
            return
        while self.forward() is not None:
            pass

    def close(self) -> None:
        """Leave the scan under way: it has not happened, and its patches wait."""
        walk: Any = self._walk
        if walk is not None:
            walk.close()
        self._walk, self.steps = None, []

    def can_reach(self, scan_id: int) -> bool:
        """Whether a scan is the next one, or is retained with all that is needed to run it again."""
        history = self._runner.history
        if scan_id > history.newest_scan_id:
            return scan_id == history.newest_scan_id + 1
        return history.contains(scan_id - 1) and history.inputs.covers(scan_id)

    def go_to(self, scan_id: int, number: int = 0) -> None:
        """Stand at a stop of a scan, counted from 0; KeyError when the scan cannot be reached."""
        if not self.can_reach(scan_id):
            raise KeyError(scan_id)
        self.close()
        if not self._runner.logic.ir.rungs and scan_id > self._runner.history.newest_scan_id:
            # It may have no stop, and looking for one would make it.
            self.scan_id = scan_id
            return
        self._enter(scan_id)
        for _ in range(number + 1):
            if self.forward() is None:
                break

    def back(self, stop: Stop = lambda step: True, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Go back to the newest stop before the present one that `stop` accepts, asked at each with its image.

        Without one, or when `interrupted` before a scan, false: it then stands at the first stop it has come to.
        """
        scan_id, count = self.scan_id, max(len(self.steps) - 1, 0)
        while True:
            found = self._newest(scan_id, count, stop)
            if found is not None:
                self.go_to(scan_id, found)
                return True
            if not self.can_reach(scan_id - 1) or scan_id <= 1 or interrupted():
                self.go_to(scan_id)
                return False
            scan_id, count = scan_id - 1, -1

    def _newest(self, scan_id: int, count: int, stop: Stop) -> int | None:
        """The newest of the first `count` stops of a scan, of all when below 0, that `stop` accepts."""
        if count == 0:
            return None
        found = None
        self.close()
        self._enter(scan_id)
        number = 0
        while number != count:
            step = self.forward()
            if step is None:
                break
            if stop(step):
                found = number
            number += 1
        return found

    def patch(self, values: Mapping[str, Value]) -> None:
        """Patch the scan the stepper stands in. ValueError and TagValueError as for the runner's patch()."""
        self._runner._numbers(values)
        self._change(lambda: self._runner.patch(values))

    def force(self, values: Mapping[str, Value]) -> None:
        """Force tags from the scan on that the stepper stands in. Errors as for the runner's force()."""
        self._runner._numbers(values)
        self._change(lambda: self._runner._force(values))

    def unforce(self, tag: str | Tag) -> None:
        """Let a forced tag go from the scan on that the stepper stands in; KeyError when it is not forced there."""
        name = tag.name if isinstance(tag, Tag) else tag
        if name not in self.forces:
            raise KeyError(f"{name} is not forced")
        self._change(lambda: self._runner._unforce(name))

    def _change(self, change: Callable[[], None]) -> None:
        place = self._place()
        self.close()
        behind = self._runner.history.newest_scan_id - self.scan_id + 1
        if behind > 0:
            self._runner.back(behind)
            self.past = False
        change()
        if place is not None:
            self._enter(self.scan_id)
            while self.forward() is not None and self._place() != place:
                pass

    def _place(self) -> _Place | None:
        """The present stop in words that hold for any repetition of the scan."""
        if not self.steps:
            return None
        mark = _mark(self.steps[-1])
        return mark, sum(1 for step in self.steps if _mark(step) == mark)


def _mark(step: ScanStep) -> tuple[object, ...]:
    return step.task, step.kind, step.call_stack, step.rung_index, step.source_line, step.instruction_kind
