# SPDX-License-Identifier: Apache-2.0
"""Where the bridge to a simulator, a process with a network, finds the loop, which has none.

The runtime listens at a socket in the file system and hands whoever may connect the shared memory of both messages
(`simlink`), and what the configuration says of the simulator. The connection is open as long as the loop runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

from pilotlight.runtime.children import memory_of
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.simlink import COMMANDS, STATE

LARGEST = 4096
"""Most bytes of what is said at the door."""


def door_path() -> Path:
    """`/run/pilotlight/simnet/socket` (base: `PILOTLIGHT_RUN`)."""
    return Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "simnet" / "socket"


def wanted(settings: ControlSettings) -> bool:
    """Whether the loop is to fly with a simulator."""
    return settings.runtime.sim_mode and settings.sim_net.enabled


class SimulatorDoor:
    """Serves one bridge at a time, the latest that came. Raises OSError when it cannot be opened."""

    def __init__(self, settings: ControlSettings, path: Path | None = None) -> None:
        net = settings.sim_net
        period_ms = max(1, 500 // settings.threads.actuator_hz)
        sensors, actuators = [net.sensor_host, net.sensor_port], [net.actuator_bind_host, net.actuator_port]
        self._word = json.dumps([*sensors, *actuators, net.connect_timeout_ms, period_ms]).encode()
        self._path = path or door_path()
        self._bridge: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self.descriptors = (memory_of(STATE.region_size), memory_of(COMMANDS.region_size))
        """Shared memory of the bridge's state and of the loop's commands."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            self._listener.bind(str(self._path))
            self._path.chmod(0o660)
            self._listener.listen(1)
        except OSError:
            self._let_go()
            raise
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Close the door and tell the bridge by that."""
        self._loop.remove_reader(self._listener.fileno())
        self._path.unlink(missing_ok=True)
        self._let_go()

    def _accept(self) -> None:
        try:
            bridge, _ = self._listener.accept()
        except OSError:
            return
        if self._bridge is not None:
            self._bridge.close()
        self._bridge = bridge
        try:
            socket.send_fds(bridge, [self._word], list(self.descriptors))
        except OSError:
            bridge.close()
            self._bridge = None

    def _let_go(self) -> None:
        self._listener.close()
        if self._bridge is not None:
            self._bridge.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
