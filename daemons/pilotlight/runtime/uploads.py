# SPDX-License-Identifier: Apache-2.0
"""Uploads: from an archive to the active program, one at a time, followed by asking for the status."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from pilotlight.daemon import Busy, DaemonError, InvalidArgument, Typed
from pilotlight.runtime import build
from pilotlight.runtime.build import Builder, BuildFailed, Status
from pilotlight.runtime.keeping import loaded
from pilotlight.runtime.notebook import Notebook, verdict
from pilotlight.runtime.store import ProgramStore
from pilotlight.runtime.supervisor import Supervisor

NAME_MAX = 128


class Uploads:
    """Builds an upload and, when that succeeds, activates it. All in the asyncio thread."""

    def __init__(
        self,
        supervisor: Supervisor,
        builder: Builder,
        store: ProgramStore,
        notebook: Notebook,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when `state` may be another."""
        self._supervisor = supervisor
        self._builder = builder
        self._store = store
        self._notebook = notebook
        self._changed = changed
        self._builds = 0
        self._pending = False
        """A build has been asked for and not begun."""
        self._activating = False
        """A build is under way, or its program is being activated."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> str:
        """What the last build is doing; it is a success only once its program has been activated."""
        if self._pending:
            return str(Status.UNZIPPING)
        status = self._builder.status.status
        return str(Status.COMPILING if self._activating and status is Status.SUCCESS else status)

    def status(self) -> dict[str, Any]:
        """The last build as the Editor polls it."""
        status = build.BuildStatus() if self._pending else self._builder.status
        answer: dict[str, Any] = {"Status": self.state, "Log": Typed("as", status.log), "Program": status.program}
        if status.exit_code is not None and self.state != Status.COMPILING:
            answer["ExitCode"] = Typed("i", status.exit_code)
        return answer

    def begin(self, archive: int, options: dict[str, Any], user: str) -> str:
        """Begin to build the ZIP file that the descriptor is open on; the number of the build.

        `user` is who uploads it when the options do not say. InvalidArgument, Busy.
        """
        unknown = sorted(set(options) - {"name", "user", "online"})
        if unknown:
            raise InvalidArgument(f"unknown options {', '.join(unknown)}; there are name, user and online")
        online = bool(options.get("online", False))
        name, user = str(options.get("name", "program"))[:NAME_MAX], str(options.get("user", ""))[:NAME_MAX] or user
        if self._builder.busy or self._activating:
            raise Busy("Runtime is compiling another program, please wait")
        self._builds += 1
        self._pending = self._activating = True
        task = asyncio.get_running_loop().create_task(self._build(os.dup(archive), name, user, online))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return str(self._builds)

    async def close(self) -> None:
        """End a build that is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _build(self, archive: int, name: str, user: str, online: bool) -> None:
        self._pending = False
        try:
            info = await self._builder.build(archive, name, user)
            program = loaded(self._store, info.id)
            await verdict(self._supervisor.change(program) if online else self._supervisor.activate(program, True))
            self._notebook.say("INFO", f"program {info.name}, uploaded by {user or 'nobody known'}, is active")
        except (BuildFailed, Busy) as error:
            self._notebook.say("ERROR", f"program {name} was not built, what ran goes on: {error}")
        except DaemonError as error:
            status = self._builder.status
            status.log.append(f"[ERROR] The program was built but could not be activated: {error}\n")
            status.status, status.exit_code = Status.FAILED, 1
            self._notebook.say("ERROR", f"program {name} was built but not activated: {error}")
        finally:
            os.close(archive)
            self._activating = False
            self._changed()
