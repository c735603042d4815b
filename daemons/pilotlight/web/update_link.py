# SPDX-License-Identifier: Apache-2.0
"""What the web asks of `io.pilotlight.Orchestrator1` about updates, with a finite time for each question."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from pilotlight.daemon import (
    Busy,
    Client,
    DaemonError,
    Fd,
    InvalidArgument,
    NotPermitted,
    Timeout,
    Unavailable,
    WrongState,
)

INTERFACE = "io.pilotlight.Orchestrator1"
READ_S = 5.0
SLOTS_S = 60.0
"""RAUC may have to be started for it."""
COMMAND_S = 90.0
GATHER_S = 0.15
"""Changes that come so shortly after one another are told together."""

_STATUS: dict[type[DaemonError], int] = {
    InvalidArgument: 400,
    NotPermitted: 403,
    Busy: 409,
    WrongState: 409,
    Unavailable: 503,
    Timeout: 503,
}
_NO_SPACE = "io.pilotlight.Error.NoSpace"


class UpdateRefused(Exception):
    """The orchestrator said no, or nothing; `status` is the HTTP status for it, the text a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def plain(report: dict[str, Any]) -> dict[str, Any]:
    """A report of the bus with the names of our JSON: `RebootPolicy` becomes `reboot_policy`."""
    return {_snake(key): plain(value) if isinstance(value, dict) else value for key, value in report.items()}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class UpdateLink:
    """The update methods of Orchestrator1 as coroutines; UpdateRefused when they fail."""

    def __init__(self) -> None:
        self._client = Client(INTERFACE)

    async def status(self) -> dict[str, Any]:
        """Where updates stand."""
        return plain(await self._call("UpdateStatus", ""))

    async def slots(self) -> list[dict[str, Any]]:
        """What is in each slot."""
        return [plain(slot) for slot in await self._call("Slots", "", timeout=SLOTS_S)]

    async def history(self) -> list[dict[str, Any]]:
        """The last updates, newest first."""
        return [plain(update) for update in await self._call("Updates", "")]

    async def upload(self, size: int, name: str, user: str) -> int:
        """A descriptor to write a bundle of so many bytes with; the caller closes it."""
        return int(await self._call("Upload", "ta{sv}", size, {"Name": name, "User": user}))

    async def install(self, file: int, name: str, user: str, *, force: bool) -> int:
        """Install what was written; the number of the update."""
        options = {"Name": name, "User": user, **({"Force": True} if force else {})}
        return int(await self._call("Install", "ha{sv}", Fd(file), options))

    async def install_url(self, url: str, user: str, *, force: bool) -> int:
        """Install from an address; the number of the update."""
        options = {"User": user, **({"Force": True} if force else {})}
        return int(await self._call("InstallUrl", "sa{sv}", url, options))

    async def rollback(self) -> str:
        """Go back; what happens now."""
        return str(await self._call("Rollback", "", timeout=COMMAND_S))

    async def reboot(self) -> None:
        """Restart the device."""
        await self._call("Reboot", "", timeout=COMMAND_S)

    async def set_policy(self, policy: str, window: str) -> None:
        """Choose when the device restarts by itself."""
        await self._call("SetRebootPolicy", "ss", policy, window)

    async def changes(self, quiet_s: float) -> AsyncIterator[bool]:
        """True whenever something is another one, also at first; False after `quiet_s` without a change."""
        moved = asyncio.Event()
        moved.set()
        leave = self._client.subscribe_properties(lambda changed: moved.set())
        try:
            while True:
                try:
                    async with asyncio.timeout(quiet_s):
                        await moved.wait()
                except TimeoutError:
                    yield False
                    continue
                moved.clear()
                yield True
                await asyncio.sleep(GATHER_S)
        finally:
            leave()

    async def _call(self, method: str, signature: str, *arguments: Any, timeout: float = READ_S) -> Any:
        return await _guarded(self._client.acall(method, *arguments, signature=signature, timeout=timeout))


async def _guarded(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except DaemonError as error:
        status = 507 if error.dbus_name == _NO_SPACE else _STATUS.get(type(error), 500)
        raise UpdateRefused(status, str(error)) from None
