# SPDX-License-Identifier: Apache-2.0
"""An emulated appliance and its serial console, for tests: log in, run commands, write files."""

import base64
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from image.emulated import Emulated

CONSOLES = {"arm64": "ttyAMA0", "amd64": "ttyS0"}
AUTOLOGIN = """\
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I dumb
"""


def login_credential(arch: str) -> dict[str, str]:
    """The credential that lets a test in on the serial console of an image that lets nobody in."""
    name = f"systemd.unit-dropin.serial-getty@{CONSOLES[arch]}.service"
    return {name: base64.b64encode(AUTOLOGIN.encode()).decode()}


class ConsoleTimeout(AssertionError):
    """The console did not say what was expected; the message ends with what it said last."""


@dataclass(frozen=True)
class Result:
    """What a command ended with, and all it printed."""

    code: int
    output: str

    def ok(self) -> str:
        """The output without the last newline; fails when the command failed."""
        assert self.code == 0, f"exit code {self.code}: {self.output}"
        return self.output.rstrip("\n")


class Machine:
    """A running guest with a root shell on its serial line."""

    def __init__(self, guest: Emulated, log: Path) -> None:
        self.guest = guest
        self.log = log
        self._said = ""
        self._count = 0
        self.started = time.monotonic()

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until the console said something that matches; what came before it is gone then."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self._said)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise ConsoleTimeout(f"no {pattern!r} on the console in {timeout:.0f} s, but:\n{self._said[-3000:]}")
            self.guest.serial.settimeout(left)
            try:
                data = self.guest.serial.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise ConsoleTimeout(f"the machine ended; it said last:\n{self._said[-3000:]}")
            with self.log.open("ab") as stream:
                stream.write(data)
            self._said += data.decode(errors="replace").replace("\r", "")
        self._said = self._said[found.end() :]
        return found

    def forget(self) -> None:
        """Pass over what was said up to now: a prompt in it belongs to a start that is over."""
        self.guest.serial.setblocking(False)
        try:
            while data := self.guest.serial.recv(65536):
                with self.log.open("ab") as stream:
                    stream.write(data)
        except BlockingIOError:
            self._said = ""
        finally:
            self.guest.serial.setblocking(True)

    def send(self, text: str) -> None:
        """Type a line. A serial line has no flow control: long lines go in pieces, each echoed by nobody."""
        self.guest.serial.sendall(text.encode() + b"\n")

    def login(self, timeout: float = 300.0) -> None:
        """Wait for the root shell and make it fit for `run`: from then on the kernel says there that it panics only."""
        self.expect(r"root@[^\n]*# ", timeout)
        self.send("dmesg -n 1")
        self.send("stty -echo cols 500; unset PROMPT_COMMAND; export PS1= PS2= TERM=dumb PAGER=cat SYSTEMD_COLORS=0")
        self.send("bind 'set enable-bracketed-paste off' 2>/dev/null; printf 'the shell is %s\\n' ready")
        self.expect("the shell is ready\n", 60)

    def run(self, command: str, timeout: float = 60.0) -> Result:
        """Run a command (any shell text) and wait for its end; both its outputs are in the result."""
        self._count += 1
        mark = f"end-of-{self._count}"
        self._said = ""
        self.send(f"{{ {command}\n}} 2>&1 </dev/null; printf '\\n%s%s %d\\n' {mark[:4]} {mark[4:]} $?")
        found = self.expect(rf"(?s)(.*?)\n{mark} (\d+)\n", timeout)
        return Result(int(found[2]), found[1])

    def ok(self, command: str, timeout: float = 60.0) -> str:
        """Run a command that must succeed; returns what it printed."""
        return self.run(command, timeout).ok()

    def write(self, path: str, data: bytes) -> None:
        """Put a small file (a few KiB) into the guest."""
        text = base64.encodebytes(data).decode()
        self.ok(f"base64 -d > {shlex.quote(path)} <<'END'\n{text}END")
