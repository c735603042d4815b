# SPDX-License-Identifier: Apache-2.0
"""The life of the PLC: which program runs, in which scan process, and the commands that change that.

There is always one scan process that has the lines, with the empty program when there is no other. A change of
program, and a start after a stop, happens in a new process: it is loaded and initialised beside the old one, which is
then told to finish after its present scan, and takes the next slot. Whatever goes wrong before that leaves the old
process as it was. All coroutines belong to one asyncio loop.
"""

from __future__ import annotations

import asyncio
import os

from pilotlight.runtime.exclusive import one_at_a_time
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.process import ScanError
from pilotlight.runtime.recovery import Recovery
from pilotlight.runtime.states import State
from pilotlight.runtime.takeover import Begin
from pilotlight.runtime.trial import FaultFlags, Trial, faults_now
from pilotlight.runtime.verdicts import SupervisorError


class Supervisor(Recovery):
    """Owns the scan process and the lines. Every command raises SupervisorError, and then nothing was changed, or
    outputs are safe."""

    async def open(self, program: LoadedProgram | None, run: bool, fault: str) -> None:
        """Begin: with `program` running or stopped, or empty. A program that cannot be loaded leads to ERROR."""
        self.last_fault = fault
        async with one_at_a_time(self._changing):
            self.program = program
            if program is None:
                await self._watch_lines()
                return
            try:
                await self._load(program, run)
            except SupervisorError as error:
                await self._note_fault(f"program {program.name} was not started: {error}")
                if self.process is None:
                    await self._watch_lines()

    async def start(self) -> State:
        """Run the program: retentive variables as they are kept, all others from their initial values."""
        async with one_at_a_time(self._changing):
            if self.program is None:
                raise SupervisorError("NoProgram", "there is no program to run; outputs stay safe: upload one")
            if self.state is State.RUNNING:
                raise SupervisorError(
                    "AlreadyRunning", f"program {self.program.name} runs already; nothing was changed"
                )
            if self.state is State.STOPPED and not self._holder.ran and self.process is not None:
                await self._enter(State.RUNNING)
                self._now(State.RUNNING)
            else:
                await self._load(self.program, True)
            await self._notes.remember(True, self.last_fault)
            self._notes.say("INFO", f"program {self.program.name} runs")
        return self.state

    async def stop(self) -> State:
        """Stop the logic, outputs safe."""
        async with one_at_a_time(self._changing):
            if self.state is State.ERROR and self.program is not None:
                await self._load(self.program, False)
            elif self.program is None:
                raise SupervisorError("NoProgram", "there is no program to stop; outputs are safe")
            elif self.state is not State.RUNNING or self.process is None:
                raise SupervisorError("AlreadyStopped", "no program runs; outputs are safe")
            else:
                await self._enter(State.STOPPED)
                self._now(State.STOPPED)
            await self._notes.remember(False, self.last_fault)
            self._notes.say("INFO", "the program is stopped, outputs are safe")
        return self.state

    async def activate(self, program: LoadedProgram, run: bool | None = None) -> State:
        """Put `program` in the place of the present one between two scans; `run` None keeps running or stopped."""
        async with one_at_a_time(self._changing):
            await self._load(program, self.state is State.RUNNING if run is None else run)
            await self._notes.activated(program.id)
            await self._notes.remember(self.state is State.RUNNING, self.last_fault)
        return self.state

    async def change(self, program: LoadedProgram) -> State:
        """Put `program` in the place of the running one between two scans, with all that this one remembers and the
        new one has too. When the new one faults within the trial time, the old one goes on from the change.

        SupervisorError Refused when nothing runs or one of the two is of a kind that cannot be changed.
        """
        async with one_at_a_time(self._changing):
            before, old = self.program, self.process
            if self.state is not State.RUNNING or before is None or old is None:
                raise SupervisorError("Refused", "no program runs that could be changed; nothing was done: activate it")
            if not before.cells or not program.cells:
                kept = before if not before.cells else program
                raise SupervisorError(
                    "Refused",
                    f"program {kept.name} is of a kind that cannot be changed online; what runs goes on: activate it",
                )
            known, saved = faults_now(old.reader), os.dup(old.saved)
            try:
                await self._load(program, True, Begin.CARRIED)
            except SupervisorError:
                os.close(saved)
                raise
            await self._end_trial("", program)
            process = self.process
            if process is None or process.reader is None:
                os.close(saved)
                raise SupervisorError("Failed", f"program {program.name} ended at once; outputs are safe")
            self._trial = Trial(before, program, process, saved, FaultFlags(process.reader, known))
            self._tell_change("INFO", f"program {before.name} was changed online to {program.name}, which is on trial")
            self._run_task(self._try_out(self._trial))
        return self.state

    async def forget_retained(self) -> None:
        """Drop the values kept for the program, so that all its variables begin as it says. SupervisorError."""
        async with one_at_a_time(self._changing):
            if self.program is None:
                raise SupervisorError("NoProgram", "there is no program whose values are kept")
            if self.state is State.RUNNING:
                raise SupervisorError("Refused", "the program runs; nothing was changed: stop it first")
            await self._load(self.program, False, Begin.INITIAL)
            try:
                await asyncio.to_thread(self._retention.forget, self.program.name)
            except OSError as error:
                raise SupervisorError("Failed", f"the kept values cannot be removed: {error}") from None
            self._notes.say("INFO", f"the values kept for program {self.program.name} are forgotten")

    async def _enter(self, state: State) -> None:
        try:
            await self._holder.enter(state)
        except ScanError as error:
            raise SupervisorError("Failed", f"{error}; the scan is watched and outputs go safe if it hangs") from None
