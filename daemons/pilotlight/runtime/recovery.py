# SPDX-License-Identifier: Apache-2.0
"""How the scan process is kept going: loading programs, what follows a fault, and the trial of an online change.

All coroutines belong to one asyncio loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from pilotlight.io.drivers import Lines
from pilotlight.runtime.guard import Guard
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.retention import Retention
from pilotlight.runtime.settings import ScanSettings
from pilotlight.runtime.states import Machine, State
from pilotlight.runtime.takeover import Begin, Holder
from pilotlight.runtime.trial import LOOK_S, Trial
from pilotlight.runtime.variables import Variables
from pilotlight.runtime.verdicts import Notes, SupervisorError
from pilotlight.tags import now_ns

FAULTS_MAX = 3
FAULTS_WITHIN_NS = 30_000_000_000
"""A program that fails more often than this is not loaded again by itself."""
RETRY_S = 5.0
"""Pause between attempts to bring back the process that watches the lines."""


class Recovery:
    """The state of the PLC, and what it does by itself. Whoever changes it holds `changing`."""

    def __init__(self, lines: Lines, settings: ScanSettings, notes: Notes, retention: Retention) -> None:
        self._settings = settings
        self._notes = notes
        self._lines = lines
        self._machine = Machine()
        self._changing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._retention = retention
        self.variables = Variables(notes.changed)
        self._faults: deque[int] = deque(maxlen=FAULTS_MAX)
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._trial: Trial | None = None
        self.program: LoadedProgram | None = None
        """The program that Start runs."""
        self.last_fault = ""
        self.last_change = ""
        """How the last online change went; empty when there was none since the start."""
        priority = settings.priority + 1 if settings.priority else 0
        self._guard: Guard[ScanProcess] = Guard(lines.drive_safe, self._report_fault, priority)
        self._holder = Holder(lines, settings, self._guard, self.variables, retention, self._notice)
        self._guard.start()
        self._run_task(self._keep_retained())

    @property
    def state(self) -> State:
        """The present state."""
        return self._machine.state

    @property
    def process(self) -> ScanProcess | None:
        """The process that has the lines; None when even the empty program cannot be run."""
        return self._holder.process

    @property
    def loaded(self) -> LoadedProgram | None:
        """The program in the process that has the lines: none in EMPTY and ERROR."""
        return self._holder.loaded

    def alive(self, within_ns: int) -> bool:
        """Whether the watching thread has gone round within this time."""
        return now_ns() - self._guard.alive_ns < within_ns

    async def close(self) -> None:
        """End the scan process, outputs safe, and give the lines back."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._guard.stop()
        try:
            self._holder.close()
        finally:
            await asyncio.to_thread(self._retention.save)
            if self._trial is not None:
                self._trial.close()

    async def _load(self, program: LoadedProgram, run: bool, begin: Begin = Begin.RETAINED) -> None:
        """Make `program` the one that has the lines. SupervisorError on failure; then the old one is as it was."""
        before, old, process = self.state, self.program, self.process
        if before is not State.RUNNING:
            self._now(State.INIT)
        carried = process.saved if begin is Begin.CARRIED and process is not None else -1
        try:
            process = await self._holder.prepare(program, carried)
        except ScanError as error:
            self._now(before)
            raise SupervisorError("Failed", f"program {program.name} cannot be loaded: {error}") from None
        forces = begin is Begin.CARRIED or (old is not None and old.id == program.id)
        try:
            await self._holder.take(process, program, _wanted(run), begin, forces=forces)
        except ScanError as error:
            reason = f"program {program.name} could not take over: {error}"
            if self.process is None:
                await self._after_fault(reason)
            else:
                self._now(before)
            raise SupervisorError("Failed", reason) from None
        if begin is not Begin.CARRIED:
            await self._end_trial(f"program {program.name} was started anew and is kept", program)
        self._took_over(process, program, old if forces else None)
        self._now(_wanted(run))

    def _took_over(self, process: ScanProcess, program: LoadedProgram, before: LoadedProgram | None) -> None:
        """`program` has the lines; it goes on with the forces of `before`."""
        process.stopped_itself = self._program_stopped
        self.variables.follow(before, program)
        self.program = program

    def _now(self, state: State) -> None:
        self._machine.enter(state)
        self._notes.changed()

    def _notice(self, text: str) -> None:
        self._notes.say("WARNING", text)

    def _program_stopped(self, process: ScanProcess) -> None:
        """The program has asked to be stopped; its process has done that."""
        if not self._closed:
            self._run_task(self._note_stop(process))

    async def _note_stop(self, process: ScanProcess) -> None:
        async with self._changing:
            if process is self.process and self.state is State.RUNNING:
                self._now(State.STOPPED)
                await self._notes.remember(False, self.last_fault)
                self._notes.say("INFO", "the program has stopped itself, outputs are safe")

    def _report_fault(self, process: ScanProcess, reason: str) -> None:
        """From the guard's thread: outputs are safe and the process is gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_recovery, process, reason)

    def _begin_recovery(self, process: ScanProcess, reason: str) -> None:
        if not self._closed:
            self._run_task(self._recover(process, reason))

    async def _recover(self, process: ScanProcess, reason: str) -> None:
        """After a fault of `process`: say why, and bring the program back, stopped; or the one before a change."""
        async with self._changing:
            trial = self._trial
            if not self._holder.lose(process):
                return
            reason = process.last_words or reason
            if trial is not None and trial.process is process and self.state is State.RUNNING:
                await self._roll_back(trial, reason)
            else:
                await self._after_fault(reason)

    async def _after_fault(self, reason: str) -> None:
        """No process has the lines: outputs safe, keep the reason, and bring back what can be brought back."""
        self.variables.forget()
        try:
            self._lines.drive_safe()
        except OSError as error:
            reason = f"{reason}; an output could not be driven safe: {error}"
        if self.program is not None:
            self._now(State.STOPPED)
        await self._note_fault(reason)
        recent = [fault for fault in self._faults if now_ns() - fault < FAULTS_WITHIN_NS]
        self._faults.append(now_ns())
        if len(recent) >= FAULTS_MAX:
            self._notes.say("ERROR", f"{len(recent) + 1} faults in a row: nothing is loaded again by itself")
            self._now(State.ERROR)
            self._retry_later()
        elif self.program is None:
            await self._watch_lines()
        else:
            try:
                process = await self._holder.prepare(self.program)
                await self._holder.take(process, self.program, State.STOPPED, Begin.RETAINED, forces=False)
                self._took_over(process, self.program, None)
            except ScanError as error:
                await self._note_fault(f"{reason}; then the program could not be loaded again: {error}")
                await self._watch_lines()

    async def _watch_lines(self) -> None:
        """Run the empty program: EMPTY, or ERROR when there is a program that cannot be run."""
        state = State.EMPTY if self.program is None else State.ERROR
        try:
            process = await self._holder.prepare(None)
            await self._holder.take(process, None, state, Begin.INITIAL, forces=False)
        except ScanError as error:
            self._notes.say("ERROR", f"lines are not watched, outputs are safe: {error}; next attempt in {RETRY_S:g} s")
            state = State.ERROR
            self._retry_later()
        self._now(state)

    def _retry_later(self) -> None:
        if self._retry is None and not self._closed:
            self._retry = self._loop.call_later(RETRY_S, lambda: self._run_task(self._retry_lines()))

    async def _retry_lines(self) -> None:
        self._retry = None
        async with self._changing:
            if self.process is None:
                await self._watch_lines()

    async def _try_out(self, trial: Trial) -> None:
        """Look after a changed program until its trial time is over."""
        ends = self._loop.time() + self._settings.trial_s
        while self._loop.time() < ends and trial is self._trial:
            await asyncio.sleep(LOOK_S)
            flag = trial.flags.raised() if trial is self._trial and trial.process is self.process else ""
            if flag:
                async with self._changing:
                    if trial is self._trial and trial.process is self.process and self.state is State.RUNNING:
                        await self._roll_back(trial, f"it has set {flag}")
        async with self._changing:
            if trial is self._trial:
                await self._end_trial(f"program {trial.program.name} has passed its trial and is kept", trial.program)

    async def _end_trial(self, how: str, program: LoadedProgram) -> None:
        """Nothing is on trial any more. When it was `program`, that is the one to run after a restart from now on."""
        trial, self._trial = self._trial, None
        if trial is None:
            return
        trial.close()
        if trial.program.id == program.id:
            await self._notes.activated(program.id)
            self._tell_change("INFO", how)

    async def _roll_back(self, trial: Trial, reason: str) -> None:
        """The program before the change goes on from what it remembered then."""
        before, changed = trial.before, self.program
        self._trial = None
        reason = f"program {trial.program.name} was changed back to {before.name}: {reason}"
        try:
            process = await self._holder.prepare(before, trial.saved)
            await self._holder.take(process, before, State.RUNNING, Begin.CARRIED, forces=self.process is not None)
        except ScanError as error:
            self.program = before
            self._tell_change("ERROR", f"{reason}; and that failed: {error}")
            if self.process is None:
                await self._after_fault(self.last_change)
        else:
            self._took_over(process, before, changed)
            self.last_fault = reason
            self._now(State.RUNNING)
            self._tell_change("ERROR", reason)
            await self._notes.activated(before.id)
            await self._notes.remember(True, reason)
        finally:
            trial.close()

    def _tell_change(self, level: str, text: str) -> None:
        self.last_change = text
        self._notes.say(level, text)
        self._notes.changed()

    async def _keep_retained(self) -> None:
        """Save the values to retain, again and again."""
        while True:
            await asyncio.sleep(self._settings.retain_s)
            self._holder.take_retained()
            await asyncio.to_thread(self._retention.save)

    async def _note_fault(self, reason: str) -> None:
        self.last_fault = reason
        self._notes.say("ERROR", reason)
        self._notes.changed()
        await self._notes.remember(False, reason)

    def _run_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _wanted(run: bool) -> State:
    return State.RUNNING if run else State.STOPPED
