# SPDX-License-Identifier: Apache-2.0
"""Scans in steps: rung by rung, or instruction by instruction with a trace of why."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine import Event
from pilotlight.plc.runner.core import Runner

_MARKS = {"true": "T", "false": "F"}
MOST_TRACES = 100
"""Scans whose trace is kept."""


@dataclass(frozen=True)
class ConditionTrace:
    """One condition of a rung: its text, whether it held (true, false, skipped), what it saw."""

    text: str
    status: str
    details: str

    @property
    def annotation(self) -> str:
        """The text with its status in front: [T], [F] or [SKIP]."""
        return f"[{_MARKS.get(self.status, 'SKIP')}] {self.text}"


@dataclass(frozen=True)
class ScanStep:
    """One stop within a scan: before a rung's steps, a branch, a called subroutine, or an instruction."""

    rung_index: int
    rung: ir.Rung
    kind: str
    subroutine_name: str | None
    depth: int
    call_stack: tuple[str, ...]
    source_file: str
    source_line: int
    end_line: int
    enabled_state: str
    trace: tuple[ConditionTrace, ...]
    instruction_kind: str | None


@dataclass(frozen=True)
class RungTrace:
    """What happened in a rung of the main program in one scan."""

    scan_id: int
    rung_id: int
    events: tuple[ScanStep, ...]


class Debugger:
    """Steps through scans of a runner and keeps the traces of the newest ones."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._traces: OrderedDict[int, dict[int, list[ScanStep]]] = OrderedDict()
        self._last: ScanStep | None = None

    def scan_steps(self) -> Iterator[tuple[int, ir.Rung]]:
        """Make a scan, pausing behind each rung of the main program.

        The scan is committed when the iterator is exhausted. When it is closed before, nothing has happened and
        the patches wait for the next scan.
        """
        rungs = self._runner.logic.ir.rungs
        for number in self._guarded(self._runner._engine.rungs):
            yield number, rungs[number]

    def scan_steps_debug(self) -> Iterator[ScanStep]:
        """Make a scan, pausing before each instruction, and keep its trace. Commits as scan_steps() does."""
        steps: dict[int, list[ScanStep]] = {}
        main = 0
        for event in self._guarded(self._runner._engine.walk):
            if event.kind == "rung" and not event.calls:
                main = event.rung
            step = self._step(event)
            steps.setdefault(main, []).append(step)
            self._last = step
            yield step
        self._traces[self._runner.history.newest_scan_id] = steps
        while len(self._traces) > MOST_TRACES:
            self._traces.popitem(last=False)

    def _guarded(self, logic: Any) -> Iterator[Any]:
        runner = self._runner
        patches, forces = dict(runner._patches), dict(runner._forces)
        stop = runner._begin()
        before, finished = list(runner._before), False
        try:
            if runner.points.running:
                yield from logic(runner.points.dt_ns)
            finished = True
        finally:
            if finished:
                runner._commit(stop)
                runner._look()
            else:
                runner._engine.load(before)
                runner._patches = {**patches, **runner._patches}
                runner._forces = forces

    def _step(self, event: Event) -> ScanStep:
        program = self._runner.logic.ir
        section = event.section
        rungs = program.rungs
        if section:
            rungs = next(each.rungs for each in program.subroutines if each.name == section)
        rung = rungs[event.rung]
        power = rung.powers[event.power]
        line = event.step.line if event.step is not None else power.line
        parent_on = power.parent < 0 or event.powers[power.parent]
        state = "enabled" if event.on else "disabled_local" if parent_on else "disabled_parent"
        return ScanStep(
            rung_index=event.rung, rung=rung, kind=event.kind, subroutine_name=section or None, depth=len(event.calls),
            call_stack=event.calls, source_file=rung.file, source_line=line or rung.line,
            end_line=rung.last_line if event.kind == "rung" else line or rung.line, enabled_state=state,
            trace=tuple(ConditionTrace(*part) for part in event.conditions[event.power]),
            instruction_kind=None if event.step is None else type(event.step).__name__,
        )  # fmt: skip

    def inspect(self, rung_id: int, scan_id: int | None = None) -> RungTrace:
        """The trace of a rung in a scan, that at the playhead unless given.

        KeyError(scan_id) when the scan is not retained, KeyError(rung_id) when it was not made in steps.
        """
        number = self._runner.playhead if scan_id is None else scan_id
        if not self._runner.history.contains(number):
            raise KeyError(number)
        events = self._traces.get(number, {}).get(rung_id)
        if events is None:
            raise KeyError(rung_id)
        return RungTrace(number, rung_id, tuple(events))

    def inspect_event(self) -> ScanStep | None:
        """The newest stop of a scan in steps, also of one under way; None before the first."""
        return self._last
