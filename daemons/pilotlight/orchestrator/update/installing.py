# SPDX-License-Identifier: Apache-2.0
"""One installation: fetch the file, check the bundle, let RAUC write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilotlight.daemon import DaemonError, Timeout, Unavailable

from . import explain
from .rauc import Bundle, Rauc
from .spool import Spool
from .versions import Step, step

Show = Callable[[str, int, str], None]
"""Told what goes on: state, percent, a sentence."""


class Refusal(Exception):
    """Why a bundle is not installed; nothing was written. The text is for people."""


@dataclass(frozen=True)
class Source:
    """Where the bundle is: a descriptor, or a URL with what RAUC needs to reach it."""

    descriptor: int = -1
    url: str = ""
    access: dict[str, Any] = field(default_factory=dict)


class Installer:
    """Knows RAUC and the folder in which bundles wait."""

    def __init__(self, rauc: Rauc, spool: Spool) -> None:
        self._rauc, self._spool = rauc, spool

    async def receive(self, source: Source, show: Show) -> str:
        """Where RAUC finds the bundle. Raises NoSpace, InvalidArgument, OSError."""
        if source.url:
            return source.url
        held = self._spool.holds(source.descriptor)
        if held is not None:
            return str(held)
        loop = asyncio.get_running_loop()

        def progress(percent: int) -> None:
            loop.call_soon_threadsafe(show, "receiving", percent, "Copying the bundle")

        path: Path = await asyncio.to_thread(self._spool.copy, source.descriptor, progress)
        return str(path)

    async def check(self, place: str, access: dict[str, Any], present: str, *, forced: bool) -> Bundle:
        """What the bundle is. Raises Refusal when it may not take the place of version ``present``."""
        try:
            if await self._rauc.installing():
                raise Refusal("RAUC installs something that was begun elsewhere. Nothing was written; try again later.")
            wanted, bundle = await self._rauc.compatible(), await self._rauc.inspect(place, access)
        except (Unavailable, Timeout):
            raise Refusal(
                "RAUC does not answer, or ended while it looked at the bundle. Nothing was written. "
                "See `journalctl -u rauc`, then try again."
            ) from None
        except DaemonError as error:
            raise Refusal(explain.failure(str(error))) from None
        if bundle.compatible != wanted:
            mismatch = f"Compatible mismatch: '{wanted}' is wanted and the bundle is for '{bundle.compatible}'"
            raise Refusal(explain.failure(mismatch))
        way = step(bundle.version, present)
        if way in (Step.OLDER, Step.UNKNOWN) and not forced:
            found = bundle.version or "A bundle without a version"
            what = f"is older than {present}" if way is Step.OLDER else f"cannot be compared with {present or 'what'}"
            raise Refusal(f"{found} {what}, which runs. Nothing was written. An administrator can force it.")
        return bundle

    async def write(self, place: str, bundle: Bundle, access: dict[str, Any], show: Show, *, forced: bool) -> None:
        """Let RAUC write the bundle that was checked into the other slot. Raises InstallFailed, DaemonError."""
        options = dict(access)
        if bundle.manifest_hash:
            options["require-manifest-hash"] = bundle.manifest_hash
        if forced:
            options["ignore-version-limit"] = True
        await self._rauc.install(place, options, lambda percent, words: show("installing", percent, words))
