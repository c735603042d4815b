# SPDX-License-Identifier: Apache-2.0
"""`io.pilotlight.Runtime1`: the runtime on the bus. Decisions are the supervisor's, the builder's and the store's."""

from __future__ import annotations

from typing import Any, ClassVar

from pilotlight.daemon import InvalidArgument, Service, Typed, caller, command
from pilotlight.io.lines import PinMap
from pilotlight.runtime import build, reports, states, values
from pilotlight.runtime.build import Builder
from pilotlight.runtime.control.keeper import LoopKeeper
from pilotlight.runtime.keeping import loaded
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.links import Links
from pilotlight.runtime.logring import LEVELS, LogRing
from pilotlight.runtime.notebook import Notebook, verdict
from pilotlight.runtime.store import ProgramStore
from pilotlight.runtime.supervisor import Supervisor
from pilotlight.runtime.target import Debugger
from pilotlight.runtime.uploads import Uploads
from pilotlight.tags import SegmentError, Snapshot

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
        control: LoopKeeper,
        links: Links,
    ) -> None:
        super().__init__()
        self._supervisor = supervisor
        self._store = store
        self._pin_map = pin_map
        self._ring = ring
        self._control = control
        self._links = links
        self._debugger = Debugger(supervisor, notebook.say)
        self._uploads = Uploads(supervisor, builder, store, notebook, lambda: self.changed("BuildState"))
        control.announce = lambda: self.changed("ControlState", "ControlFault", "ControlPid")
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
        return self._uploads.state

    @property
    def ForceCount(self) -> int:
        """How many variables are forced."""
        return len(self._supervisor.variables.forces)

    @property
    def ControlState(self) -> str:
        """OFF, REFUSED, STOPPED, STARTING, RUNNING, WAITING or ERROR."""
        return self._control.supervisor.state.name

    @property
    def ControlFault(self) -> str:
        """Why the control loop last ended by itself."""
        return self._control.supervisor.last_fault

    @property
    def ControlPid(self) -> int:
        """Process number of the control loop."""
        process = self._control.supervisor.process
        return process.pid if process is not None else 0

    def problems(self) -> list[str]:
        """What keeps the PLC, and the control loop, from doing what they should."""
        found = self._control.problems()
        if self._links.problem:
            found.append(self._links.problem)
        if self._supervisor.state is states.State.ERROR:
            found.insert(0, f"the program does not run, outputs are safe: {self._supervisor.last_fault}")
        return found

    def details(self) -> dict[str, Any]:
        """Own keys of Status."""
        return {
            "State": self.State,
            "Program": self.Program,
            "LastFault": self.LastFault,
            "Lines": len(self._pin_map.lines),
            "ControlState": self.ControlState,
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
        return self._uploads.begin(archive, options, str(caller().user))

    def BuildStatus(self) -> dict[str, Any]:
        """The last build as the Editor polls it."""
        return self._uploads.status()

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

    @command
    async def ControlStart(self) -> str:
        """Run the control loop."""
        return (await verdict(self._control.supervisor.start())).name

    @command
    async def ControlStop(self) -> str:
        """End the control loop, servos in failsafe."""
        return (await verdict(self._control.supervisor.stop())).name

    @command
    async def ControlReload(self) -> str:
        """Read the configuration of the control loop again and run it."""
        return (await verdict(self._control.supervisor.reload())).name

    def ControlStatus(self) -> dict[str, Any]:
        """How the control loop is."""
        return self._control.status()

    async def close(self) -> None:
        """End a build that is under way."""
        await self._uploads.close()

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
