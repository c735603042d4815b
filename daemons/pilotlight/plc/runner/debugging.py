# SPDX-License-Identifier: Apache-2.0
"""Scans in steps: rung by rung, or instruction by instruction with a trace of why."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine import Event
from pilotlight.plc.engine.explaining import explained
from pilotlight.plc.language.conditions import lower_all
from pilotlight.plc.runner.core import Runner
from pilotlight.tags import Value

_MARKS = {"true": "T", "false": "F"}
MOST_TRACES = 100
"""Scans whose trace is kept."""
_NO_RUNG = ir.Rung((), ())
_RAIL = ir.Power(ir.ALWAYS)


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
    nesting: int = 0
    """Branches around it."""
    task: str = ir.MAIN
    """The task under way."""
    ctx: ScanContext | None = field(default=None, compare=False, repr=False)
    """The scan under way; None for a scan of the past."""


@dataclass(frozen=True)
class RungTrace:
    """What happened in a rung of the main program, or of a task, in one scan."""

    scan_id: int
    rung_id: int
    events: tuple[ScanStep, ...]
    task: str = ir.MAIN


class ScanContext:
    """The image of a runner while a scan is under way, by name; `task` is the task under way."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.task = ir.MAIN

    def get_tag(self, name: str, default: Any = None) -> Any:
        """The value of a tag, or `default` when there is none."""
        return self._value(name, default, internal=False)

    def get_memory(self, name: str, default: Any = None) -> Any:
        """The number of an internal cell, or `default` when there is none."""
        return self._value(name, default, internal=True)

    def _value(self, name: str, default: Any, *, internal: bool) -> Any:
        names = self._runner.names
        slot = names.slots.get(name)
        if slot is None or names.cells[slot].internal != internal:
            return default
        number = self._runner._cells[slot]
        return number if internal else names.value(slot, number)

    def set_tag(self, name: str, value: Value) -> None:
        """Give a tag a value, as logic would; TagValueError when it does not fit, ValueError for read-only points."""
        names = self._runner.names
        slot = names.to_write(name, value)
        self._runner._cells[slot] = names.number(slot, value)


