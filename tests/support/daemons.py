# SPDX-License-Identifier: Apache-2.0
"""Real daemon processes for unit tests, on the test's own bus and directories."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pilotlight

# A process under it is killed when the one that started it ends, however that ends.
TOGETHER = ("setpriv", "--pdeathsig", "KILL", "--")
# Where the packages under test are, interpreted or compiled.
PACKAGES = str(Path(pilotlight.__file__).parents[1])
START_LIMIT_S = 30.0


class Daemons:
    """Starts daemons as systemd would, waits for their READY, and ends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def configure(self, name: str, text: str) -> None:
        """Write a daemon's settings file."""
        folder = Path(os.environ["PILOTLIGHT_ETC"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)

    def start(self, name: str, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a daemon, under the command `prefix` if one is given, and return once it is ready."""
        address = self._folder / f"notify-{len(self._processes)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(address))
            notify.settimeout(START_LIMIT_S)
            process = subprocess.Popen(
                [*TOGETHER, *prefix, sys.executable, "-m", f"pilotlight.{name}"],
                env=os.environ | {"NOTIFY_SOCKET": str(address), "PYTHONPATH": PACKAGES},
            )
            self._processes.append(process)
            end = time.monotonic() + START_LIMIT_S
            while not notify.recv(4096).startswith(b"READY=1"):
                assert time.monotonic() < end, f"{name} did not become ready"
        return process

    def close(self) -> None:
        """Kill what is left."""
        for process in self._processes:
            process.kill()
            process.wait(10)
