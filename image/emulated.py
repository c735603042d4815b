# SPDX-License-Identifier: Apache-2.0
"""An emulated machine with its firmware: it starts from its disk, and again after each reset, as a real one does.

    with Emulated(use, setup) as machine:
        machine.power_on()

The one-shot flag is set by the guest over a port of its own. It holds for the next reset only, not over a power cut.
"""

import socket
import subprocess
import threading
from typing import Self

from image import qemu
from image.eeprom import Eeprom
from image.errors import BuildError
from image.firmware import Start, Unbootable
from image.qemu import Guest, Setup
from image.tools import Tools

KERNEL_TIMEOUT = 40.0  # seconds until the firmware's watchdog resets a kernel that does nothing
POLL = 0.5  # seconds
JOIN_TIMEOUT = 30.0  # seconds for the end of the thread that stays with the machine
STARTS_LIMIT = 1000  # starts without a person switching the machine on
ASKED = b"tryboot\n"
SO_SNDBUFFORCE = 32  # of Linux; Python has no name for it
SERIAL_BUFFER = 256 << 20  # bytes at most; what a machine says between two looks takes some MiB
RESET = "guest-reset"  # QEMU's word for it, also when a watchdog did it


class Emulated:
    """A machine that can be switched on, left to itself, and cut from its power at any moment."""

    def __init__(self, use: Tools, setup: Setup) -> None:
        self._use, self.setup = use, setup
        self._eeprom = Eeprom(use, setup.layer, setup.layer.with_suffix(".firmware"))
        self.serial, self._far_serial = socket.socketpair()
        # A machine must not stand still while nobody listens. QEMU writes byte by byte, and each costs most of a KiB.
        self._far_serial.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SERIAL_BUFFER)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._guest: Guest | None = None
        self._cut = False
        self.starts: list[Start] = []
        """Every start since the machine was made."""
        self.problem = ""
        """Why the machine does not start any more; empty while it can."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()
        self.serial.close()
        self._far_serial.close()
        self._eeprom.remove()

    @property
    def on(self) -> bool:
        """Whether the machine is on, if only between two starts."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def guest(self) -> Guest:
        """The present start. Raises BuildError when there is none."""
        with self._changed:
            if self._guest is None:
                raise BuildError(self.problem or "the machine is off")
            return self._guest

    def power_on(self) -> None:
        """Switch on, and stay with the machine through its resets; returns when the first start is made.

        Raises BuildError when nothing on the disk can be started.
        """
        before = len(self.starts)
        self._cut, self.problem = False, ""
        self._thread = threading.Thread(target=self._stay, name="machine", daemon=True)
        self._thread.start()
        self.wait_for_start(before + 1, qemu.ANSWER_TIMEOUT)

    def wait_for_start(self, number: int, timeout: float) -> Start:
        """Wait for the start of a number, counted from 1 over the machine's life. Raises BuildError when none comes."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.starts) >= number or self.problem, timeout):
                raise BuildError(f"start {number} did not come within {timeout:.0f} s, but {self.starts}")
            if len(self.starts) < number:
                raise BuildError(self.problem)
            return self.starts[number - 1]

    def wait_until_off(self, timeout: float) -> bool:
        """Wait until the machine has switched itself off; whether it did."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.on

    def press_power_button(self) -> None:
        """Ask the guest to end. Raises BuildError when the machine is off."""
        self.guest.monitor.ask("system_powerdown")

    def cut_power(self) -> None:
        """Switch off in the middle of whatever happens. What the guest has not made sure of is lost."""
        with self._changed:
            self._cut = True
            guest = self._guest
        if guest is not None:
            guest.kill()
        if self._thread is not None:
            self._thread.join(JOIN_TIMEOUT)

    def _stay(self) -> None:
        flag = again = False
        try:
            for _ in range(STARTS_LIMIT):
                again, flag = self._start(flag)
                if not again:
                    return
            self._give_up(f"the machine has started {STARTS_LIMIT} times without end")
        except (BuildError, Unbootable, OSError, subprocess.TimeoutExpired) as error:
            self._give_up(f"the machine does not start: {error}")

    def _start(self, flag: bool) -> tuple[bool, bool]:
        """One start, up to its end: whether another one follows, and the flag for it."""
        near, far = socket.socketpair()
        with near, far:
            try:
                guest = self._load_and_start(flag, far)
            except (BuildError, Unbootable):
                if flag:
                    return True, False  # after any fatal error the firmware resets: the flag is gone then
                raise
            if guest is None:
                return False, False
            reason = self._attend(guest)
            with self._changed:
                self._guest = None
                if self._cut:
                    return False, False
            if not reason:
                raise BuildError("QEMU has ended and not said why")
            return reason == RESET, asked(near)

    def _load_and_start(self, flag: bool, port: socket.socket) -> Guest | None:
        loaded = self._eeprom.load(flag, qemu.hardware(self.setup) if self.setup.arch == "arm64" else [])
        with self._changed:
            if self._cut:
                return None
            guest = self._guest = qemu.start(self._use, self.setup, loaded, self._far_serial, port)
            self.starts.append(loaded.start)
            self._changed.notify_all()
            return guest

    def _attend(self, guest: Guest) -> str:
        """Wait for the end of a start, and be the watchdog of a kernel that never begins; why it ended."""
        try:
            for _ in range(int(KERNEL_TIMEOUT / POLL)):
                if guest.ended(POLL):
                    break
                if guest.alive():
                    guest.process.wait()
                    break
            else:
                guest.kill()
                return RESET
        except BuildError:  # it ended between two looks
            guest.process.wait(qemu.END_TIMEOUT)
        return guest.monitor.end()

    def _give_up(self, why: str) -> None:
        with self._changed:
            self.problem = why
            self._changed.notify_all()


def asked(port: socket.socket) -> bool:
    """Whether the guest has asked for the one-shot flag."""
    port.setblocking(False)
    try:
        return port.recv(len(ASKED)) == ASKED
    except BlockingIOError:
        return False
