# SPDX-License-Identifier: Apache-2.0
"""Retentive variables: their values over a stop, another program and a power cut.

The values of each program, by its name, are a file of their own. It is replaced whole, so that a power cut leaves the
values of now or those kept before: at most the interval of saving is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from pilotlight.daemon import StateFile
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.tags import Flags, SegmentError, SegmentReader

PROGRAMS_MAX = 16
"""Programs whose values are kept; the ones used longest ago go first."""


class RetainedValue(msgspec.Struct, frozen=True, array_like=True):
    """A value in the encoding of the tags, and the code of its type."""

    type: int
    value: bytes


class Retained(msgspec.Struct, frozen=True):
    """The file: values of a program's retentive variables by name."""

    program: str = ""
    values: dict[str, RetainedValue] = {}


class Retention:
    """The values of one program at a time; `say` gets a level and a text when a file cannot be read or written."""

    def __init__(self, folder: Path, say: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._say = say
        self._now = Retained()
        self._saved = Retained()
        self._failed = False

    def values(self, program: LoadedProgram) -> dict[int, bytes]:
        """What is kept for a program's retentive variables, by number; of another name or type, nothing."""
        self._turn_to(program.name)
        kept = self._now.values
        found = {}
        for number, variable in enumerate(program.variables):
            value = kept.get(variable.name) if variable.flags & Flags.RETENTIVE else None
            if value is not None and value.type == variable.type and len(value.value) == variable.size:
                found[number] = value.value
        return found

    def take(self, program: LoadedProgram | None, reader: SegmentReader | None) -> None:
        """Note the retentive values of `program` as its process has published them last."""
        if program is None or reader is None or not any(v.flags & Flags.RETENTIVE for v in program.variables):
            return
        try:
            image = reader.snapshot().image
        except SegmentError:
            return
        directory, values = reader.directory, {}
        for number, variable in enumerate(program.variables):
            if variable.flags & Flags.RETENTIVE:
                start = directory.offset(number)
                values[variable.name] = RetainedValue(variable.type, bytes(image[start : start + variable.size]))
        self._turn_to(program.name)
        self._now = Retained(program.name, values)

    def save(self) -> None:
        """Write what has been noted, if it is new. Waits for the disk; a disk that refuses is reported once."""
        now = self._now
        if now == self._saved:
            return
        try:
            self._file(now.program).save(now)
            self._prune()
        except (OSError, ValueError) as error:
            if not self._failed:
                self._say("ERROR", f"retentive values could not be kept on disk, the program goes on: {error}")
            self._failed = True
            return
        self._failed, self._saved = False, now

    def forget(self, program: str) -> None:
        """Drop what is kept of a program: it begins with its initial values. Raises OSError."""
        self._file(program).path.unlink(missing_ok=True)
        if self._now.program == program:
            self._now = self._saved = Retained(program)

    def _turn_to(self, program: str) -> None:
        if program == self._now.program:
            return
        self.save()
        try:
            self._now = self._file(program).load(Retained(program))
        except OSError as error:
            self._say("ERROR", f"kept values of program {program} cannot be read, it begins without them: {error}")
            self._now = Retained(program)
        self._saved = self._now

    def _file(self, program: str) -> StateFile[Retained]:
        name = hashlib.sha256(program.encode()).hexdigest()[:16]
        return StateFile(self._folder / f"{name}.json", Retained)

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in files[:-PROGRAMS_MAX]:
            old.unlink()
