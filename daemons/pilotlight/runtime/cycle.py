# SPDX-License-Identifier: Apache-2.0
"""The scan cycle: what happens in one slot, and the loop over slots. One thread; no file, no socket, no logging.

Order of a scan: wait for the slot, commands, inputs, forces, logic, forces, outputs (forces and logic are the
program's `run`), capture and publish, statistics, heartbeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap

from pilotlight.io.lines import Bank
from pilotlight.runtime.commands import Command, Report, Request, decode, first_slot
from pilotlight.runtime.native import Program
from pilotlight.runtime.scantags import KINDS, OwnTags
from pilotlight.runtime.schedule import Schedule
from pilotlight.runtime.states import State
from pilotlight.runtime.statistics import Durations
from pilotlight.tags import CommandRing, SegmentWriter, now_ns, sleep_until

SLICE_NS = 50_000_000
"""Longest sleep: commands and the supervisor's sign of life are looked at this often, however long the period."""
STANDBY_NS = 1_000_000
"""The same while the process stands by for its first slot."""
COMMANDS_MAX = 32
"""Commands carried out before one slot; the rest waits for the next."""
FRESH_NS = 10_000_000
"""Percentiles are counted anew about this often, one kind of duration at a time."""
SETTLED = 64
"""Until so many scans percentiles are counted after each."""


class EndError(Exception):
    """The loop is over. `text` says why; with `lines_kept` a successor has the lines: outputs are not to be touched."""

    def __init__(self, text: str, lines_kept: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.lines_kept = lines_kept


@dataclass(frozen=True)
class Parts:
    """What the loop works with."""

    program: Program
    writer: SegmentWriter
    tags: OwnTags
    ring: CommandRing
    inputs: Bank
    outputs: Bank
    safe: int
    limit_ns: int
    supervisor_ns: int
    tell: Callable[[Report, int, int, str], None]
    """Sends a report: kind, command number, value, text. Never waits."""
    saved: mmap | None
    carried: mmap | None
    """Where the program saves what it remembers when it finishes, and what the one before has saved."""


class Cycle:
    """The loop. It begins on standby: no line is touched until the first ENTER gives it its first slot."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._period_ns = 0
        self._schedule: Schedule | None = None
        self._state = State.INIT
        self._ticks = [0] * len(parts.program.tasks)
        self._durations = [Durations() for _ in KINDS]
        self._time, self._cycle, self._latency = self._durations
        self._scans = 0
        self._overruns_before = 0
        self._last_start = 0
        self._forced: set[int] = set()
        self._turn = 0

    def publish_initial(self) -> None:
        """Publish the initial values, before the first slot."""
        self._publish(now_ns(), 0)

    def loop(self) -> None:
        """Run until told to end; always leaves by EndError, or by OSError when a line cannot be read or written."""
        wake = now_ns()
        while True:
            self._parts.writer.heartbeat(wake + self._parts.limit_ns)
            now = sleep_until(wake)
            if now - self._parts.ring.touched_ns > self._parts.supervisor_ns:
                raise EndError("the supervisor gives no sign of life")
            self._commands(now)
            schedule = self._schedule
            if schedule is None:
                wake = now + STANDBY_NS
                continue
            if now >= schedule.slot_ns:
                self._scan(schedule, now)
                schedule.advance(now_ns())
            wake = min(schedule.slot_ns, now_ns() + SLICE_NS)

    def _scan(self, schedule: Schedule, start: int) -> None:
        parts = self._parts
        program = parts.program
        inputs = parts.inputs.read()
        outputs = parts.safe
        if self._state is State.RUNNING:
            program.inputs(inputs)
            for task in schedule.due():
                program.run(task, self._ticks[task], start)
                self._ticks[task] += 1
            outputs = program.outputs(parts.safe)
            self._scans += 1
            if program.asks_stop():
                self._state = State.STOPPED
                outputs = parts.safe
                parts.tell(Report.STOPPED, 0, 0, "")
        parts.outputs.write(outputs)
        parts.tags.set_inputs(inputs)
        parts.tags.set_outputs(outputs)
        self._publish(start, schedule.overruns - self._overruns_before)
        if self._state is State.RUNNING:
            self._record(schedule, start)

    def _publish(self, start: int, overruns: int) -> None:
        parts = self._parts
        parts.program.capture()
        tags = parts.tags
        tags.set_state(self._state)
        tags.set_counts(self._scans, overruns, len(self._forced))
        if self._state is State.RUNNING or not self._scans:
            fresh = self._turn % len(KINDS) if self._percentiles_are_due() else -1
            for kind, durations in enumerate(self._durations):
                tags.set_durations(kind, durations, self._scans < SETTLED or kind == fresh)
        parts.writer.publish(start)

    def _percentiles_are_due(self) -> bool:
        due = self._scans % max(1, FRESH_NS // max(self._period_ns, 1)) == 0
        self._turn += due
        return due

    def _record(self, schedule: Schedule, start: int) -> None:
        """Statistics of the scan that ends now; they show in the next publish."""
        self._latency.record(start - schedule.slot_ns)
        if self._last_start:
            self._cycle.record(start - self._last_start)
        self._last_start = start
        self._time.record(now_ns() - start)

    def _commands(self, now: int) -> None:
        for _ in range(COMMANDS_MAX):
            data = self._parts.ring.pop()
            if data is None:
                return
            request = decode(data)
            self._parts.tell(Report.DONE, request.number, self._carry_out(request, now), "")

    def _carry_out(self, request: Request, now: int) -> int:
        """Do what a command says; the code for the supervisor."""
        program = self._parts.program
        kind = request.kind
        if kind is Command.ENTER:
            self._enter(State(request.argument), first_slot(request.value), now)
        elif kind is Command.WRITE:
            return program.write(request.argument, request.value)
        elif kind is Command.FORCE:
            code = program.force(request.argument, request.value)
            if code == 0:
                self._forced.add(request.argument)
            return code
        elif kind is Command.UNFORCE:
            code = program.unforce(request.argument)
            if code == 0:
                self._forced.discard(request.argument)
            return code
        elif kind is Command.RESET_STATISTICS:
            self._reset()
        elif kind is Command.RESTORE:
            if self._parts.carried is not None and self._schedule is None:
                program.restore(self._parts.carried)
        else:
            if self._parts.saved is not None:
                program.save(self._parts.saved)
            slot = self._schedule.slot_ns if self._schedule else now
            self._parts.tell(Report.FINISHED, request.number, slot, "")
            raise EndError("a successor takes over", lines_kept=True)
        return 0

    def _enter(self, state: State, first_ns: int | None, now: int) -> None:
        """Take the lines if they are not held yet, from the first slot after `now` on the grid, and go to `state`."""
        if self._schedule is None:
            self._schedule = Schedule(self._parts.program.tasks, now if first_ns is None else first_ns, now)
            self._period_ns = self._schedule.period_ns
        if state is not State.RUNNING:
            self._parts.outputs.write(self._parts.safe)
        elif self._state is not State.RUNNING:
            self._reset()
        self._state = state

    def _reset(self) -> None:
        for durations in self._durations:
            durations.reset()
        self._scans = 0
        self._last_start = 0
        if self._schedule is not None:
            self._overruns_before = self._schedule.overruns
