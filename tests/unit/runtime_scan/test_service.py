# SPDX-License-Identifier: Apache-2.0
"""The runtime as a process on a bus: an upload is built, runs on simulated lines, and is commanded over D-Bus."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import Client, DaemonError, Fd
from pilotlight.io.cli import main as lines_tool
from pilotlight.io.drivers import simulated_path
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime import safe
from pilotlight.tags import SegmentReader

from tests.programs.make import zip_of
from tests.support.daemons import PACKAGES

IO_YAML = """
lines:
  start: {chip: sim0, line: 0, address: "%IX0.0"}
  stop:  {chip: sim0, line: 1, address: "%IX0.1"}
  lamp:  {chip: sim0, line: 8, address: "%QX0.0"}
  idle:  {chip: sim0, line: 9, address: "%QX3.1", safe: true}
simulated: {label: sim0, lines: 16}
"""


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


class Daemon:
    """A runtime process and a client of it."""

    def __init__(self) -> None:
        etc = Path(os.environ["PILOTLIGHT_ETC"])
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "io.yaml").write_text(IO_YAML)
        (etc / "runtime.yaml").write_text("scan: {priority: 0, limit_ms: 500}\n")
        self.client = Client("io.pilotlight.Runtime1", timeout=10.0)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pilotlight.runtime"], env={**os.environ, "PYTHONPATH": PACKAGES}
        )
        until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, "the runtime ended"
        try:
            return bool(self.client.get("Version"))
        except DaemonError:
            return False

    def call(self, method: str, *arguments: Any) -> Any:
        return self.client.call(method, *arguments)

    def upload(self, data: bytes) -> dict[str, Any]:
        """Build an upload and wait for the verdict."""
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            self.call("Build", Fd(file.fileno()), {"name": "sample", "user": "tester"})
        until(lambda: self.call("BuildStatus")["Status"] in ("SUCCESS", "FAILED"), 60)
        status: dict[str, Any] = self.call("BuildStatus")
        return status

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture
def runtime(bus: str) -> Iterator[Daemon]:
    daemon = Daemon()
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.end()


def test_the_status_line_of_the_unit_follows_the_state(
    bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        daemon = Daemon()
        try:
            while systemd.recv(4096) != b"READY=1\nSTATUS=EMPTY, 4 lines":
                continue
            assert daemon.upload(zip_of("follow"))["Status"] == "SUCCESS"
            while systemd.recv(4096) != b"STATUS=RUNNING, 4 lines":
                continue
        finally:
            daemon.end()


def test_from_an_upload_to_a_line_that_follows(runtime: Daemon) -> None:
    assert runtime.client.get("State") == "EMPTY"
    with pytest.raises(DaemonError) as refusal:
        runtime.call("Start")
    assert refusal.value.dbus_name == "io.pilotlight.Error.NoProgram"

    status = runtime.upload(zip_of("follow"))
    assert status["Status"] == "SUCCESS" and status["ExitCode"] == 0, status["Log"]
    assert runtime.client.get("State") == "RUNNING" and runtime.client.get("Program") == "sample"
    with pytest.raises(DaemonError) as refusal:
        runtime.call("Start")
    assert refusal.value.dbus_name == "io.pilotlight.Error.AlreadyRunning"

    chip = SimulatedChip.existing(simulated_path("sim0"))
    for level in (True, False):
        assert lines_tool(["set", "start", "1" if level else "0"]) == 0
        until(lambda wanted=level: chip.level(8)[0] is wanted)
    until(lambda: runtime.call("Statistics")["scan_count"] > 3)
    statistics = runtime.call("Statistics")
    assert statistics["cycle_time_min"] <= statistics["cycle_time_avg"] <= statistics["cycle_time_max"]
    lamp = next(line for line in runtime.call("Lines") if line["Name"] == "lamp")
    assert lamp["Address"] == "%QX0.0" and lamp["Value"] is False and lamp["Safe"] is False

    assert chip.level(9)[0] is True, "no variable drives %QX3.1: it keeps its safe value"

    # The debugger, the text socket and the segment tell the same.
    frame = runtime.call("Debug", bytes.fromhex("45DEAD0000"))
    assert frame[2:].decode() == runtime.client.get("Identity")
    with socket.socket(socket.AF_UNIX) as text:
        text.connect(str(Path(os.environ["PILOTLIGHT_RUN"]) / "runtime" / "plc_runtime.socket"))
        text.sendall(b"STATUS\n")
        assert text.recv(100) == b"STATUS:RUNNING\n"
    assert SegmentReader.open("plc").read("Line.lamp")[0].value is False

    # A broken upload changes nothing.
    status = runtime.upload(b"this is no ZIP file")
    assert status["Status"] == "FAILED" and status["ExitCode"] != 0
    assert runtime.client.get("State") == "RUNNING"
    assert "not built" in runtime.call("Log", 0, "ERROR")[-1][2]

    # A program that ran runs again after the daemon was killed, and the scan process did not outlive it.
    child = runtime.client.get("ScanPid")
    runtime.end(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])
    runtime.start()
    assert runtime.client.get("State") == "RUNNING"
    assert runtime.call("Stop") == "STOPPED"
    with pytest.raises(DaemonError) as refusal:
        runtime.call("Stop")
    assert refusal.value.dbus_name == "io.pilotlight.Error.AlreadyStopped"
    assert runtime.end() == 0
    runtime.start()
    assert runtime.client.get("State") == "STOPPED"
    assert chip.level(8)[0] is False and chip.level(9)[0] is True


def test_tags_are_forced_and_written_by_name(runtime: Daemon) -> None:
    assert runtime.upload(zip_of("follow"))["Status"] == "SUCCESS"
    assert runtime.call("Force", "plc.INSTANCE0.BUTTON", True) == "INSTANCE0.BUTTON"
    lamp = SegmentReader.open("plc")
    until(lambda: lamp.read("Line.lamp")[0].value is True)
    assert runtime.call("Forces") == {"INSTANCE0.BUTTON": True}
    assert runtime.client.get("ForceCount") == 1
    assert runtime.call("Unforce", "INSTANCE0.BUTTON") == "INSTANCE0.BUTTON"
    until(lambda: lamp.read("Line.lamp")[0].value is False)
    runtime.call("Write", "INSTANCE0.LEVEL", 21)
    until(lambda: lamp.read("INSTANCE0.TWICE")[0].value == 42)
    for tag, value, name, reason in (
        ("INSTANCE0.LEVEL", 40_000, "InvalidArgument", "does not fit INT"),
        ("INSTANCE0.LEVEL", "text", "InvalidArgument", "is not an integer"),
        ("INSTANCE0.LEVLE", 1, "NotFound", "nothing was changed, did you mean INSTANCE0.LEVEL?"),
        ("Scan.Count", 1, "InvalidArgument", "written by the runtime itself"),
        ("Line.lamp", True, "InvalidArgument", "written by the runtime itself"),
    ):
        with pytest.raises(DaemonError, match=reason) as refusal:
            runtime.call("Write", tag, value)
        assert refusal.value.dbus_name == f"io.pilotlight.Error.{name}"
    # The debugger forces with the Editor's byte order and reads it back, also while stopped.
    runtime.call("Debug", bytes.fromhex("45DEAD0000"))
    assert runtime.call("Debug", bytes.fromhex("42 0004 01 0002 0007")) == b"\x42\x7e"
    until(lambda: lamp.read("INSTANCE0.LEVEL")[0].value == 7)
    runtime.call("Stop")
    assert runtime.call("Debug", bytes.fromhex("44 0001 0004"))[-2:] == b"\x07\x00"


def test_the_last_net_makes_outputs_safe(runtime: Daemon) -> None:
    assert runtime.upload(zip_of("follow"))["Status"] == "SUCCESS"
    chip = SimulatedChip.existing(simulated_path("sim0"))
    assert lines_tool(["set", "start", "1"]) == 0
    until(lambda: chip.level(8)[0])
    scan = runtime.client.get("ScanPid")
    os.kill(scan, signal.SIGSTOP)
    try:
        runtime.end(signal.SIGKILL)
        assert chip.level(8)[0], "nobody was left to make the output safe"
        assert safe.main() == 0
        assert chip.level(8)[0] is False and chip.level(9)[0] is True
    finally:
        # Stopped, it does not end with its parent; on the appliance systemd kills what is left of a unit.
        os.kill(scan, signal.SIGKILL)


def test_io_settings_that_contradict_end_the_daemon_with_the_pin_map(bus: str) -> None:
    etc = Path(os.environ["PILOTLIGHT_ETC"])
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "io.yaml").write_text(IO_YAML.replace("line: 9", "line: 8"))
    result = subprocess.run(
        [sys.executable, "-m", "pilotlight.runtime"],
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert result.returncode == 78
    assert "line 8 of chip sim0 is already lamp" in result.stderr and "%QX3.1" in result.stderr
