# SPDX-License-Identifier: Apache-2.0
"""The loop's side of the simulator's link, driven by a test."""

from __future__ import annotations

import select
import socket
import struct
import time
import zlib
from collections.abc import Callable

from pilotlight.runtime.control.simframes import SENSOR_BYTES
from pilotlight.runtime.control.simulator.link import Endpoints, Link

SENSOR_SIZE = 12 + SENSOR_BYTES


class Loop:
    """The loop's side of the link, driven by the test."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.link = Link(Endpoints(sensor_port=0, servo_port=self.listener.getsockname()[1]))
        self.sensor: socket.socket | None = None
        self.servo: socket.socket | None = None

    def connect(self) -> None:
        self.sensor = socket.create_connection(("127.0.0.1", self.link.sensor_port), timeout=5)
        self.until(lambda: self.link.connected)

    def accept(self) -> None:
        self.until(lambda: bool(select.select([self.listener], [], [], 0)[0]))
        self.servo, _ = self.listener.accept()
        self.servo.settimeout(5)
        self.until(lambda: self.link.heard)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen within 5 s"
            self.link.poll(0.05)

    def frame(self) -> tuple[int, int, bool]:
        """Number and time of the next sensor frame, and whether its CRC is right."""
        assert self.sensor is not None
        data = self.sensor.recv(SENSOR_SIZE, socket.MSG_WAITALL)
        assert len(data) == SENSOR_SIZE
        crc_ok = zlib.crc32(data[12:-4]) == struct.unpack("<I", data[-4:])[0]
        seq, t_ns = struct.unpack_from("<QQ", data, 12)
        return seq, t_ns, crc_ok

    def close(self) -> None:
        for one in (self.sensor, self.servo, self.listener):
            if one is not None:
                one.close()
        self.link.close()
