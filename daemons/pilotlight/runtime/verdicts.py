# SPDX-License-Identifier: Apache-2.0
"""What the supervisor answers and tells: refusals with a kind, and notes for people and for the disk."""

from __future__ import annotations

from typing import Protocol


class Notes(Protocol):
    """Who is told what happens."""

    def say(self, level: str, message: str) -> None:
        """A record for people; levels as in LogRing."""

    def changed(self) -> None:
        """State, program, fault, process or forces are not what they were."""

    async def remember(self, wanted: bool, fault: str) -> None:
        """Keep on disk whether the program is to run after a restart, and the last fault."""

    async def activated(self, program: str) -> None:
        """Keep on disk that the stored program of this id is the one to run after a restart."""


class SupervisorError(Exception):
    """A command was refused or failed. `kind` is NoProgram, AlreadyRunning, AlreadyStopped, Busy, Failed or Refused."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
