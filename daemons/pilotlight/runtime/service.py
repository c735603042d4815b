# SPDX-License-Identifier: Apache-2.0
"""`io.pilotlight.Runtime1`: the runtime on the bus. Decisions are the supervisor's, the builder's and the store's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, ClassVar

from pilotlight.daemon import Busy, DaemonError, InvalidArgument, Service, Typed, caller, command
from pilotlight.io.lines import PinMap
from pilotlight.runtime import build, reports, states, values
from pilotlight.runtime.build import Builder, BuildFailed, Status
from pilotlight.runtime.keeping import loaded
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.logring import LEVELS, LogRing
from pilotlight.runtime.notebook import Notebook, verdict
from pilotlight.runtime.store import ProgramStore
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.target import Debugger
from pilotlight.tags import SegmentError, Snapshot

NAME_MAX = 128
FRAME_MAX = 4096


class Runtime(Service):
    """The D-Bus object."""

    interface: ClassVar[str] = "io.pilotlight.Runtime1"

    def __init__(
        self,
        supervisor: Supervisor,
        builder: Builder,
        store: ProgramStore,
        pin_map: PinMap,
        ring: LogRing,
        notebook: Notebook,
    ) -> None:
        super().__init__()
        self._supervisor = supervisor
        self._builder = builder
        self._store = store
        self._pin_map = pin_map
        self._ring = ring
        self._notebook = notebook
        self._debugger = Debugger(supervisor, notebook.say)
        self._builds = 0
        self._pending = False
        """A build has been asked for and not begun."""
        self._activating = False
        """A build is under way, or its program is being activated."""
        self._tasks: set[asyncio.Task[None]] = set()
        notebook.service = self

    @property
    def State(self) -> str:
        """EMPTY, INIT, RUNNING, STOPPED or ERROR."""
        return self._supervisor.state.name

    @property
    def Program(self) -> str:
        """Name of the active program."""
        program = self._supervisor.program
        return program.name if program is not None else ""

    @property
    def Identity(self) -> str:
        """Identity of the active program."""
        program = self._supervisor.program
        return program.identity if program is not None else ""

    @property
    def LastFault(self) -> str:
        """Why the program last stopped by itself."""
        return self._supervisor.last_fault

    @property
    def LastChange(self) -> str:
        """How the last online change went."""
        return self._supervisor.last_change

    @property
    def ScanPid(self) -> int:
        """Process number of the scan process."""
        process = self._supervisor.process
        return process.pid if process is not None else 0

    @property
    def BuildState(self) -> str:
        """What the last build is doing; it is a success only once its program has been activated."""
        if self._pending:
            return str(Status.UNZIPPING)
        status = self._builder.status.status
        return str(Status.COMPILING if self._activating and status is Status.SUCCESS else status)

    @property
    def ForceCount(self) -> int:
        """How many variables are forced."""
        return len(self._supervisor.variables.forces)

    def problems(self) -> list[str]:
        """What keeps the PLC from doing what it should."""
        if self._supervisor.state is states.State.ERROR:
            return [f"the program does not run, outputs are safe: {self._supervisor.last_fault}"]
        return []

    def details(self) -> dict[str, Any]:
        """Own keys of Status."""
        return {
            "State": self.State,
            "Program": self.Program,
            "LastFault": self.LastFault,
            "Lines": len(self._pin_map.lines),
        }

    @command
    async def Start(self) -> str:
        """Run the active program from its initial values."""
        return (await verdict(self._supervisor.start())).name

    @command
    async def Stop(self) -> str:
        """Stop the program, outputs safe."""
        return (await verdict(self._supervisor.stop())).name

    @command
    def Build(self, archive: int, options: dict[str, Any]) -> str:
        """Begin to build an upload and, when it is built, to run it; the number of the build."""
        unknown = sorted(set(options) - {"name", "user", "online"})
        if unknown:
            raise InvalidArgument(f"unknown options {', '.join(unknown)}; there are name, user and online")
        online = bool(options.get("online", False))
        name, user = str(options.get("name", "program"))[:NAME_MAX], str(options.get("user", ""))[:NAME_MAX]
        if self._builder.busy or self._activating:
            raise Busy("Runtime is compiling another program, please wait")
        self._builds += 1
        self._pending = self._activating = True
        self._run(self._build(os.dup(archive), name, user or str(caller().user), online))
        return str(self._builds)

    def BuildStatus(self) -> dict[str, Any]:
        """The last build as the Editor polls it."""
        status = build.BuildStatus() if self._pending else self._builder.status
        answer: dict[str, Any] = {"Status": self.BuildState, "Log": Typed("as", status.log), "Program": status.program}
        if status.exit_code is not None and self.BuildState != Status.COMPILING:
            answer["ExitCode"] = Typed("i", status.exit_code)
        return answer

    def Programs(self) -> list[dict[str, Any]]:
        """The stored programs, newest first."""
        active = self._store.active
        return [
            {
                "Id": info.id,
                "Name": info.name,
                "Identity": info.identity,
                "Uploaded": Typed("t", info.uploaded),
                "Active": info.id == active,
                "Size": Typed("t", info.size),
            }
            for info in self._store.list()
        ]

    @command
    async def Activate(self, program: str) -> str:
        """Make a stored program the active one, running if one runs now."""
        return (await verdict(self._supervisor.activate(loaded(self._store, program), None))).name

    @command
    async def Change(self, program: str) -> str:
        """Change the running program online to a stored one."""
        return (await verdict(self._supervisor.change(loaded(self._store, program)))).name

    @command
    async def ForgetRetained(self) -> None:
        """Drop the values kept for the program."""
        await verdict(self._supervisor.forget_retained())

    def Statistics(self) -> dict[str, Any]:
        """Scan statistics in µs."""
        return reports.statistics(self._snapshot())

    def Lines(self) -> list[dict[str, Any]]:
        """The pin map with levels."""
        return reports.lines(self._pin_map, self._snapshot())

    @command
    async def Force(self, tag: str, value: Any) -> str:
        """Hold a program variable at a value."""
        program, variable = self._variable(tag)
        await verdict(self._supervisor.variables.force(variable, values.to_bytes(program, variable, value)))
        return program.variables[variable].name

    @command
    async def Unforce(self, tag: str) -> str:
        """Let a program variable go."""
        program, variable = self._variable(tag)
        await verdict(self._supervisor.variables.unforce(variable))
        return program.variables[variable].name

    @command
    async def Write(self, tag: str, value: Any) -> str:
        """Give a program variable a value once."""
        program, variable = self._variable(tag)
        await verdict(self._supervisor.variables.write(variable, values.to_bytes(program, variable, value)))
        return program.variables[variable].name

    def Forces(self) -> dict[str, Any]:
        """Forced variables with their values."""
        program = self._supervisor.program
        if program is None:
            return {}
        forces = self._supervisor.variables.forces.items()
        return {program.variables[index].name: values.from_bytes(program, index, data) for index, data in forces}

    def Log(self, since: int, level: str) -> list[tuple[int, str, str, str]]:
        """Log records from an id on."""
        if level and level not in LEVELS:
            raise InvalidArgument(f"there is no level {level}; one of {', '.join(LEVELS)}, or empty for all")
        return [(r.id, r.level, r.message, r.timestamp) for r in self._ring.since(since, level)]

    @command
    def Debug(self, frame: bytes) -> bytes:
        """One debugger frame; empty for no frame of this protocol."""
        return self.debug(frame) or b""

    def debug(self, frame: bytes) -> bytes | None:
        """Answer one debugger frame, for the text socket too."""
        return self._debugger.answer(frame) if len(frame) <= FRAME_MAX else None

    def build_changed(self, _: build.BuildStatus) -> None:
        """The builder has something new to show."""
        self.changed("BuildState")

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
            self.changed("BuildState")

    def _variable(self, tag: str) -> tuple[LoadedProgram, int]:
        program = self._supervisor.loaded
        variable = values.find(program, tag)
        assert program is not None
        return program, variable

    def _snapshot(self) -> Snapshot | None:
        process = self._supervisor.process
        if process is None or process.reader is None:
            return None
        try:
            return process.reader.snapshot()
        except SegmentError:
            return None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
