# SPDX-License-Identifier: Apache-2.0
"""Where the supervisor's notes go, and its refusals as errors with a D-Bus name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pilotlight.daemon import Busy, DaemonError, Service, StateFile, WrongState, logger
from pilotlight.runtime.keeping import Kept
from pilotlight.runtime.logring import LogRing
from pilotlight.runtime.store import ProgramStore
from pilotlight.runtime.verdicts import SupervisorError

T = TypeVar("T")

log = logger("runtime")


class NoProgram(DaemonError):
    """There is no program that could be started, stopped or changed."""

    dbus_name = "io.pilotlight.Error.NoProgram"


class AlreadyRunning(DaemonError):
    """The program runs."""

    dbus_name = "io.pilotlight.Error.AlreadyRunning"


class AlreadyStopped(DaemonError):
    """The program does not run."""

    dbus_name = "io.pilotlight.Error.AlreadyStopped"


_ERRORS: dict[str, type[DaemonError]] = {
    "NoProgram": NoProgram,
    "AlreadyRunning": AlreadyRunning,
    "AlreadyStopped": AlreadyStopped,
    "Busy": Busy,
    "Refused": WrongState,
    "Failed": DaemonError,
}


class Notebook:
    """Where the supervisor's notes go: log ring, journal, state file, changed properties, the unit's status line."""

    def __init__(self, ring: LogRing, state: StateFile[Kept], store: ProgramStore, show: Callable[[], None]) -> None:
        """`show` renews the status line."""
        self._ring = ring
        self._state = state
        self._store = store
        self._show = show
        self.service: Service | None = None

    def say(self, level: str, message: str) -> None:
        """A record for the log's readers and for the journal."""
        self._ring.add(level, message)
        write = {"ERROR": log.error, "WARNING": log.warning, "INFO": log.info}[level]
        write(message, event="scan")

    def changed(self) -> None:
        """Announce the properties that a transition can change."""
        if self.service is not None:
            self.service.changed("State", "Program", "Identity", "LastFault", "LastChange", "ScanPid", "ForceCount")
            self._show()

    async def remember(self, wanted: bool, fault: str) -> None:
        """Keep the wanted mode on disk; a disk that refuses is reported and the PLC goes on."""
        try:
            await asyncio.to_thread(self._state.save, Kept(wanted, fault))
        except OSError as error:
            self.say("ERROR", f"the wanted mode could not be kept on disk, the PLC goes on: {error}")

    async def activated(self, program: str) -> None:
        """Keep on disk which program is the active one; a disk that refuses is reported and the PLC goes on."""
        try:
            await asyncio.to_thread(self._store.set_active, program)
        except (OSError, DaemonError) as error:
            self.say("ERROR", f"the active program could not be kept on disk, it runs all the same: {error}")


async def verdict(work: Awaitable[T]) -> T:
    """The result of a supervisor's command; its refusal as an error with a D-Bus name."""
    try:
        return await work
    except SupervisorError as error:
        raise _ERRORS[error.kind](str(error)) from None
