# SPDX-License-Identifier: Apache-2.0
"""Writing and forcing variables of the program that has the lines, with the program's own verdict."""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.runtime.commands import Command
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import explain
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.verdicts import SupervisorError


class Variables:
    """Variables by number, values in the encoding of tags. `changed` is called whenever the forces are others."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._process: ScanProcess | None = None
        self.forces: dict[int, bytes] = {}
        """Forced variables with their values."""

    def serve(self, process: ScanProcess | None) -> None:
        """Talk to this process from now on; None while no program is loaded."""
        self._process = process

    async def write(self, variable: int, value: bytes) -> None:
        """Give a variable a value once. SupervisorError NoProgram, Refused or Failed."""
        await self._ask(Command.WRITE, variable, value)

    async def force(self, variable: int, value: bytes) -> None:
        """Hold a variable at a value. SupervisorError as for `write`."""
        await self._ask(Command.FORCE, variable, value)
        self.forces[variable] = value
        self._changed()

    async def unforce(self, variable: int) -> None:
        """Let a variable go. SupervisorError as for `write`."""
        await self._ask(Command.UNFORCE, variable, b"")
        self.forces.pop(variable, None)
        self._changed()

    async def repeat(self, process: ScanProcess, before: LoadedProgram | None, program: LoadedProgram) -> None:
        """Force in `process`, which is on standby with `program`, what is forced now in `before`. ScanError."""
        for variable, value in self._matching(before, program).items():
            await process.ask(Command.FORCE, variable, value)

    def follow(self, before: LoadedProgram | None, program: LoadedProgram) -> None:
        """`program` has taken the place of `before`: forces are those that `repeat` has given it."""
        self.forces = self._matching(before, program)
        self._changed()

    def _matching(self, before: LoadedProgram | None, program: LoadedProgram) -> dict[int, bytes]:
        """The forces by their numbers in `program`; those whose variable it does not have are left out."""
        if before is None or not self.forces:
            return {}
        places = {variable: number for number, variable in enumerate(program.variables)}
        named = ((before.variables[number], value) for number, value in self.forces.items())
        return {places[variable]: value for variable, value in named if variable in places}

    def forget(self) -> None:
        """Nothing is forced any more: the process that held the values is gone."""
        self.forces.clear()
        self._changed()

    async def _ask(self, kind: Command, variable: int, value: bytes) -> None:
        process = self._process
        if process is None:
            raise SupervisorError("NoProgram", "there is no program whose variable could be set")
        try:
            code = await process.ask(kind, variable, value)
        except (ScanError, ValueError) as error:
            raise SupervisorError("Failed", f"{error}; whether it took effect is unknown") from None
        if code != 0:
            raise SupervisorError("Refused", f"{explain(code)}; nothing was changed")
        if process is not self._process:
            raise SupervisorError("Failed", "the program failed or was exchanged just then; the value is lost")
