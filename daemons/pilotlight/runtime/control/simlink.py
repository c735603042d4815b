# SPDX-License-Identifier: Apache-2.0
"""Two messages in shared memory between the loop and the process that has the network: the bridge to a simulator.

The loop reads the state of the bridge and writes its commands; neither ever waits, and what is torn, damaged or old is
as if nothing had come. So a bridge that hangs, dies or lies costs samples and nothing else.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from pilotlight.runtime.control.simframes import SENSOR_BYTES, SensorFrame
from pilotlight.tags.mailbox import Mailbox
from pilotlight.tags.messages import CONTROLLER_COMMAND, ControllerCommand, Format, Four

ALIVE_NS: Final = 200_000_000
"""A bridge that has not written for so long counts as gone."""
COUNTERS: Final = (
    "sensor_frames", "sensor_crc_fail", "sensor_disconnects",
    "actuator_frames", "actuator_send_errors", "actuator_clients", "actuator_disconnects",
)  # fmt: skip
"""As in the status file, each with `sim_net_` before it."""
_STATE: Final = struct.Struct(f"<qBBB5x{len(COUNTERS)}Q{SENSOR_BYTES}s")
_CRC: Final = struct.Struct("<I")
STATE: Final = Format("/simulator", _STATE.size + _CRC.size)
COMMANDS: Final = CONTROLLER_COMMAND


class BridgeState(NamedTuple):
    """What the bridge tells, at `t_ns` (CLOCK_MONOTONIC). `payload` is that of the newest frame, empty for none."""

    t_ns: int
    sensors: bool
    """Whether the simulator's sensors are connected."""
    client: bool
    """Whether somebody takes the commands."""
    counters: tuple[int, ...]
    payload: bytes = b""

    def pack(self) -> bytes:
        """The message."""
        flags = self.sensors, self.client, bool(self.payload)
        body = _STATE.pack(self.t_ns, *flags, *self.counters, self.payload)
        return body + _CRC.pack(crc32(body))

    @staticmethod
    def unpack(data: bytes) -> BridgeState | None:
        """From a message; None for bytes that are none."""
        if len(data) != STATE.size or crc32(data[:-4]) != _CRC.unpack_from(data, _STATE.size)[0]:
            return None
        t_ns, sensors, client, there, *rest = _STATE.unpack_from(data)
        return BridgeState(t_ns, sensors != 0, client != 0, tuple(rest[:-1]), rest[-1] if there else b"")


def box(form: Format, fd: int, writable: bool) -> Mailbox:
    """The mailbox in an inherited descriptor."""
    return Mailbox(form.name, form, Path("/"), fd, writable)


class SimulatorLink:
    """The loop's end. Stands where sensors want a link, and takes the commands."""

    def __init__(self, state: Mailbox, commands: Mailbox) -> None:
        self._state_box = state
        self._commands = commands
        self._state: BridgeState | None = None
        self._latest: SensorFrame | None = None
        self._number = 0

    @property
    def connected(self) -> bool:
        """Whether the simulator's sensors are connected."""
        state = self._look()
        return state is not None and state.sensors

    @property
    def latest(self) -> SensorFrame | None:
        """The newest sample, the same object until there is another."""
        self._look()
        return self._latest

    def listening(self, now_ns: int) -> bool:
        """Whether a living bridge has somebody who takes the commands."""
        state = self._look()
        return state is not None and state.client and 0 <= now_ns - state.t_ns <= ALIVE_NS

    def send(self, now_ns: int, armed: bool, servos: Four) -> None:
        """Hand a command to the bridge."""
        self._number += 1
        self._commands.write(ControllerCommand(self._number, now_ns, armed, servos).pack())

    def status(self, now_ns: int) -> dict[str, bool | int]:
        """The keys of the status file."""
        state = self._look()
        counters = (0,) * len(COUNTERS) if state is None else state.counters
        named: dict[str, bool | int] = {
            f"sim_net_{name}": count for name, count in zip(COUNTERS, counters, strict=True)
        }
        return {**named, "sim_net_actuator_client_connected": self.listening(now_ns)}

    def _look(self) -> BridgeState | None:
        data = self._state_box.take()
        state = BridgeState.unpack(data) if data is not None else None
        if state is not None:
            before, self._state = self._state, state
            if not state.payload:
                self._latest = None
            elif before is None or before.payload != state.payload:
                self._latest = SensorFrame.unpack(state.payload)
        return self._state
