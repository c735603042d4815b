# SPDX-License-Identifier: Apache-2.0
"""The bridge to a simulator: a process with a network and nothing else, between TCP and the loop's shared memory.

Started as `python3 -m pilotlight.runtime.control.bridge` while the runtime keeps its door open (`simdoor`); it ends
when there is no door any more.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from pilotlight.runtime.control.simdoor import LARGEST, door_path
from pilotlight.runtime.control.simframes import SensorFrame
from pilotlight.runtime.control.simlink import COMMANDS, STATE, BridgeState, box
from pilotlight.runtime.control.simnet import SimNet, SimNetError
from pilotlight.tags import now_ns
from pilotlight.tags.mailbox import Mailbox
from pilotlight.tags.messages import ControllerCommand, MessageError

PATIENCE_S = 2.0
"""How long a door may be away, as while the loop is started anew."""
PAUSE_S = 0.2
RENEW_NS = 50_000_000
"""The state is written at least this often, as a sign of life."""


def main() -> int:
    """Serve as long as there is a door; 0, or 1 when the simulator's ports cannot be had."""
    signal.signal(signal.SIGTERM, _told)
    signal.signal(signal.SIGINT, _told)
    path = door_path()
    last_seen = time.monotonic()
    while time.monotonic() - last_seen < PATIENCE_S:
        if path.exists():
            last_seen = time.monotonic()
            try:
                _serve(path)
            except (SimNetError, ValueError) as error:
                print(f"the simulator is not served: {error}", file=sys.stderr)
                return 1
            except OSError as error:
                # The door is being closed or opened.
                print(f"the runtime's door: {error}", file=sys.stderr)
        time.sleep(PAUSE_S)
    return 0


def _serve(path: Path) -> None:
    """Run the bridge for one loop, until that ends. OSError, SimNetError, ValueError for words that make no sense."""
    with ExitStack() as held:
        door = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        door.settimeout(PATIENCE_S)
        door.connect(str(path))
        word, descriptors, _, _ = socket.recv_fds(door, LARGEST, 2)
        for descriptor in descriptors[2:]:
            held.callback(os.close, descriptor)
        if len(descriptors) < 2:
            raise ConnectionError("closed at once")
        state, commands = box(STATE, descriptors[0], True), box(COMMANDS, descriptors[1], False)
        held.callback(state.close)
        held.callback(commands.close)
        *addresses, period_ms = json.loads(word)
        net = SimNet(*addresses)
        held.callback(net.close)
        # What the loop of before had left is none of this one's.
        commands.take()
        _run(door, net, state, commands, period_ms / 1000)


def _run(door: socket.socket, net: SimNet, state: Mailbox, commands: Mailbox, period_s: float) -> None:
    closed = select.poll()
    closed.register(door, select.POLLIN)
    written = BridgeState(0, False, False, ())
    payload, shown = b"", None
    while not closed.poll(0):
        net.wait(period_s)
        now = now_ns()
        net.poll(now)
        _forward(net, commands, now)
        if net.sensors.latest is not shown:
            shown = net.sensors.latest
            payload = _payload(shown)
        fresh = BridgeState(now, net.sensors.connected, net.actuators.connected, _counters(net), payload)
        if fresh[1:] != written[1:] or now - written.t_ns > RENEW_NS:
            state.write(fresh.pack())
            written = fresh


def _forward(net: SimNet, commands: Mailbox, now: int) -> None:
    data = commands.take()
    if data is None:
        return
    try:
        command = ControllerCommand.unpack(data)
    except MessageError:
        return
    net.actuators.send(now, command.armed, command.servos)


def _payload(frame: SensorFrame | None) -> bytes:
    return b"" if frame is None else frame.payload()


def _counters(net: SimNet) -> tuple[int, ...]:
    sensors, actuators = net.sensors, net.actuators
    return (
        sensors.frames, sensors.crc_failures, sensors.disconnects,
        actuators.frames, actuators.send_errors, actuators.clients, actuators.disconnects,
    )  # fmt: skip


def _told(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
