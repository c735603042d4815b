# SPDX-License-Identifier: Apache-2.0
"""The time after an online change in which a fault of the new program brings the old one back."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.process import ScanProcess
from pilotlight.tags import SegmentError, SegmentReader

LOOK_S = 0.05
"""How often the fault flags of a program on trial are looked at; the journal tells of those that were on between."""
ROUNDS = 16
"""Looks into the journal at a time; what is left over waits for the next."""
FAULTS = ("fault.plc_error", "fault.division_error", "fault.out_of_range", "fault.address_error")


@dataclass(frozen=True)
class Trial:
    """A program on trial in `process`; `saved` is memory of its own with what `before` remembered at the change."""

    before: LoadedProgram
    program: LoadedProgram
    process: ScanProcess
    saved: int
    flags: FaultFlags

    def close(self) -> None:
        """Let the memory go."""
        os.close(self.saved)


def faults_now(reader: SegmentReader | None) -> frozenset[str]:
    """The fault flags that are on in a program's last scan; none when that is not known."""
    if reader is None:
        return frozenset()
    named = [name for name in FAULTS if name in reader.directory]
    try:
        return frozenset(reading.name for reading in reader.read(*named) if reading.value)
    except SegmentError:
        return frozenset()


class FaultFlags:
    """Fault flags of a program, looked at through its journal: one that was on for a single scan is seen too."""

    def __init__(self, reader: SegmentReader, known: frozenset[str]) -> None:
        """`known` flags were on before and say nothing new."""
        self._reader = reader
        self._names = {reader.directory.index(n): n for n in FAULTS if n in reader.directory and n not in known}
        self._cursor: int | None = 0

    def raised(self) -> str:
        """A flag that has been on since the change; empty when none has."""
        try:
            for _ in range(ROUNDS):
                changes = self._reader.changes(self._cursor)
                for change in changes.entries:
                    if change.index in self._names and change.value:
                        return self._names[change.index]
                if changes.cursor == self._cursor:
                    break
                self._cursor = changes.cursor
        except SegmentError:
            return ""
        return min(faults_now(self._reader) & set(self._names.values()), default="")
