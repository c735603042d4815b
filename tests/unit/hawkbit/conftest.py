# SPDX-License-Identifier: Apache-2.0
"""The fleet door against a server of our own, with a device whose time the tests turn on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pilotlight.daemon import DaemonError, StateFile
from pilotlight.orchestrator.hawkbit.device import Device
from pilotlight.orchestrator.hawkbit.fleet import Fleet
from pilotlight.orchestrator.hawkbit.job import Kept
from pilotlight.orchestrator.hawkbit.server import Server
from pilotlight.orchestrator.hawkbit.settings import HawkbitSettings

from tests.support.fake_hawkbit import DEVICE, FakeHawkbit


class FakeDevice:
    """The orchestrator's side, in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.installed: list[bytes] = []
        self.urls: list[tuple[str, list[str]]] = []
        self.updates: list[dict[str, Any]] = []
        self.refusal: DaemonError | None = None
        self.rollbacks = 0
        self.uploads: list[str] = []

    def upload(self, size: int, key: str, name: str) -> int:
        self.uploads.append(name)
        if self.refusal is not None:
            raise self.refusal
        return os.open(self._folder / key, os.O_RDWR | os.O_CREAT, 0o600)

    def install(self, file: int, name: str) -> int:
        self.installed.append(os.pread(file, 1 << 26, 0))
        return self._new(name)

    def install_url(self, url: str, headers: list[str]) -> int:
        self.urls.append((url, headers))
        return self._new(url)

    def _new(self, name: str) -> int:
        number = len(self.updates) + 1
        self.updates.append({"Id": number, "Name": name, "Outcome": "installing", "Version": "99.0.0", "Reason": ""})
        return number

    def becomes(self, outcome: str, reason: str = "") -> None:
        self.updates[-1] |= {"Outcome": outcome, "Reason": reason}

    def update(self, number: int) -> dict[str, Any] | None:
        return next((update for update in self.updates if update["Id"] == number), None)

    def named(self, name: str) -> int | None:
        return next((update["Id"] for update in self.updates if update["Name"] == name), None)

    def rollback(self) -> str:
        self.rollbacks += 1
        self.becomes("withdrawn")
        return "it is not tried"

    def describe(self) -> dict[str, str]:
        return {"version": "1.0.0", "slot": "A"}


class Site:
    """A device of a fleet; ``fleet`` is made anew for every life of the daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text("secret\n")
        self.hawkbit = FakeHawkbit()
        self.device = FakeDevice(folder)
        self.now = 0.0
        self.waits: list[float] = []
        self.settings = HawkbitSettings(
            url=self.hawkbit.url,
            auth="target",
            auth_file=str(folder / "token"),
            insecure=True,
            attributes={"line": "7"},
        )
        self.fleet = self.life()

    def pause(self, seconds: float) -> None:
        self.now += seconds
        if seconds:
            self.waits.append(seconds)

    def life(self, **changed: Any) -> Fleet:
        """The daemon, started."""
        file = StateFile(self.folder / "action.json", Kept)
        server = Server(self.settings, DEVICE)
        self.fleet = Fleet(
            self.settings, server, cast(Device, self.device), file, self.pause, lambda: 1.0, lambda: self.now
        )
        return self.fleet

    def turn(self, rounds: int = 1) -> None:
        """Rounds with a poll in each."""
        for _ in range(rounds):
            self.now += 86400
            self.fleet.round()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.hawkbit.close()
