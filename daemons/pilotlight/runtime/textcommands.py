# SPDX-License-Identifier: Apache-2.0
"""What the text socket asks, answered by the supervisor."""

from __future__ import annotations

from collections.abc import Mapping

from pilotlight.runtime.service import Runtime
from pilotlight.runtime.states import State
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.verdicts import SupervisorError


class TextCommands:
    """`textsocket.Commands` over the supervisor and the service."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime) -> None:
        self._supervisor = supervisor
        self._runtime = runtime

    def status(self) -> str:
        """The state's name."""
        return self._supervisor.state.name

    async def start(self) -> str:
        """OK, ERROR_ALREADY_RUNNING or ERROR."""
        try:
            await self._supervisor.start()
        except SupervisorError as error:
            return "ERROR_ALREADY_RUNNING" if error.kind == "AlreadyRunning" else "ERROR"
        return "OK"

    async def stop(self) -> str:
        """OK, also without a program; ERROR when it is stopped already."""
        if self._supervisor.state is State.EMPTY:
            return "OK"
        try:
            await self._supervisor.stop()
        except SupervisorError:
            return "ERROR"
        return "OK"

    async def statistics(self) -> Mapping[str, object]:
        """As Runtime1.Statistics."""
        return self._runtime.Statistics()

    async def debug(self, frame: bytes) -> bytes | None:
        """One debugger frame."""
        return self._runtime.debug(frame)
