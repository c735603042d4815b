# SPDX-License-Identifier: Apache-2.0
"""A board's disk in QEMU: an emulated machine beside the host, whose network and files it leaves alone.

The built disk is never written: a machine works on a layer over it.
"""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from image import kernel, processes
from image.boot_files import CMDLINES
from image.errors import BuildError
from image.steps import PROJECT
from image.tools import Tools, environment

PROGRAMS = {"arm64": "qemu-system-aarch64", "amd64": "qemu-system-x86_64"}
WEB_PORT = 8443
MEMORY_MB = 1024
PROCESSORS = 2
DISK_SIZE = "8G"  # as the machine sees it: the data partition grows to it
ANSWER_TIMEOUT = 120.0  # seconds; saving the state of the whole machine takes longest
END_TIMEOUT = 10.0  # seconds until a QEMU that was told to end is killed


@dataclass(frozen=True)
class Setup:
    """What an emulated machine starts with."""

    arch: str
    machine: Sequence[str]  # the board's own words for QEMU
    boot: Path  # directory with the files of a boot partition; slot A is started
    layer: Path  # its disk: a qcow2 file over the built one
    web_port: int = WEB_PORT  # port of localhost that reaches the appliance's web
    words: Sequence[str] = ()  # more words for the kernel's command line
    credentials: Mapping[str, str] = field(default_factory=dict)  # systemd credentials by name, each in base64
    load: str = ""  # name of the saved state to go on from, instead of switching on
    console: Path | None = None  # where people reach the serial line, relative to the project; else the caller has it


def command(setup: Setup, serial: int, monitor: int) -> list[str]:
    """The command line of a machine; `serial` and `monitor` are descriptors of connected sockets that it inherits."""
    line_end = f"fd={serial}"
    if setup.console is not None:
        line_end = f"path={setup.console},server=on,wait=off,logfile={setup.console}.log"
    line = [(setup.boot / CMDLINES["A"]).read_text().strip(), *setup.words]
    line += [f"systemd.set_credential_binary={name}:{value}" for name, value in setup.credentials.items()]
    return [
        PROGRAMS[setup.arch], *setup.machine,
        "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS), "-m", str(MEMORY_MB),
        "-nodefaults", "-display", "none",
        "-kernel", str(setup.boot / "vmlinuz"), "-initrd", str(setup.boot / "initramfs.zst"), "-append", " ".join(line),
        "-drive", f"file={setup.layer},format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=disk",
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{setup.web_port}-:{WEB_PORT}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        "-device", "i6300esb", "-action", "watchdog=reset",
        "-chardev", f"socket,id=serial,{line_end}", "-serial", "chardev:serial",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        *(["-loadvm", setup.load] if setup.load else []),
    ]  # fmt: skip


def machine_words(board: str) -> list[str]:
    """The board's own words for QEMU, from its file `qemu`."""
    return " ".join(kernel.wanted((PROJECT / "bsp" / board / "qemu").read_text())).split()


def make_layer(use: Tools, disk: Path, layer: Path) -> None:
    """Make the file `layer`: a disk that keeps only what differs from `disk`, as large as a machine's disk is."""
    words: list[str | Path] = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, layer, DISK_SIZE]
    done = subprocess.run(
        use.argv(words), cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"the disk layer {layer} cannot be made: {done.stderr.strip()}")


class Monitor:
    """QEMU's monitor: one JSON line a command, one an answer; the events between them are passed over."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()
        connection.settimeout(ANSWER_TIMEOUT)
        if not self._lines.readline():
            raise BuildError("QEMU ended at once: see its messages above")
        self.ask("qmp_capabilities")

    def ask(self, what: str, **arguments: object) -> object:
        """Give a command and return its answer. Raises BuildError with QEMU's own words, or when it has ended."""
        with self._lock:
            try:
                self._connection.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
                while line := self._lines.readline():
                    answer = json.loads(line)
                    if "error" in answer:
                        raise BuildError(f"QEMU refuses {what}: {answer['error']['desc']}")
                    if "return" in answer:
                        return answer["return"]
            except OSError as error:
                raise BuildError(f"QEMU did not answer {what}: {error}") from error
        raise BuildError(f"QEMU ended before it answered {what}")

    def human(self, line: str) -> str:
        """Give a command of the human monitor, such as `savevm NAME`. Raises BuildError when it complains."""
        answer = str(self.ask("human-monitor-command", **{"command-line": line})).strip()
        if answer.startswith("Error"):
            raise BuildError(f"QEMU refuses '{line}': {answer}")
        return answer


@dataclass(frozen=True)
class Guest:
    """A running machine: its process, its monitor, and the socket that is its serial line."""

    process: subprocess.Popen[bytes]
    monitor: Monitor
    serial: socket.socket

    def end(self) -> None:
        """Switch the machine off at once; no harm if it is off already."""
        if self.process.poll() is None:
            try:
                self.monitor.ask("quit")
                self.process.wait(END_TIMEOUT)
            except (BuildError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


@contextmanager
def running(use: Tools, setup: Setup) -> Iterator[Guest]:
    """A machine, switched on; off when the block ends. Raises BuildError when QEMU does not start."""
    serial, far_serial = socket.socketpair()
    monitor, far_monitor = socket.socketpair()
    with serial, monitor:
        with far_serial, far_monitor:
            descriptors = (far_serial.fileno(), far_monitor.fileno())
            # A session of its own: a Ctrl-C on the terminal is for us, who then switch the machine off in order.
            # It ends with us however we end.
            process = subprocess.Popen(
                use.argv(command(setup, *descriptors)), cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL,
                pass_fds=descriptors, start_new_session=True, preexec_fn=processes.end_with_parent(signal.SIGKILL),
            )  # fmt: skip
        try:
            guest = Guest(process, Monitor(monitor), serial)
        except BaseException:
            process.kill()
            process.wait()
            raise
        try:
            yield guest
        finally:
            guest.end()
