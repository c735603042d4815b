# SPDX-License-Identifier: Apache-2.0
"""Runs a built disk for people: starts it, says where it answers, and ends it in good order."""

import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from image import qemu, web
from image.disk import Disk
from image.emulated import Emulated
from image.errors import BuildError
from image.progress import progress
from image.steps import BUILD, PROJECT, remove
from image.tools import tools

WEB_TIMEOUT = 300.0  # seconds from switching on to the web page; an idle machine needs a fifth of it
POWER_OFF_TIMEOUT = 60.0  # seconds for an orderly end
LOOK = 3600.0  # seconds between two looks whether it has ended
LEAVE = b"\x1d"  # Ctrl-]


def home(board: str) -> Path:
    """Where a board's emulated machine keeps its disk layer, its console and the console's log."""
    return BUILD / board / "machine"


def run(disk: Disk, port: int, announce: Callable[[str], None]) -> int:
    """Run the machine until Ctrl-C, or until it is switched off from inside; returns 0.

    `announce` is given the address once the web page answers. Raises BuildError when it does not.
    """
    place = home(disk.board)
    place.mkdir(parents=True, exist_ok=True)
    use = tools("disk")
    layer = keep_layer(disk, place)
    console = place.relative_to(PROJECT) / "console"
    for path in (PROJECT / console, PROJECT / f"{console}.log"):
        remove(path)
    setup = qemu.Setup(disk.arch, qemu.machine_words(disk.board), layer, web_port=port, console=console)
    with Emulated(use, setup) as machine:
        try:
            machine.power_on()
            wait_for_web(machine, port, PROJECT / f"{console}.log")
            announce(f"https://localhost:{port}")
            while not machine.wait_until_off(LOOK):
                continue
            if machine.problem:
                raise BuildError(f"{machine.problem}: see {console}.log")
            progress.say("the appliance powered itself off")
        except KeyboardInterrupt:
            pass
        finally:
            power_off(machine)
    return 0


def keep_layer(disk: Disk, place: Path) -> Path:
    """The disk layer of the last run when that was the same disk; else a new one, as after flashing."""
    layer, stamp = place / "disk.qcow2", place / "disk.key"
    if layer.exists() and stamp.exists() and stamp.read_text() == disk.image.key:
        return layer
    if layer.exists():
        progress.say("the disk was built anew: the machine starts with it as after flashing, without users or programs")
    stamp.unlink(missing_ok=True)
    layer.unlink(missing_ok=True)
    qemu.make_layer(tools("disk"), disk.image.path, layer)
    stamp.write_text(disk.image.key)
    return layer


def wait_for_web(machine: Emulated, port: int, log: Path) -> None:
    """Return when the web answers. Raises BuildError when the machine ends first, or it takes too long."""
    with progress.step("start the machine"):
        if web.wait(port, WEB_TIMEOUT, lambda: machine.on):
            return
        if not machine.on:
            raise BuildError(f"the machine ended before its web page answered: see {log}")
        raise BuildError(f"no web page answered within {WEB_TIMEOUT:.0f} s: see {log}")


def power_off(machine: Emulated) -> None:
    """Press the power button and wait for the end, within bounds; then switch off."""
    if not machine.on:
        return
    with progress.step("switch the machine off"):
        try:
            machine.press_power_button()
            ended = machine.wait_until_off(POWER_OFF_TIMEOUT)
        except BuildError:
            ended = not machine.on
        if not ended:
            progress.say("the machine does not end by itself: switched off at once")
            machine.cut_power()


def console(board: str) -> int:
    """Connect this terminal to the serial console of the running machine; Ctrl-] leaves. Raises BuildError."""
    path = home(board).relative_to(PROJECT) / "console"
    with socket.socket(socket.AF_UNIX) as line, _in_project():
        try:
            line.connect(str(path))
        except OSError as error:
            raise BuildError(f"{board} does not run here: start it with './build-image.sh run {board}'") from error
        print("serial console; Ctrl-] leaves it\r", flush=True)
        line.sendall(b"\n")
        with _raw_terminal():
            return _relay(line)


def _relay(line: socket.socket) -> int:
    keys = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([line, keys], [], [])
        if line in ready:
            data = line.recv(4096)
            if not data:
                return 0
            os.write(sys.stdout.fileno(), data)
        if keys in ready:
            typed = os.read(keys, 4096)
            if not typed or LEAVE in typed:
                return 0
            line.sendall(typed)


@contextmanager
def _in_project() -> Iterator[None]:
    # The name of a Unix socket is at most 107 bytes long: the short, relative one always fits.
    before = Path.cwd()
    os.chdir(PROJECT)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _raw_terminal() -> Iterator[None]:
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
