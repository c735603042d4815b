# SPDX-License-Identifier: Apache-2.0
"""One start of an emulated machine: QEMU beside the host, whose network and files it leaves alone.

The built disk is never written: a machine works on a layer over it.
"""

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image import kernel, processes
from image.eeprom import Loaded
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
TRYBOOT_PORT = "io.pilotlight.tryboot"  # by which a guest asks for the firmware's one-shot flag
UNKNOWN_ADDRESS = -1  # of a PCI region that no kernel has looked at yet


@dataclass(frozen=True)
class Setup:
    """What an emulated machine starts with."""

    arch: str
    machine: Sequence[str]  # the board's own words for QEMU
    layer: Path  # its disk: a qcow2 file over the built one
    web_port: int = WEB_PORT  # port of localhost that reaches the appliance's web
    words: Sequence[str] = ()  # more words for the kernel's command line
    credentials: Mapping[str, str] = field(default_factory=dict)  # systemd credentials by name, each in base64
    shift: int | None = None  # 2**shift ns of the machine's time pass an instruction; else its time is the host's
    record: Path | None = None  # file that takes down every write to the disk, in its order
    console: Path | None = None  # where people reach the serial line, relative to the project; else the caller has it


def hardware(setup: Setup) -> list[str]:
    """The part of a machine's command line that its device tree follows from."""
    return [PROGRAMS[setup.arch], *setup.machine, "-smp", str(PROCESSORS), "-m", str(MEMORY_MB), "-display", "none"]


def command(setup: Setup, loaded: Loaded, serial: int, monitor: int, tryboot: int) -> list[str]:
    """The command line of a machine; the numbers are descriptors of connected sockets that it inherits.

    Every reset ends it: what comes next is the firmware's business. Data that the guest knows to be on the disk survive
    the end of QEMU at any moment.
    """
    line_end = f"fd={serial}"
    if setup.console is not None:
        line_end = f"path={setup.console},server=on,wait=off,logfile={setup.console}.log,logappend=on"
    line = [loaded.cmdline, *setup.words]
    line += [f"systemd.set_credential_binary={name}:{value}" for name, value in setup.credentials.items()]
    return [
        *hardware(setup),
        *pace(setup), "-nodefaults", "-no-reboot",
        "-kernel", str(loaded.kernel), "-initrd", str(loaded.initramfs), "-append", " ".join(line),
        *(["-dtb", str(loaded.device_tree)] if loaded.device_tree else []),
        *drive(setup),
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{setup.web_port}-:{WEB_PORT}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        "-device", "i6300esb", "-action", "watchdog=reset",
        "-chardev", f"socket,id=serial,{line_end}", "-serial", "chardev:serial",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        "-device", "virtio-serial-pci", "-chardev", f"socket,id=tryboot,fd={tryboot}",
        "-device", f"virtserialport,chardev=tryboot,name={TRYBOOT_PORT}",
    ]  # fmt: skip


def pace(setup: Setup) -> list[str]:
    """The words for how fast it computes: as fast as the host, or in time that its instructions alone let pass."""
    if setup.shift is None:
        return ["-accel", "tcg,thread=multi"]
    return ["-accel", "tcg,thread=single", "-icount", f"shift={setup.shift},sleep=on,align=off"]


def drive(setup: Setup) -> list[str]:
    """The words for the disk: the layer, and before it what takes down the writes, if wanted."""
    opened = ["-blockdev", f"driver=file,node-name=file,filename={setup.layer},discard=unmap"]
    if setup.record is None:
        opened += ["-blockdev", "driver=qcow2,node-name=disk,file=file,discard=unmap"]
    else:
        more = "on" if setup.record.exists() and setup.record.stat().st_size else "off"
        opened += [
            "-blockdev", "driver=qcow2,node-name=layer,file=file,discard=unmap",
            "-blockdev", f"driver=file,node-name=record,filename={setup.record}",
            "-blockdev", f"driver=blklogwrites,node-name=disk,file=layer,log=record,log-append={more},"
            "log-super-update-interval=1",
        ]  # fmt: skip
    return [*opened, "-device", "virtio-blk-pci,drive=disk,write-cache=on"]


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
    """QEMU's monitor: one JSON line a command, one an answer; of the events between them one is kept."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()
        self._end = ""
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
                    self._note(answer)
                    if "error" in answer:
                        raise BuildError(f"QEMU refuses {what}: {answer['error']['desc']}")
                    if "return" in answer:
                        return answer["return"]
            except OSError as error:
                raise BuildError(f"QEMU did not answer {what}: {error}") from error
        raise BuildError(f"QEMU ended before it answered {what}")

    def end(self) -> str:
        """Why QEMU has ended, in its words, such as `guest-reset`; empty when it did not say. Only after its end."""
        with self._lock:
            try:
                while line := self._lines.readline():
                    self._note(json.loads(line))
            except (OSError, ValueError):
                return self._end  # killed in the middle of a line
            finally:
                self._lines.close()
                self._connection.close()
        return self._end

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("event") == "SHUTDOWN":
            self._end = str(message["data"]["reason"])


@dataclass(frozen=True)
class Guest:
    """One start of a machine, up to its next reset: its process and its monitor."""

    process: subprocess.Popen[bytes]
    monitor: Monitor

    def ended(self, timeout: float) -> bool:
        """Whether it ends within `timeout` seconds."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def alive(self) -> bool:
        """Whether a kernel has begun to work: it has looked at the PCI bus. True where a BIOS does that before it."""
        buses: Any = self.monitor.ask("query-pci")
        regions = [region for bus in buses for device in bus["devices"] for region in device["regions"]]
        return any(region["type"] == "memory" and region["address"] != UNKNOWN_ADDRESS for region in regions)

    def kill(self) -> None:
        """Cut the power."""
        self.process.kill()
        self.process.wait()


def start(use: Tools, setup: Setup, loaded: Loaded, serial: socket.socket, tryboot: socket.socket) -> Guest:
    """Start a machine; `serial` and `tryboot` are its ends of these lines. Raises BuildError when that fails."""
    monitor, far = socket.socketpair()
    with far:
        descriptors = (serial.fileno(), far.fileno(), tryboot.fileno())
        # A session of its own: a Ctrl-C on the terminal is for us, who then switch the machine off in order.
        # It ends with us however we end.
        process = subprocess.Popen(
            use.argv(command(setup, loaded, *descriptors)), cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL,
            pass_fds=descriptors, start_new_session=True, preexec_fn=processes.end_with_parent(signal.SIGKILL),
        )  # fmt: skip
    try:
        return Guest(process, Monitor(monitor))
    except BaseException:
        process.kill()
        process.wait()
        monitor.close()
        raise
