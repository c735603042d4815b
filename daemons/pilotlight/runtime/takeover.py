# SPDX-License-Identifier: Apache-2.0
"""Which scan process has the lines, and how another one takes them over between two scans."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable

from pilotlight.io.drivers import Lines
from pilotlight.runtime.commands import Command, slot_value
from pilotlight.runtime.guard import Guard
from pilotlight.runtime.launcher import Launcher, LoadedProgram
from pilotlight.runtime.native import explain
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.retention import Retention
from pilotlight.runtime.settings import ScanSettings
from pilotlight.runtime.states import State
from pilotlight.runtime.variables import Variables
from pilotlight.tags import SegmentError

WRITES = 128
"""Values that are written into a process on standby at a time: half of what its ring holds."""


class Begin(enum.Enum):
    """What values a program begins with."""

    INITIAL = enum.auto()
    RETAINED = enum.auto()
    """Those kept of its retentive variables, initial ones for the rest."""
    CARRIED = enum.auto()
    """All that the program before remembered, as far as this one has it too."""


class Holder:
    """Has at most one process that holds the lines. `notice` gets what a person should read."""

    def __init__(
        self, lines: Lines, settings: ScanSettings, guard: Guard[ScanProcess], variables: Variables,
        retention: Retention, notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._lines = lines
        self._settings = settings
        self._guard = guard
        self._variables = variables
        self._retention = retention
        self._notice = notice
        self._launcher = Launcher(lines, settings, guard, notice)
        self.process: ScanProcess | None = None
        """The process that has the lines; None when even the empty program cannot be run."""
        self.loaded: LoadedProgram | None = None
        """Its program: none when it only watches the lines."""
        self.ran = False
        """Whether its program has run."""

    async def prepare(self, program: LoadedProgram | None, carried: int = -1) -> ScanProcess:
        """A process on standby for `program`; `carried` is memory that it may restore from. ScanError."""
        return await self._launcher.prepare(program, carried)

    async def take(
        self, process: ScanProcess, program: LoadedProgram | None, state: State, begin: Begin, *, forces: bool
    ) -> None:
        """Between two scans: the old process finishes, and `process` takes the next slot, with the forces of before
        when `forces` says so.

        ScanError when that fails; then `process` is gone, and the old one too if it has finished.
        """
        try:
            written: dict[int, bytes] = {}
            if program is not None and forces:
                await self._variables.repeat(process, self.loaded, program)
            if program is not None and begin is Begin.RETAINED:
                written = await self._write(process, program, {})
            process.activate()
            old, first = self.process, b""
            if old is not None:
                first = await self._finish(old)
            if program is not None and begin is Begin.RETAINED:
                await self._write(process, program, written)
            if begin is Begin.CARRIED:
                process.send(Command.RESTORE)
            code = await process.ask(Command.ENTER, state, first)
            if code != 0:
                raise ScanError(f"it refuses to begin: {explain(code)}")
        except (ScanError, SegmentError, OSError) as error:
            self._launcher.drop(process)
            raise ScanError(str(error)) from None
        self._has_lines(process, program)
        self.ran = state is State.RUNNING
        self._guard.watch(process)
        if old is not None:
            self._launcher.drop(old)

    async def enter(self, state: State) -> None:
        """Go to a state with the process that has the lines. ScanError."""
        if self.process is None:
            raise ScanError("no process has the lines")
        await self.process.ask(Command.ENTER, state)
        self.ran = self.ran or state is State.RUNNING

    def lose(self, process: ScanProcess) -> bool:
        """A process has ended by itself; whether it was the one that had the lines."""
        process.drain()
        had_lines = process is self.process
        if had_lines:
            self._retention.take(self.loaded, process.reader)
            self._has_lines(None, None)
        self._launcher.drop(process)
        return had_lines

    def take_retained(self) -> None:
        """Note the values to retain as they are now."""
        if self.process is not None:
            self._retention.take(self.loaded, self.process.reader)

    def close(self) -> None:
        """End the process, outputs safe, and give the lines back."""
        self.take_retained()
        if self.process is not None:
            self.process.close()
        try:
            self._lines.drive_safe()
        finally:
            self._lines.close()

    async def _finish(self, old: ScanProcess) -> bytes:
        """End the old process with the lines as they are; what its successor's ENTER says of the first slot."""
        first = b""
        try:
            first = slot_value(await old.finish(self._settings.limit_ms / 1000 + 1.0))
        except ScanError as error:
            self._notice(f"the scan process before did not finish: {error}")
            self._retention.take(self.loaded, old.reader)
            self._launcher.drop(old)
            self._lines.drive_safe()
        else:
            self._retention.take(self.loaded, old.reader)
        self._has_lines(None, None)
        return first

    async def _write(self, process: ScanProcess, program: LoadedProgram, written: dict[int, bytes]) -> dict[int, bytes]:
        """Write the retained values that are not `written` yet into a process on standby; all that there are."""
        values = self._retention.values(program)
        rest = [(number, value) for number, value in values.items() if written.get(number) != value]
        for start in range(0, len(rest), WRITES):
            part = rest[start : start + WRITES]
            # A variable that refuses, because it is forced or has become read-only, keeps what it has.
            await asyncio.gather(*(process.ask(Command.WRITE, number, value) for number, value in part))
        return values

    def _has_lines(self, process: ScanProcess | None, program: LoadedProgram | None) -> None:
        self.process, self.loaded = process, program
        self._variables.serve(process if program is not None else None)
