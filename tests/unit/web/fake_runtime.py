# SPDX-License-Identifier: Apache-2.0
"""A runtime on the bus that holds no program of its own: what the web is tested against."""

import os
from typing import Any, ClassVar

from pilotlight.daemon import Busy, DaemonError, NotFound, Service, WrongState, command


class NoProgram(DaemonError):
    dbus_name = "io.pilotlight.Error.NoProgram"


class AlreadyRunning(DaemonError):
    dbus_name = "io.pilotlight.Error.AlreadyRunning"


class AlreadyStopped(DaemonError):
    dbus_name = "io.pilotlight.Error.AlreadyStopped"


class FakeRuntime(Service):
    """Answers as the real one; tests set its attributes."""

    interface: ClassVar[str] = "io.pilotlight.Runtime1"
    Program, Identity, LastFault, LastChange, ScanPid = "blink", "0" * 32, "", "", 7
    ControlState, ControlFault, ControlPid = "OFF", "", 0

    def __init__(self) -> None:
        super().__init__()
        self.state = "EMPTY"
        self.build = {"Status": "IDLE", "Log": [], "Program": ""}
        self.archives: list[bytes] = []
        self.archive_is_sealed = False
        self.options: dict[str, Any] = {}
        self.busy = False
        self.failure: DaemonError | None = None
        self.frames: list[bytes] = []
        self.records = [(n, "INFO", f'line {n} "quoted"\n', "2026-11-21T09:23:58+0000") for n in range(1, 6)]

    @property
    def State(self) -> str:
        return self.state

    @property
    def BuildState(self) -> str:
        return str(self.build["Status"])

    @property
    def ForceCount(self) -> int:
        return 2

    @command
    def Start(self) -> str:
        if self.state == "EMPTY":
            raise NoProgram("There is no program; upload one.")
        if self.state == "RUNNING":
            raise AlreadyRunning("The program runs already.")
        self.state = "RUNNING"
        return self.state

    @command
    def Stop(self) -> str:
        if self.state == "EMPTY":
            raise NoProgram("There is no program; upload one.")
        if self.state == "STOPPED":
            raise AlreadyStopped("The program is stopped already.")
        self.state = "STOPPED"
        return self.state

    @command
    def Build(self, archive: int, options: dict[str, Any]) -> str:
        if self.busy:
            raise Busy("A build is under way.")
        if self.failure is not None:
            raise self.failure
        self.archives.append(os.pread(archive, 1 << 26, 0))
        try:
            os.pwrite(archive, b"x", 0)
        except OSError:
            self.archive_is_sealed = True
        self.options = options
        self.build = {
            "Status": "SUCCESS",
            "ExitCode": 0,
            "Log": ["[INFO] unzipping", "done\n"],
            "Program": "p1",
        }
        self.state = "RUNNING"
        return "p1"

    def BuildStatus(self) -> dict[str, Any]:
        return self.build

    def Programs(self) -> list[dict[str, Any]]:
        return [{"Id": "p1", "Name": "blink", "Identity": "0" * 32, "Uploaded": 1, "Active": True, "Size": 3}]

    @command
    def Activate(self, program: str) -> str:
        if program != "p1":
            raise NotFound(f"There is no program {program}.")
        return self.state

    @command
    def Change(self, program: str) -> str:
        if program != "p1":
            raise NotFound(f"There is no program {program}.")
        if self.state != "RUNNING":
            raise WrongState("No program runs that could be changed.")
        self.LastChange = "on trial"
        return self.state

    @command
    def ForgetRetained(self) -> None:
        """Nothing is kept here."""

    def Statistics(self) -> dict[str, Any]:
        return {"scan_count": 132, "scan_time_min": 1, "scan_time_max": 6, "scan_time_avg": 3, "overruns": 0}

    def Log(self, since: int, level: str) -> list[tuple[int, str, str, str]]:
        return [record for record in self.records if record[0] >= since and level in ("", record[1])]

    @command
    def Debug(self, frame: bytes) -> bytes:
        self.frames.append(frame)
        if frame[0] == 0x45:
            return b"\x45\x7e" + b"0" * 32
        return b"\x42\x7e" if frame[0] == 0x42 else b""

    def Lines(self) -> list[dict[str, Any]]:
        return []

    def Forces(self) -> dict[str, Any]:
        return {}

    @command
    def Force(self, tag: str, value: Any) -> str:
        raise NotFound(f"There is no tag {tag}.")

    @command
    def Write(self, tag: str, value: Any) -> str:
        raise NotFound(f"There is no tag {tag}.")

    @command
    def Unforce(self, tag: str) -> str:
        raise NotFound(f"There is no tag {tag}.")

    @command
    def ControlStart(self) -> str:
        raise WrongState("There is no control loop here.")

    @command
    def ControlStop(self) -> str:
        raise WrongState("There is no control loop here.")

    @command
    def ControlReload(self) -> str:
        return self.ControlState

    def ControlStatus(self) -> dict[str, Any]:
        return {"State": self.ControlState}
