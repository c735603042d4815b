# SPDX-License-Identifier: Apache-2.0
"""The parts of the container that need no container."""

import itertools
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from image import container, locking, processes
from image.container import Container
from image.errors import BuildError
from image.forward import Forwarder
from image.lists import Package


def status(name: str, parent: int, *numbers: int) -> str:
    return f"Name:\t{name}\nPPid:\t{parent}\nNSpid:\t{' '.join(map(str, numbers))}\n"


def test_the_leader_is_the_system_manager_below_us() -> None:
    table = {
        40: status("systemd", 52, 40, 7, 20),  # a user's, inside
        1: status("systemd", 0, 1),
        50: status("sh", 1, 50),
        51: status("systemd-nspawn", 50, 51, 1),
        52: status("systemd", 51, 52, 2, 1),
        53: status("systemd-journal", 52, 53, 3, 20),
        70: status("systemd", 60, 70, 1),
    }
    assert processes.leader(50, table) == 52
    assert processes.leader(60, table | {60: status("sh", 1, 60)}) == 70
    assert processes.leader(53, table) is None
    assert processes.leader(99, table) is None


def test_fields_of_a_status() -> None:
    assert processes.field(status("x", 7, 8, 9), "NSpid") == ["8", "9"]
    assert processes.field("", "NSpid") == []


def test_a_device_keeps_its_identity(tmp_path: Path) -> None:
    first = container.machine_id(tmp_path / "data")
    assert len(first) == 32
    assert container.machine_id(tmp_path / "data") == first
    assert container.machine_id(tmp_path / "other") != first


def test_without_a_root_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"build-image\.sh build container"):
        Container(tmp_path / "data", root=tmp_path / "none")


def test_a_port_in_use_is_refused_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BuildError, match="--port"):
        Forwarder(taken.getsockname()[1])


@contextmanager
def forwarded(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A forwarder's port; each connection that comes out of it is given to `serve`, then closed."""

    def accept(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=accept, args=(listening,))
        server.start()
        forwarder = Forwarder(0)
        forwarder.start(1, listening.getsockname()[1])
        try:
            yield forwarder.port
        finally:
            forwarder.stop()
            listening.shutdown(socket.SHUT_RDWR)
            server.join()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", forwarder.port), timeout=10)


def reverse(connection: socket.socket) -> None:
    """Read to the end, then send it all back to front."""
    received = b""
    while data := connection.recv(65536):
        received += data
    connection.sendall(received[::-1])


def exchange(port: int, payload: bytes) -> bytes:
    """Send all, then read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(payload)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
    return answer


@pytest.fixture
def same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image.forward.enter", lambda namespace: None)


@pytest.mark.usefixtures("same_network")
def test_bytes_pass_in_both_directions_until_both_sides_are_done() -> None:
    payload = bytes(range(256)) * 4096
    with forwarded(reverse) as port:
        assert exchange(port, payload) == payload[::-1]


@pytest.mark.usefixtures("same_network")
def test_a_connection_that_breaks_off_harms_no_later_one() -> None:
    turn = itertools.count()

    def serve(connection: socket.socket) -> None:
        if next(turn) % 2:
            reverse(connection)
            return
        connection.sendall(b"x" * 4096)
        connection.recv(1)  # until the other side has gone

    with forwarded(serve) as port:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.recv(1)
                # Closing with a reset, as with unread data.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert exchange(port, b"abc") == b"cba"


def test_a_new_lock_says_what_changed() -> None:
    old = {(p.name, p.arch): p for p in [Package("a", "all", "1", "0"), Package("b", "all", "1", "0")]}
    new = {(p.name, p.arch): p for p in [Package("b", "all", "2", "1"), Package("c", "all", "1", "0")]}
    assert locking.changes(old, new) == ["- a (all) 1", "  b (all) 1 -> 2", "+ c (all) 1"]


def test_a_process_ends_with_the_one_that_started_it() -> None:
    middle = (
        "import signal, subprocess, sys; from image import processes;"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=processes.end_with_parent(signal.SIGTERM));"
        "print(child.pid)"
    )
    project = Path(container.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", middle], cwd=project, capture_output=True, check=True, timeout=50)
    child = int(done.stdout)
    limit = time.monotonic() + 20
    while state_of(child) not in ("", "Z") and time.monotonic() < limit:
        time.sleep(0.01)
    assert state_of(child) in ("", "Z"), "it goes on alone"


def state_of(pid: int) -> str:
    """The letter of a process's state; nothing when it is gone."""
    try:
        return processes.field(Path(f"/proc/{pid}/status").read_text(), "State")[0]
    except OSError:
        return ""