class _Scan:
    """A scan that has begun."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._patches, self._forces = dict(runner._patches), dict(runner._forces)
        self._stop = runner._begin()
        self._before = list(runner._before)

    def commit(self) -> None:
        """End it."""
        self._runner._commit(self._stop)
        self._runner._look()

    def abandon(self) -> None:
        """Make it one that has not happened."""
        runner = self._runner
        runner._engine.load(self._before)
        runner._patches = {**self._patches, **runner._patches}
        runner._forces = self._forces
        runner._scanning = False


def _nesting(rung: ir.Rung, power: int) -> int:
    count = 0
    while rung.powers[power].parent >= 0:
        power, count = rung.powers[power].parent, count + 1
    return count


class Debugger:
    """Steps through scans of a runner and keeps the traces of the newest ones."""

    def __init__(self, runner: Runner, *, traces: int = MOST_TRACES) -> None:
        self._runner = runner
        self._most_traces = traces
        self._traces: OrderedDict[int, dict[tuple[str, int], list[ScanStep]]] = runner._traces
        self._last: tuple[int, int, ScanStep] | None = None
        self._under_way: tuple[int, int, ScanStep] | None = None
        self._prepared: _Scan | None = None

    def scan_steps(self) -> Iterator[tuple[int, ir.Rung, ScanContext]]:
        """Make a scan, pausing behind each rung of the main program and of the tasks that are due, with its number in
        its task; which that is, the context says.

        The scan is committed when the iterator is exhausted. When it is closed before, nothing has happened and
        the patches wait for the next scan.
        """
        sections, context = ir.sections(self._runner.logic.ir), ScanContext(self._runner)
        for section, number in self._guarded(self._runner._engine.rungs):
            context.task = section or ir.MAIN
            yield number, sections[section][number], context

    def scan_steps_debug(self) -> Generator[ScanStep, None, None]:
        """Make a scan, pausing before each instruction, and keep its trace. Commits as scan_steps() does."""
        steps: dict[tuple[str, int], list[ScanStep]] = {}
        number, context = 0, ScanContext(self._runner)
        try:
            for event in self._guarded(self._runner._engine.walk):
                if event.kind == "rung" and not event.calls:
                    number = event.rung
                context.task = event.task
                step = self._step(event, context)
                steps.setdefault((event.task, number), []).append(step)
                self._under_way = self._runner.points.scan_id + 1, number, step
                yield step
            self._last = self._under_way
        finally:
            self._under_way = None
        self._traces[self._runner.history.newest_scan_id] = steps
        while len(self._traces) > self._most_traces:
            self._traces.popitem(last=False)

    def _guarded(self, logic: Any) -> Iterator[Any]:
        runner = self._runner
        scan = _Scan(runner)
        finished = False
        try:
            if runner.points.running:
                yield from logic(runner.points.dt_ns)
            finished = True
        finally:
            if finished:
                scan.commit()
            else:
                scan.abandon()

    def prepare_scan(self) -> tuple[ScanContext, float]:
        """Begin a scan: all that comes before the logic. Gives its context and its seconds.

        A scan that was begun before and not committed has not happened.
        """
        if self._prepared is not None:
            self._prepared.abandon()
        self._prepared = _Scan(self._runner)
        return ScanContext(self._runner), self._runner.points.dt_ns / 1e9

    def commit_scan(self, context: ScanContext, dt: float) -> None:
        """End the scan that prepare_scan() began, as one of `dt` seconds. RuntimeError when none has begun."""
        if self._prepared is None:
            raise RuntimeError("no scan to commit: begin one with prepare_scan()")
        scan, self._prepared = self._prepared, None
        self._runner.points.dt_ns = round(dt * 1e9)
        scan.commit()

    def iter_top_level_rungs(self) -> Iterator[ir.Rung]:
        """The rungs of the main program, in order."""
        return iter(self._runner.logic.ir.rungs)

    def evaluate_condition_value(
        self, condition: object, context: ScanContext | None = None
    ) -> tuple[bool, tuple[ConditionTrace, ...]]:
        """Whether a condition, of the language or of the IR, holds as the image is now, and its parts."""
        runner = self._runner
        lowered = condition if isinstance(condition, ir.Condition) else lower_all(runner.names, (condition,))
        cells = list(runner._cells)
        program = ir.Program(tuple(runner.names.cells), (), tuple(runner.names.tables))
        parts = tuple(ConditionTrace(*part) for part in explained(program, cells, lowered))
        return all(part.status == "true" for part in parts), parts

    def _step(self, event: Event, context: ScanContext | None = None) -> ScanStep:
        program = self._runner.logic.ir
        rungs = ir.sections(program)[event.section]
        rung = rungs[event.rung] if rungs else _NO_RUNG
        # A subroutine is told with the powers of the rung that calls it: it has power, or it would not be told.
        power = rung.powers[event.power] if event.kind != "subroutine" else _RAIL
        line = event.step.line if event.step is not None else power.line
        parent_on = power.parent < 0 or event.powers[power.parent]
        state = "enabled" if event.on else "disabled_local" if parent_on else "disabled_parent"
        return ScanStep(
            rung_index=event.rung, rung=rung, kind=event.kind, depth=len(event.calls),
            subroutine_name=event.section if event.calls else None, task=event.task,
            call_stack=event.calls, source_file=rung.file, source_line=line or rung.line,
            end_line=rung.last_line if event.kind == "rung" else line or rung.line, enabled_state=state,
            trace=tuple(ConditionTrace(*part) for part in event.conditions[event.power]),
            instruction_kind=None if event.step is None else type(event.step).__name__,
            nesting=0 if power is _RAIL else _nesting(rung, event.power), ctx=context,
        )  # fmt: skip

    def inspect(self, rung_id: int, scan_id: int | None = None, *, task: str = ir.MAIN) -> RungTrace:
        """The trace of a rung of the main program, or of a task, in a scan, that at the playhead unless given.

        KeyError(scan_id) when the scan is not retained, KeyError(rung_id) when it was not made in steps or the task
        did not run in it.
        """
        number = self._runner.playhead if scan_id is None else scan_id
        if not self._runner.history.contains(number):
            raise KeyError(number)
        events = self._traces.get(number, {}).get((task, rung_id))
        if events is None:
            raise KeyError(rung_id)
        return RungTrace(number, rung_id, tuple(events), task)

    def inspect_event(self) -> tuple[int, int, ScanStep] | None:
        """The newest stop of a scan in steps, also of one under way: the numbers of its scan and of its rung in the
        main program or in the task that the stop names, and the stop. None before the first, and when its scan is no
        longer retained."""
        if self._under_way is not None:
            return self._under_way
        last = self._last
        return last if last is not None and self._runner.history.contains(last[0]) else None

    last_event = inspect_event

    def rung_trace(self, rung_id: int, *, task: str = ir.MAIN) -> RungTrace:
        """The trace of a rung in the newest scan; KeyError as for inspect()."""
        return self.inspect(rung_id, self._runner.history.newest_scan_id, task=task)
