# SPDX-License-Identifier: Apache-2.0
"""The life of the PLC: which program runs, in which scan process, and what happens when that fails.

There is always one scan process that has the lines, with the empty program when there is no other. A change of
program, and a start after a stop, happens in a new process: it is loaded and initialised beside the old one, which is
then told to finish after its present scan, and takes the next slot. Whatever goes wrong before that leaves the old
process as it was. All coroutines belong to one asyncio loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from pilotlight.io.drivers import Lines
from pilotlight.runtime.commands import Command, slot_value
from pilotlight.runtime.guard import Guard
from pilotlight.runtime.launcher import Launcher, LoadedProgram
from pilotlight.runtime.native import explain
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.settings import ScanSettings
from pilotlight.runtime.states import Machine, State
from pilotlight.runtime.variables import Variables
from pilotlight.runtime.verdicts import Notes, SupervisorError
from pilotlight.tags import SegmentError, now_ns

BUSY_S = 8.0
"""How long a command waits for another one to end."""
FAULTS_MAX = 3
FAULTS_WITHIN_NS = 30_000_000_000
"""A program that fails more often than this is not loaded again by itself."""
RETRY_S = 5.0
"""Pause between attempts to bring back the process that watches the lines."""


class Supervisor:
    """Owns the scan process and the lines."""

    def __init__(self, lines: Lines, settings: ScanSettings, notes: Notes) -> None:
        self._lines = lines
        self._settings = settings
        self._notes = notes
        self._machine = Machine()
        self._changing = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._process: ScanProcess | None = None
        self._ran = False
        self.variables = Variables(notes.changed)
        self._faults: deque[int] = deque(maxlen=FAULTS_MAX)
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.program: LoadedProgram | None = None
        """The program that Start runs."""
        self.loaded: LoadedProgram | None = None
        """The program in the process that has the lines: none in EMPTY and ERROR."""
        self.last_fault = ""
        priority = settings.priority + 1 if settings.priority else 0
        self._guard = Guard(lines.drive_safe, self._report_fault, priority)
        self._launcher = Launcher(lines, settings, self._guard, self._notice)
        self._guard.start()

    @property
    def state(self) -> State:
        """The present state."""
        return self._machine.state

    @property
    def process(self) -> ScanProcess | None:
        """The process that has the lines; None when even the empty program cannot be run."""
        return self._process

    def alive(self, within_ns: int) -> bool:
        """Whether the watching thread has gone round within this time."""
        return now_ns() - self._guard.alive_ns < within_ns

    async def open(self, program: LoadedProgram | None, run: bool, fault: str) -> None:
        """Begin: with `program` running or stopped, or empty. A program that cannot be loaded leads to ERROR."""
        self.last_fault = fault
        async with self._exclusive():
            self.program = program
            if program is None:
                await self._watch_lines()
                return
            try:
                await self._load(program, run)
            except SupervisorError as error:
                await self._note_fault(f"program {program.name} was not started: {error}")
                if self._process is None:
                    await self._watch_lines()

    async def start(self) -> State:
        """Run the program from its initial values."""
        async with self._exclusive():
            if self.program is None:
                raise SupervisorError("NoProgram", "there is no program to run; outputs stay safe: upload one")
            if self.state is State.RUNNING:
                raise SupervisorError(
                    "AlreadyRunning", f"program {self.program.name} runs already; nothing was changed"
                )
            if self.state is State.STOPPED and not self._ran and self._process is not None:
                await self._enter(self._process, State.RUNNING)
                self._now(State.RUNNING)
            else:
                await self._load(self.program, True)
            await self._notes.remember(True, self.last_fault)
            self._notes.say("INFO", f"program {self.program.name} runs")
        return self.state

    async def stop(self) -> State:
        """Stop the logic, outputs safe."""
        async with self._exclusive():
            if self.state is State.ERROR and self.program is not None:
                await self._load(self.program, False)
            elif self.program is None:
                raise SupervisorError("NoProgram", "there is no program to stop; outputs are safe")
            elif self.state is not State.RUNNING or self._process is None:
                raise SupervisorError("AlreadyStopped", "no program runs; outputs are safe")
            else:
                await self._enter(self._process, State.STOPPED)
                self._now(State.STOPPED)
            await self._notes.remember(False, self.last_fault)
            self._notes.say("INFO", "the program is stopped, outputs are safe")
        return self.state

    async def activate(self, program: LoadedProgram, run: bool | None = None) -> State:
        """Put `program` in the place of the present one between two scans; `run` None keeps running or stopped."""
        async with self._exclusive():
            await self._load(program, self.state is State.RUNNING if run is None else run)
            await self._notes.remember(self.state is State.RUNNING, self.last_fault)
        return self.state

    async def close(self) -> None:
        """End the scan process, outputs safe, and give the lines back."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._guard.stop()
        if self._process is not None:
            self._process.close()
        try:
            self._lines.drive_safe()
        finally:
            self._lines.close()

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        """One change at a time; SupervisorError when the change under way takes too long."""
        try:
            await asyncio.wait_for(self._changing.acquire(), BUSY_S)
        except TimeoutError:
            raise SupervisorError("Busy", "another change is under way; nothing was changed: try again") from None
        try:
            yield
        finally:
            self._changing.release()

    async def _load(self, program: LoadedProgram, run: bool) -> None:
        """Make `program` the one that has the lines. SupervisorError on failure; then the old one is as it was."""
        before = self.state
        if before is not State.RUNNING:
            self._now(State.INIT)
        try:
            process = await self._launcher.prepare(program)
        except ScanError as error:
            self._now(before)
            raise SupervisorError("Failed", f"program {program.name} cannot be loaded: {error}") from None
        same = self.program is not None and self.program.id == program.id
        try:
            if same:
                await self.variables.repeat(process)
            process.activate()
            await self._hand_over(process, program, State.RUNNING if run else State.STOPPED)
        except (ScanError, SegmentError, OSError) as error:
            self._launcher.drop(process)
            reason = f"program {program.name} could not take over: {error}"
            if self._process is None:
                await self._after_fault(reason)
            else:
                self._now(before)
            raise SupervisorError("Failed", reason) from None
        if not same:
            self.variables.forget()
        self.program = program
        self._now(State.RUNNING if run else State.STOPPED)

    async def _hand_over(self, process: ScanProcess, program: LoadedProgram | None, state: State) -> None:
        """Between two scans: the old process finishes, `process` takes the next slot. ScanError."""
        old, first = self._process, b""
        if old is not None:
            try:
                first = slot_value(await old.finish(self._settings.limit_ms / 1000 + 1.0))
            except ScanError as error:
                self._notice(f"the scan process before did not finish: {error}")
                self._launcher.drop(old)
                self._lines.drive_safe()
            self._has_lines(None, None)
        code = await process.ask(Command.ENTER, state, first)
        if code != 0:
            raise ScanError(f"it refuses to begin: {explain(code)}")
        self._has_lines(process, program)
        self._ran = state is State.RUNNING
        self._guard.watch(process)
        if old is not None:
            self._launcher.drop(old)

    def _has_lines(self, process: ScanProcess | None, program: LoadedProgram | None) -> None:
        self._process, self.loaded = process, program
        self.variables.serve(process if program is not None else None)

    async def _enter(self, process: ScanProcess, state: State) -> None:
        try:
            await process.ask(Command.ENTER, state)
        except ScanError as error:
            raise SupervisorError("Failed", f"{error}; the scan is watched and outputs go safe if it hangs") from None
        self._ran = self._ran or state is State.RUNNING

    def _now(self, state: State) -> None:
        self._machine.enter(state)
        self._notes.changed()

    def _notice(self, text: str) -> None:
        self._notes.say("WARNING", text)

    def _report_fault(self, process: ScanProcess, reason: str) -> None:
        """From the guard's thread: outputs are safe and the process is gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_recovery, process, reason)

    def _begin_recovery(self, process: ScanProcess, reason: str) -> None:
        if not self._closed:
            self._run_task(self._recover(process, reason))

    async def _recover(self, process: ScanProcess, reason: str) -> None:
        """After a fault of `process`: say why, and bring the program back, stopped."""
        async with self._changing:
            process.drain()
            self._launcher.drop(process)
            if process is self._process:
                self._has_lines(None, None)
                await self._after_fault(process.last_words or reason)

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
                await self._load_stopped(self.program)
            except ScanError as error:
                await self._note_fault(f"{reason}; then the program could not be loaded again: {error}")
                await self._watch_lines()

    async def _load_stopped(self, program: LoadedProgram) -> None:
        process = await self._launcher.prepare(program)
        try:
            process.activate()
            await self._hand_over(process, program, State.STOPPED)
        except (ScanError, SegmentError, OSError) as error:
            self._launcher.drop(process)
            raise ScanError(str(error)) from None

    async def _watch_lines(self) -> None:
        """Run the empty program: EMPTY, or ERROR when there is a program that cannot be run."""
        state = State.EMPTY if self.program is None else State.ERROR
        try:
            process = await self._launcher.prepare(None)
            try:
                process.activate()
                await self._hand_over(process, None, state)
            except (ScanError, SegmentError, OSError):
                self._launcher.drop(process)
                raise
        except (ScanError, SegmentError, OSError) as error:
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
            if self._process is None:
                await self._watch_lines()

    async def _note_fault(self, reason: str) -> None:
        self.last_fault = reason
        self._notes.say("ERROR", reason)
        self._notes.changed()
        await self._notes.remember(False, reason)

    def _run_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
