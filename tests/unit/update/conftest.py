# SPDX-License-Identifier: Apache-2.0
"""Updates as on an appliance, with RAUC, boot handler, runtime and firmware played by the tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import StateFile
from pilotlight.orchestrator.update import policy, rauc
from pilotlight.orchestrator.update.bootfiles import BootFiles
from pilotlight.orchestrator.update.installing import Source
from pilotlight.orchestrator.update.ledger import Ledger, Records, Request
from pilotlight.orchestrator.update.manager import Around, Updates
from pilotlight.orchestrator.update.restart import Restarts
from pilotlight.orchestrator.update.settings import UpdateSettings
from pilotlight.orchestrator.update.spool import Spool

from tests.support.fake_rauc import FakeBoot, FakeRauc, bundle


class Site:
    """A device: what survives a restart is here, what does not is in the ``Updates`` that ``life`` makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boot = FakeBoot()
        self.rauc = FakeRauc(self.boot)
        self.settings = UpdateSettings(reboot=policy.RebootPolicy.NEVER)
        self.runtime: str | None = "RUNNING"
        self.reboots = 0
        self.now = 1000.0

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Updates]:
        """One life of the service, from its start to its end."""

        async def state() -> str | None:
            return self.runtime

        def reboot() -> None:
            self.reboots += 1

        updates = Updates(
            self.settings,
            rauc.Rauc(),
            Spool(self.folder / "bundles", self.settings.bundle_mib << 20),
            BootFiles(),
            Ledger(StateFile(self.folder / "updates.json", Records), self.settings),
            Around(self.boot.boot_id, self.boot.versions[self.boot.current]),
            Restarts(state, reboot, lambda: self.now),
        )
        await updates.start()
        try:
            yield updates
        finally:
            await updates.close()

    def file(self, content: bytes) -> int:
        """A descriptor of somebody's own file."""
        path = self.folder / "mine"
        path.write_bytes(content)
        return os.open(path, os.O_RDONLY)

    def begin(self, updates: Updates, content: bytes, *, force: bool = False) -> int:
        """Begin to install a file."""
        descriptor = self.file(content)
        try:
            return updates.install(Request("file", "test.raucb", "ada", force), Source(descriptor))
        finally:
            os.close(descriptor)

    def marks_active(self) -> list[str]:
        """The slots that were made the next to start by hand."""
        return [slot for state, slot in self.rauc.marks if state == "active"]

    async def install(self, updates: Updates, version: str, *, force: bool = False) -> Any:
        """Install a bundle to the end; what became of it."""
        self.begin(updates, bundle(version), force=force)
        await settled(updates)
        return updates.ledger.latest


async def settled(updates: Updates) -> None:
    """Wait until nothing is being installed."""
    await until(lambda: not updates.busy)


async def until(met: Callable[[], object], patience_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(patience_s):
        while not met():
            await asyncio.sleep(0.01)


@pytest.fixture
def site(bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(rauc, "POLL_S", 0.05)
    monkeypatch.setattr(rauc, "VERDICT_S", 0.2)
    made = Site(tmp_path)
    yield made
    made.rauc.leave()
