# SPDX-License-Identifier: Apache-2.0
"""Looking at the network ends, whatever the kernel answers; a broken event socket ends the monitor."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import threading
from typing import Any

import pytest
from pilotlight.netmon import __main__ as monitor
from pilotlight.netmon import netlink
from pilotlight.netmon.core import Network
from pyroute2 import IPRoute

_PATIENCE_S = 20.0


class _NoLength(IPRoute):  # type: ignore[misc]
    """Its messages seem to have no length: what is then read is empty, at once, for ever."""

    def _peek_bufsize(self, descriptor: socket.socket) -> int:
        return 0


class _Silent(IPRoute):  # type: ignore[misc]
    """Its questions do not reach the kernel."""

    def put(self, *args: Any, **named: Any) -> None:
        pass


class _Endless(IPRoute):  # type: ignore[misc]
    """Answers go on and on, and none is for the question."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        length, kind, flags_of_it, question, sender = 16, 3, 0, 0xABCDEF, 0
        return struct.pack("=IHHII", length, kind, flags_of_it, question, sender)


def _look(limit_s: float) -> Network | OSError:
    """The outcome of a look in a thread, which must have ended then."""
    outcome: list[Network | OSError] = []

    def work() -> None:
        try:
            outcome.append(netlink.look(limit_s))
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    assert not thread.is_alive(), "the look does not end"
    return outcome[0]


def test_a_look_sees_loopback() -> None:
    seen = _look(5.0)
    assert isinstance(seen, Network)
    assert "lo" in [interface.name for interface in seen.interfaces]


def test_an_empty_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "IPRoute", _NoLength)
    error = _look(5.0)
    assert isinstance(error, OSError)
    assert error.errno == errno.ENODATA


@pytest.mark.parametrize("kernel", [_Silent, _Endless])
def test_a_look_gives_up(monkeypatch: pytest.MonkeyPatch, kernel: type[IPRoute]) -> None:
    monkeypatch.setattr(netlink, "IPRoute", kernel)
    assert isinstance(_look(0.2), TimeoutError)


class _Broken:
    """A socket of events that is always readable and cannot be read."""

    def __init__(self) -> None:
        self.drained = 0
        self._ours, self._theirs = socket.socketpair()
        self._theirs.send(b"event")

    def fileno(self) -> int:
        return self._ours.fileno()

    def drain(self) -> None:
        self.drained += 1
        raise OSError(errno.EIO, "broken")

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class _Context:
    """As much of a daemon's context as the monitor needs until it ends."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        self.bus = self
        self.failure = ""

    def export(self, service: object) -> None:
        pass

    def ready(self, status: str) -> None:
        pass

    def fail(self, reason: str) -> None:
        self.failure = reason
        self.stop.set()


def test_a_broken_event_socket_ends_the_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    events = _Broken()
    monkeypatch.setattr(monitor, "Events", lambda: events)

    async def watch() -> str:
        context = _Context()
        await asyncio.wait_for(monitor.main(context), _PATIENCE_S)  # type: ignore[arg-type]
        return context.failure

    assert "no longer tells of changes" in asyncio.run(watch())
    assert events.drained == 1
