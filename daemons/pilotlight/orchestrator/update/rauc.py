# SPDX-License-Identifier: Apache-2.0
"""RAUC over the bus: look into a bundle, install it and follow that, ask for slots, mark them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilotlight.daemon import Client, DaemonError, Unavailable

INTERFACE = "de.pengutronix.rauc.Installer"
NAME, PATH = "de.pengutronix.rauc", "/"
READ_S = 20.0
"""RAUC may have to be started first, and asks the boot handler."""
INSPECT_S = 180.0
START_S = 60.0
POLL_S = 1.0
VERDICT_S = 3.0
"""RAUC says ``idle`` a moment before or after it says how it ended."""
STALL_S = 1800.0
"""No step forward for so long is a failure; an installation from an address may be slow."""

Progress = Callable[[int, str], None]


class InstallFailed(Exception):
    """RAUC did not install the bundle; the text is what it says."""


class NoVerdict(InstallFailed):
    """RAUC is idle and did not say how it ended: its word was lost, or it was ended itself."""


@dataclass(frozen=True)
class Bundle:
    """What a bundle says about itself, once its signature was found good."""

    compatible: str
    version: str
    manifest_hash: str


def bundle(info: dict[str, Any]) -> Bundle:
    """From RAUC's answer to ``InspectBundle``; empty texts where it says nothing."""
    update = info.get("update")
    fields = update if isinstance(update, dict) else {}
    return Bundle(str(fields.get("compatible", "")), str(fields.get("version", "")), str(info.get("manifest-hash", "")))


class Rauc:
    """The service ``de.pengutronix.rauc``. Errors of its calls are DaemonErrors with RAUC's own words."""

    def __init__(self) -> None:
        self._client = Client(INTERFACE, READ_S, name=NAME, path=PATH)

    async def inspect(self, source: str, access: dict[str, Any]) -> Bundle:
        """Check a bundle's signature and read its manifest; ``access`` is how to reach a URL."""
        info = await self._client.acall("InspectBundle", source, access, signature="sa{sv}", timeout=INSPECT_S)
        return bundle(info)

    async def compatible(self) -> str:
        """What bundles for this board call themselves."""
        return str(await self._client.aget("Compatible"))

    async def installing(self) -> bool:
        """Whether RAUC is at work."""
        return str(await self._client.aget("Operation")) != "idle"

    async def slots(self) -> tuple[list[tuple[str, dict[str, Any]]], str]:
        """The slots, and RAUC's name of the one that starts next."""
        listed = await self._client.acall("GetSlotStatus", signature="")
        try:
            primary = str(await self._client.acall("GetPrimary", signature=""))
        except Unavailable:
            raise
        except DaemonError:
            primary = ""
        return listed, primary

    async def mark(self, state: str, slot: str) -> tuple[str, str]:
        """Mark a slot ``good``, ``bad`` or ``active``; RAUC's name of it, and what it did."""
        name, message = await self._client.acall("Mark", state, slot, signature="ss")
        return str(name), str(message)

    async def install(self, source: str, options: dict[str, Any], progress: Progress) -> None:
        """Install a bundle and wait for the end. Raises InstallFailed; DaemonError when it did not begin."""
        with _Following(self._client) as following:
            await self._client.acall("InstallBundle", source, options, signature="sa{sv}", timeout=START_S)
            await following.end(progress)

    async def follow(self, progress: Progress) -> None:
        """Wait for the end of an installation that is under way. Raises InstallFailed."""
        with _Following(self._client) as following:
            await following.end(progress)


class _Following:
    """Watches an installation: by RAUC's signals, and by asking now and then should one get lost."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._moved = asyncio.Event()
        self._result: int | None = None
        self._leave: list[Callable[[], None]] = []

    def __enter__(self) -> _Following:
        self._leave = [
            self._client.subscribe("Completed", self._completed),
            self._client.subscribe_properties(lambda changed: self._moved.set()),
        ]
        return self

    def __exit__(self, *failure: object) -> None:
        for leave in self._leave:
            leave()

    def _completed(self, result: int) -> None:
        self._result = result
        self._moved.set()

    async def end(self, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        seen, moved_at = (-1, ""), loop.time()
        idle_since: float | None = None
        while True:
            state = await self._look()
            if self._result is not None:
                break
            percent, words, _depth = state.get("Progress", (0, "", 0))
            if (percent, words) != seen:
                seen, moved_at = (percent, words), loop.time()
                progress(int(percent), str(words))
            if state.get("Operation") != "idle":
                idle_since = None
            elif idle_since is None:
                idle_since = loop.time()
            elif loop.time() - idle_since >= VERDICT_S:
                if state.get("LastError"):
                    raise InstallFailed(str(state["LastError"]))
                raise NoVerdict("RAUC ended without saying how it went")
            if loop.time() - moved_at > STALL_S:
                raise InstallFailed(f"nothing moved for {STALL_S / 60:.0f} minutes after “{words}”")
            await self._wait()
        if self._result != 0:
            words = (await self._look()).get("LastError")
            raise InstallFailed(str(words or f"RAUC ended with {self._result}"))

    async def _look(self) -> dict[str, Any]:
        try:
            return await self._client.aget_all()
        except DaemonError as error:
            raise InstallFailed(f"RAUC went away in the middle: {error}") from None

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._moved.wait()
        self._moved.clear()
