# SPDX-License-Identifier: Apache-2.0
"""The emulated machine through resets, power cuts and starts that fail, with a QEMU that does as the test says."""

import dataclasses
import queue
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from image import emulated, qemu
from image.eeprom import Eeprom, Loaded
from image.emulated import Emulated
from image.errors import BuildError
from image.firmware import Start, Unbootable
from image.tools import Tools

A, TRY_B = Start(2, False), Start(3, True)
PATIENCE_S = 10.0


class FakeGuest:
    """One start: ends when told, with a reason, after writing to the port of the one-shot flag."""

    def __init__(self, port: socket.socket) -> None:
        self.port = socket.fromfd(port.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
        self.reason = ""
        self.over = threading.Event()
        self.process = self.monitor = self
        self.lives = True

    def finish(self, reason: str, ask: bool = False) -> None:
        if ask:
            self.port.sendall(b"tryboot\n")
        self.port.close()
        self.reason = reason
        self.over.set()

    def wait(self, timeout: float | None = None) -> int:
        if not self.over.wait(timeout):
            raise subprocess.TimeoutExpired("qemu", timeout or 0)
        return 0

    def ended(self, timeout: float) -> bool:
        return self.over.wait(timeout)

    def alive(self) -> bool:
        return self.lives

    def end(self) -> str:
        return self.reason

    def kill(self) -> None:
        self.over.set()


class Bench:
    """A machine whose starts the test takes in hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.guests: queue.Queue[FakeGuest] = queue.Queue()
        self.broken: set[bool] = set()  # flags with which nothing can be loaded
        monkeypatch.setattr(Eeprom, "load", self.load)
        monkeypatch.setattr(qemu, "start", self.start)
        setup = qemu.Setup("amd64", [], folder / "disk.qcow2")
        self.machine = Emulated(cast(Tools, None), setup)
        self.lives = True

    def load(self, flag: bool, tree: Any) -> Loaded:
        if flag in self.broken:
            raise Unbootable("there is no kernel")
        return Loaded(TRY_B if flag else A, Path("k"), Path("i"), "", None)

    def start(self, use: Any, setup: Any, loaded: Loaded, serial: Any, port: socket.socket) -> FakeGuest:
        guest = FakeGuest(port)
        guest.lives = self.lives
        self.guests.put(guest)
        return guest

    def guest(self) -> FakeGuest:
        return self.guests.get(timeout=PATIENCE_S)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_the_flag_holds_for_one_reset(bench: Bench) -> None:
    with bench.machine as machine:
        machine.power_on()
        bench.guest().finish("guest-reset", ask=True)
        assert machine.wait_for_start(2, PATIENCE_S) == TRY_B
        bench.guest().finish("guest-reset")
        assert machine.wait_for_start(3, PATIENCE_S) == A
        bench.guest().finish("guest-shutdown")
        assert machine.wait_until_off(PATIENCE_S)
        assert machine.starts == [A, TRY_B, A] and machine.problem == ""


def test_a_power_cut_forgets_the_flag(bench: Bench) -> None:
    with bench.machine as machine:
        machine.power_on()
        bench.guest().port.sendall(b"tryboot\n")
        machine.cut_power()
        assert not machine.on
        machine.power_on()
        assert machine.starts == [A, A]


def test_a_trial_that_cannot_be_loaded_goes_back(bench: Bench) -> None:
    bench.broken = {True}
    with bench.machine as machine:
        machine.power_on()
        bench.guest().finish("guest-reset", ask=True)
        assert machine.wait_for_start(2, PATIENCE_S) == A


def test_a_kernel_that_never_begins_is_reset(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulated, "KERNEL_TIMEOUT", 0.2)
    monkeypatch.setattr(emulated, "POLL", 0.05)
    bench.lives = False
    with bench.machine as machine:
        machine.power_on()
        bench.guest().port.sendall(b"tryboot\n")
        bench.lives = True
        machine.wait_for_start(2, PATIENCE_S)


def test_a_disk_with_nothing_to_start(bench: Bench) -> None:
    bench.broken = {True, False}
    with bench.machine as machine:
        with pytest.raises(BuildError, match="there is no kernel"):
            machine.power_on()
        with pytest.raises(BuildError, match="there is no kernel"):
            _ = machine.guest
        assert machine.wait_until_off(PATIENCE_S)


def test_a_qemu_that_dies_is_no_reset(bench: Bench) -> None:
    with bench.machine as machine:
        machine.power_on()
        bench.guest().finish("")
        assert machine.wait_until_off(PATIENCE_S)
        assert machine.starts == [A]
        assert "QEMU has ended" in machine.problem


def test_the_command_line_ends_at_every_reset(tmp_path: Path) -> None:
    setup = qemu.Setup("arm64", ["-M", "virt"], tmp_path / "disk.qcow2", record=tmp_path / "record")
    loaded = Loaded(A, Path("k"), Path("i"), "root=x", Path("dtb"))
    line = qemu.command(setup, loaded, 3, 4, 5)
    assert "-no-reboot" in line and line[line.index("-dtb") + 1] == "dtb"
    assert any("blklogwrites" in word and "log-append=off" in word for word in line)
    (tmp_path / "record").write_bytes(b"x")
    assert any("log-append=on" in word for word in qemu.command(setup, loaded, 3, 4, 5))


def test_time_passes_by_instructions_when_that_is_wanted(tmp_path: Path) -> None:
    setup = qemu.Setup("arm64", [], tmp_path / "disk.qcow2")
    assert qemu.pace(setup) == ["-accel", "tcg,thread=multi"]
    # QEMU counts instructions in one thread only.
    line = " ".join(qemu.pace(dataclasses.replace(setup, shift=3)))
    assert "thread=single" in line and "-icount shift=3," in line
