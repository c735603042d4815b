# SPDX-License-Identifier: Apache-2.0
"""The sockets of the simulator: it listens for the loop's sensor connection and connects to the loop's servo port.

Nothing here waits longer than it is told to, and a peer that does not read is dropped.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from dataclasses import dataclass

from ..simframes import ACTUATOR_BYTES, ACTUATOR_MAGIC, ActuatorFrame, FrameError, Stream

RETRY_S = 0.2
"""So often a connection to the servo port is tried."""
MOST_UNSENT = 16 << 10
"""A loop that leaves so many bytes unread is dropped."""
MOST_AT_ONCE = 16 << 10


@dataclass(frozen=True)
class Endpoints:
    """Where the loop connects to for sensors, and where it listens for the simulator."""

    sensor_host: str = "127.0.0.1"
    sensor_port: int = 56000
    servo_host: str = "127.0.0.1"
    servo_port: int = 56001


@dataclass
class Counters:
    """What happened on the link."""

    sensor_frames: int = 0
    sensor_connections: int = 0
    sensor_drops: int = 0
    servo_frames: int = 0
    servo_connections: int = 0
    servo_drops: int = 0
    servo_crc_failures: int = 0


class Link:
    """Both connections. `latest` is the servo frame that came last, None before the first."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Listen; raises OSError when the sensor port is taken."""
        self._endpoints = endpoints
        self._listener = socket.create_server((endpoints.sensor_host, endpoints.sensor_port), backlog=1)
        self._listener.setblocking(False)
        self.sensor_port: int = self._listener.getsockname()[1]
        self._sensor: socket.socket | None = None
        self._unsent = b""
        self._servo: socket.socket | None = None
        self._connecting = False
        self._retry_s = 0.0
        self._frames = Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES)
        self._open = True
        self.latest: ActuatorFrame | None = None
        self.counters = Counters()

    @property
    def connected(self) -> bool:
        """Whether the loop takes sensor frames."""
        return self._sensor is not None

    @property
    def heard(self) -> bool:
        """Whether the loop's servo port is connected."""
        return self._servo is not None and not self._connecting

    def poll(self, timeout_s: float) -> None:
        """Take what came and send what is left, waiting for it at most so long."""
        self._connect(time.monotonic())
        reading = [peer for peer in (self._sensor, self._servo if self.heard else None) if peer is not None]
        if self._open and self._sensor is None:
            reading.append(self._listener)
        unfinished = (self._sensor if self._unsent else None, self._servo if self._connecting else None)
        writing = [peer for peer in unfinished if peer is not None]
        if not self.heard:
            timeout_s = min(timeout_s, RETRY_S)
        readable, writable, _ = select.select(reading, writing, [], max(0.0, timeout_s))
        if self._listener in readable:
            self._accept()
        if self._sensor in writable:
            self._flush()
        if self._servo in writable:
            self._connection_made()
        if self._sensor is not None and self._sensor in readable and _received(self._sensor) == b"":
            self._drop_sensor()
        if self._servo is not None and self._servo in readable:
            self._take()

    def send(self, frame: bytes) -> bool:
        """Send a sensor frame; False when nobody is connected, or the peer was dropped as it does not read."""
        if self._sensor is None:
            return False
        self._unsent += frame
        self._flush()
        if len(self._unsent) > MOST_UNSENT:
            self._drop_sensor()
        if self._sensor is None:
            return False
        self.counters.sensor_frames += 1
        return True

    def _flush(self) -> None:
        if self._sensor is None:
            return
        try:
            self._unsent = self._unsent[self._sensor.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._drop_sensor()

    def _accept(self) -> None:
        try:
            self._sensor, _ = self._listener.accept()
        except OSError:
            return
        self._sensor.setblocking(False)
        self._sensor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unsent = b""
        self.counters.sensor_connections += 1

    def _connect(self, now: float) -> None:
        if self._servo is not None or not self._open or now < self._retry_s:
            return
        self._retry_s = now + RETRY_S
        fresh = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        fresh.setblocking(False)
        if fresh.connect_ex((self._endpoints.servo_host, self._endpoints.servo_port)) not in (0, errno.EINPROGRESS):
            fresh.close()
            return
        self._servo, self._connecting, self._frames = fresh, True, Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES)

    def _connection_made(self) -> None:
        if self._servo is None:
            return
        if self._servo.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or talks_to_itself(self._servo):
            self._servo.close()
            self._servo = None
        else:
            self.counters.servo_connections += 1
        self._connecting = False

    def _take(self) -> None:
        if self._servo is None:
            return
        data = _received(self._servo)
        failures = self._frames.crc_failures
        try:
            frames = self._frames.feed(data or b"")
        except FrameError:
            data, frames = b"", []
        self.counters.servo_crc_failures += self._frames.crc_failures - failures
        self.counters.servo_frames += len(frames)
        if frames:
            self.latest = ActuatorFrame.unpack(frames[-1])
        if data == b"":
            self._servo.close()
            self._servo = None
            self.counters.servo_drops += 1

    def _drop_sensor(self) -> None:
        if self._sensor is not None:
            self._sensor.close()
            self._sensor = None
            self.counters.sensor_drops += 1

    def cut(self) -> None:
        """Drop both connections and make none until `mend`."""
        self._open = False
        self._drop_sensor()
        if self._servo is not None:
            self._servo.close()
            self._servo = None

    def mend(self) -> None:
        """Make connections again."""
        self._open = True

    def close(self) -> None:
        """Close everything."""
        self.cut()
        self._listener.close()


def talks_to_itself(peer: socket.socket) -> bool:
    """Whether a connection leads back: the kernel can give a connecting socket the very port it connects to."""
    return bool(peer.getsockname() == peer.getpeername())


def _received(peer: socket.socket) -> bytes | None:
    """What came; empty when the peer is gone, None when there was nothing after all."""
    try:
        return peer.recv(MOST_AT_ONCE)
    except BlockingIOError:
        return None
    except OSError:
        return b""
