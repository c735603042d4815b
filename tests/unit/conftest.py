# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by the unit tests: a private message bus and a place to serve D-Bus objects from."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.daemons import TOGETHER, Daemons

if TYPE_CHECKING:
    from pilotlight.daemon import Service

_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a message bus of this test alone, open to every user; also set as ``PILOTLIGHT_BUS``."""
    with tempfile.TemporaryDirectory(prefix="pilotlight-bus-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = folder / "bus.conf"
        config.write_text(_BUS_CONFIG.format(socket=folder / "socket"))
        process = subprocess.Popen(
            [*TOGETHER, "dbus-daemon", f"--config-file={config}", "--print-address", "--nofork"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "dbus-daemon did not start"
            monkeypatch.setenv("PILOTLIGHT_BUS", address)
            yield address
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()


@pytest.fixture
def serve(bus: str) -> Iterator[Callable[..., None]]:
    """``serve(service, …)`` exports services on the private bus from a thread with its own asyncio loop."""
    from pilotlight.daemon.bus import Bus

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serve", daemon=True)
    thread.start()
    open_buses: list[Bus] = []

    def start(*services: Service) -> None:
        connection = Bus.connect(loop.call_soon_threadsafe)
        open_buses.append(connection)
        for service in services:
            connection.export(service)

    try:
        yield start
    finally:
        for connection in open_buses:
            loop.call_soon_threadsafe(connection.cancel)
            connection.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def daemons(bus: str, tmp_path: Path) -> Iterator[Daemons]:
    """Starts real daemon processes on the private bus: ``daemons.start("netmon")``."""
    started = Daemons(tmp_path)
    yield started
    started.close()


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test reads or writes the appliance's own directories."""
    for variable, folder in (("RUN", "run"), ("ETC", "etc"), ("STATE", "state")):
        monkeypatch.setenv(f"PILOTLIGHT_{variable}", str(tmp_path / folder))
    for variable in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"):
        monkeypatch.delenv(variable, raising=False)
