# SPDX-License-Identifier: Apache-2.0
"""The life of a daemon process as systemd sees it: ready, watchdog, end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.daemon import Client, Unavailable
from pilotlight.daemon.notify import watchdog_interval_s
from pilotlight.daemon.process import EXIT_CONFIG

from tests.support.daemons import PACKAGES

_ROOT = Path(__file__).parents[3]
_WATCHDOG_S = 0.6


class Systemd:
    """The receiving end of the notification socket, and the processes started."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = str(folder / "notify")
        self._socket.bind(self.address)
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, how: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "NOTIFY_SOCKET": self.address,
            "WATCHDOG_USEC": str(int(_WATCHDOG_S * 1e6)),
            "PYTHONPATH": f"{PACKAGES}:{_ROOT}",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.daemon.sample_daemon", how],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def next(self, timeout: float = 20.0) -> str:
        self._socket.settimeout(timeout)
        return self._socket.recv(4096).decode()

    def pings_within(self, seconds: float) -> bool:
        try:
            return self.next(seconds) == "WATCHDOG=1"
        except TimeoutError:
            return False

    def drain(self) -> list[str]:
        self._socket.setblocking(False)
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def until_ready(self) -> str:
        while (text := self.next()) == "WATCHDOG=1":
            continue
        return text

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, bus: str) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=20)
    return process.returncode, errors


def test_ready_pings_and_a_clean_end(systemd: Systemd) -> None:
    process = systemd.start("well")
    # Not even a ping comes before it: it would start the watch of a daemon that still starts.
    assert systemd.next() == "READY=1\nSTATUS=serving é"
    assert Client("io.pilotlight.Example1").call("Add", 1, 2) == 3
    assert all(systemd.pings_within(5) for _ in range(3))
    process.send_signal(signal.SIGTERM)
    code, _ = _end(process)
    assert code == 0
    assert systemd.drain()[-1] == "STOPPING=1\nSTATUS=stopping"
    with pytest.raises(Unavailable):
        Client("io.pilotlight.Example1").call("Add", 1, 2)


@pytest.mark.parametrize("how", ["sick", "stuck"])
def test_no_ping_from_a_daemon_that_is_not_well(systemd: Systemd, how: str) -> None:
    systemd.start(how)
    systemd.until_ready()
    systemd.drain()
    assert not systemd.pings_within(2 * _WATCHDOG_S)


def test_no_ping_from_a_stopped_daemon(systemd: Systemd) -> None:
    process = systemd.start("well")
    systemd.until_ready()
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    systemd.drain()
    assert not systemd.pings_within(2 * _WATCHDOG_S)


def test_losing_the_bus_is_a_failure(systemd: Systemd) -> None:
    process = systemd.start("well")
    systemd.until_ready()
    bus_pid = Client("org.freedesktop.DBus", path="/org/freedesktop/DBus").call(
        "GetConnectionUnixProcessID", "org.freedesktop.DBus", signature="s"
    )
    os.kill(bus_pid, signal.SIGKILL)
    code, errors = _end(process)
    assert code == 1
    assert "the message bus went away" in errors


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("settings", EXIT_CONFIG, "error   sample: sample.yaml:1: wrong"),
        ("unavailable", 1, "error   sample: no such device"),
        ("crash", 1, "ended by ZeroDivisionError: a bug"),
    ],
)
def test_a_failed_start_says_why(systemd: Systemd, how: str, code: int, message: str) -> None:
    ended, errors = _end(systemd.start(how))
    assert (ended, message in errors) == (code, True)
    assert not any(text.startswith("READY") for text in systemd.drain())


def test_an_end_that_takes_too_long_is_cut_short(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    process = systemd.start("stubborn")
    systemd.until_ready()
    process.send_signal(signal.SIGTERM)
    code, errors = _end(process)
    assert code == 1
    assert "did not stop within" in errors
    assert "cancelled" in errors


@pytest.mark.parametrize("how", ["sleeping-thread", "spinning-thread", "deaf", "late-thread"])
def test_no_thread_and_no_task_keeps_the_process(systemd: Systemd, how: str) -> None:
    process = systemd.start(how)
    systemd.until_ready()
    process.send_signal(signal.SIGTERM)
    code, errors = _end(process)
    assert code == 1
    assert "something does not end within 1 s and is cut off" in errors
    assert "most recent call first" in errors


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "9000000"}, 3.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_interval(environment: dict[str, str], expected: float | None) -> None:
    assert watchdog_interval_s(environment, pid=7) == expected
