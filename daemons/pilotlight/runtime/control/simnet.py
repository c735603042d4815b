# SPDX-License-Identifier: Apache-2.0
"""The bridge to a simulator over TCP: samples come from it, servo commands go to it.

Sockets never block, and what one call reads, keeps and sends is bounded: a peer that is silent, slow, flooding or
gone costs samples and frames, and delays nothing, the end least of all. The loop calls `poll` from time to time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import Final

from pilotlight.runtime.control.simframes import (
    SENSOR_BYTES,
    SENSOR_MAGIC,
    ActuatorFrame,
    FrameError,
    SensorFrame,
    Stream,
)

RECONNECT_NS: Final = 200_000_000
"""A connection that failed or ended is tried again after this time."""
STALLED_NS: Final = 1_000_000_000
"""A client that takes nothing for this time is given up, so that another one can connect."""
MAX_READ: Final = 65536
"""Most bytes taken from a peer in one poll: 630 frames."""


class SimNetError(Exception):
    """The bridge cannot be opened. The message says why, what stays safe and what to do."""


class SensorLink:
    """The connection to the simulator's sensors, made and made again by `poll`."""

    def __init__(self, host: str, port: int, connect_timeout_ms: int) -> None:
        """To the IPv4 address `host`; a connection that is not made within `connect_timeout_ms` is given up."""
        self._address = (host, port)
        self._timeout_ns = connect_timeout_ms * 1_000_000
        self._socket: socket.socket | None = None
        self._stream = Stream(SENSOR_MAGIC, SENSOR_BYTES)
        self._next_ns = 0
        self._give_up_ns = 0
        self.connected = False
        self.latest: SensorFrame | None = None
        """The newest sound frame of this connection."""
        self.frames = 0
        self.crc_failures = 0
        self.disconnects = 0

    def poll(self, now_ns: int) -> None:
        """Connect when it is time to, and take what has arrived."""
        if self._socket is None:
            if now_ns >= self._next_ns:
                self._begin(now_ns)
            return
        if not self.connected and not self._finish(self._socket, now_ns):
            return
        try:
            data = self._socket.recv(MAX_READ)
            if not data:
                self._drop(now_ns)
                return
            payloads = self._stream.feed(data)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, FrameError):
            self._drop(now_ns)
            return
        self.crc_failures += self._stream.crc_failures
        self._stream.crc_failures = 0
        if payloads:
            self.frames += len(payloads)
            self.latest = SensorFrame.unpack(payloads[-1])

    def fileno(self) -> int:
        """The socket, or -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """End the connection at once."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.connected = False
        self.latest = None

    def _begin(self, now_ns: int) -> None:
        self._socket = made = _tcp()
        self._give_up_ns = now_ns + self._timeout_ns
        result = made.connect_ex(self._address)
        if result == 0:
            self._connected(made, now_ns)
        elif result not in (errno.EINPROGRESS, errno.EINTR):
            self._retry(now_ns)

    def _finish(self, made: socket.socket, now_ns: int) -> bool:
        """Whether the connection is there; one that failed or takes too long is given up."""
        if _events(made, select.POLLOUT):
            if made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                return self._connected(made, now_ns)
            self._retry(now_ns)
        elif now_ns >= self._give_up_ns:
            self._retry(now_ns)
        return False

    def _connected(self, made: socket.socket, now_ns: int) -> bool:
        # A port that nobody listens on can be the one the kernel gave to this very socket: it then talks to itself.
        if made.getsockname() == made.getpeername():
            self._retry(now_ns)
            return False
        self.connected = True
        self._stream = Stream(SENSOR_MAGIC, SENSOR_BYTES)
        return True

    def _drop(self, now_ns: int) -> None:
        self.disconnects += 1
        self.crc_failures += self._stream.crc_failures
        self._retry(now_ns)

    def _retry(self, now_ns: int) -> None:
        self.close()
        self._next_ns = now_ns + RECONNECT_NS


class ActuatorServer:
    """The port on which one simulator at a time gets the servo commands."""

    def __init__(self, host: str, port: int) -> None:
        """Listen on the IPv4 address `host`; port 0 takes a free one. SimNetError when it cannot be had."""
        self._listener = _tcp()
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(1)
        except OSError as error:
            self._listener.close()
            raise SimNetError(
                f"the simulator cannot be served at {host} port {port}: {os.strerror(error.errno or 0)}; the loop does "
                "not start. End what uses the port or name another one in actuator_port"
            ) from error
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._rest = b""
        self._moved_ns = 0
        self._number = 0
        self.frames = 0
        """Frames that the client took."""
        self.send_errors = 0
        """Frames that were not sent, since the client had gone or took nothing."""
        self.clients = 0
        self.disconnects = 0

    @property
    def connected(self) -> bool:
        """Whether there is a client."""
        return self._client is not None

    def poll(self, now_ns: int) -> None:
        """Accept a client when there is none; notice that it has gone; finish a frame that it took half of."""
        if self._client is None:
            with contextlib.suppress(OSError):
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._moved_ns = now_ns
                self._rest = b""
                self.clients += 1
            return
        try:
            gone = self._client.recv(4096) == b""
        except (BlockingIOError, InterruptedError):
            gone = False
        except OSError:
            gone = True
        if gone:
            self._drop()
        else:
            self._push(now_ns)

    def send(self, now_ns: int, armed: bool, servos: tuple[float, float, float, float]) -> None:
        """Send a command to the client, if there is one. A frame that it cannot take is left out, never cut."""
        if self._client is None:
            return
        self._number += 1
        self._push(now_ns)
        if self._rest or self._client is None:
            self.send_errors += 1
            return
        self._rest = ActuatorFrame(self._number, now_ns, armed, servos).pack()
        self._push(now_ns)

    def filenos(self) -> tuple[int, ...]:
        """The sockets to wait for: the client, or where one can come from."""
        return (self._listener.fileno() if self._client is None else self._client.fileno(),)

    def close(self) -> None:
        """End the connection and free the port at once."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._listener.close()

    def _push(self, now_ns: int) -> None:
        """Hand over what is left of the last frame; give up a client that has taken nothing for long."""
        if self._client is None:
            return
        try:
            if self._rest:
                sent = self._client.send(self._rest)
                self._rest = self._rest[sent:]
                self.frames += not self._rest
            self._moved_ns = now_ns
        except (BlockingIOError, InterruptedError):
            if now_ns - self._moved_ns > STALLED_NS:
                self._drop()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
            self.send_errors += bool(self._rest)
            self._rest = b""
            self.disconnects += 1


class SimNet:
    """Both directions of the bridge."""

    def __init__(
        self, sensor_host: str, sensor_port: int, actuator_host: str, actuator_port: int, connect_timeout_ms: int = 500
    ) -> None:
        self.actuators = ActuatorServer(actuator_host, actuator_port)
        self.sensors = SensorLink(sensor_host, sensor_port, connect_timeout_ms)

    def poll(self, now_ns: int) -> None:
        """Do what can be done without waiting."""
        self.sensors.poll(now_ns)
        self.actuators.poll(now_ns)

    def wait(self, timeout_s: float) -> None:
        """Return when something arrives, at the latest after `timeout_s`: for a process that only runs the bridge."""
        poll = select.poll()
        for fd in (self.sensors.fileno(), *self.actuators.filenos()):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        poll.poll(max(0, round(timeout_s * 1000)))

    def close(self) -> None:
        """End both directions at once."""
        self.sensors.close()
        self.actuators.close()


def _tcp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _events(made: socket.socket, wanted: int) -> bool:
    poll = select.poll()
    poll.register(made, wanted)
    return bool(poll.poll(0))
