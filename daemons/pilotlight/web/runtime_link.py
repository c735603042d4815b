# SPDX-License-Identifier: Apache-2.0
"""What the web asks of `io.pilotlight.Runtime1`, with a finite time for each question."""

from typing import Any

from pilotlight.daemon import Client, DaemonError, Fd, Timeout, Unavailable

INTERFACE = "io.pilotlight.Runtime1"
READ_S = 5.0
COMMAND_S = 10.0
BUILD_S = 30.0


class RuntimeDown(Exception):
    """Runtime did not answer; whether a command took effect is unknown."""


class RuntimeRefused(Exception):
    """Runtime said no. `name` is the D-Bus error name, the text is its sentence."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class RuntimeLink:
    """The methods of Runtime1 as coroutines; RuntimeDown or RuntimeRefused when they fail."""

    def __init__(self) -> None:
        self._client = Client(INTERFACE)

    async def start(self) -> str:
        """Runs the active program; the new state."""
        return str(await self._call("Start", "", timeout=COMMAND_S))

    async def stop(self) -> str:
        """Stops the program, outputs safe; the new state."""
        return str(await self._call("Stop", "", timeout=COMMAND_S))

    async def build(self, archive: int, name: str, user: str, *, online: bool) -> str:
        """Hands over a program archive (an open descriptor); the id of the build that begins."""
        options = {"name": name, "user": user, "online": online}
        return str(await self._call("Build", "ha{sv}", Fd(archive), options, timeout=BUILD_S))

    async def build_status(self) -> dict[str, Any]:
        """Status, ExitCode, Log and Program of the last build."""
        return dict(await self._call("BuildStatus", ""))

    async def programs(self) -> list[dict[str, Any]]:
        """The programs in the store."""
        return list(await self._call("Programs", ""))

    async def activate(self, program: str) -> str:
        """Makes a stored program the active one; the new state."""
        return str(await self._call("Activate", "s", program, timeout=COMMAND_S))

    async def change(self, program: str) -> str:
        """Changes the running program online to a stored one; the new state."""
        return str(await self._call("Change", "s", program, timeout=COMMAND_S))

    async def statistics(self) -> dict[str, Any]:
        """Scan statistics; times in µs."""
        return dict(await self._call("Statistics", ""))

    async def log(self, since: int, level: str) -> list[tuple[int, str, str, str]]:
        """Log records with id ≥ `since`, of one level or of all (empty)."""
        return list(await self._call("Log", "ts", since, level))

    async def debug(self, frame: bytes) -> bytes:
        """One debugger frame; empty when runtime does not know the function."""
        return bytes(await self._call("Debug", "ay", frame))

    async def state(self) -> str:
        """EMPTY, INIT, RUNNING, STOPPED or ERROR."""
        return str(await self._guard(self._client.aget("State")))

    async def properties(self) -> dict[str, Any]:
        """All properties of Runtime1."""
        return dict(await self._guard(self._client.aget_all()))

    async def _call(self, method: str, signature: str, *arguments: Any, timeout: float = READ_S) -> Any:
        return await self._guard(self._client.acall(method, *arguments, signature=signature, timeout=timeout))

    async def _guard(self, answer: Any) -> Any:
        try:
            return await answer
        except (Unavailable, Timeout) as error:
            raise RuntimeDown(str(error)) from None
        except DaemonError as error:
            raise RuntimeRefused(error.dbus_name, str(error)) from None
