# SPDX-License-Identifier: Apache-2.0
"""A real-time child as its parent sees it: its segment, its command ring, its reports and its end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pilotlight
from pilotlight.runtime import commands
from pilotlight.runtime.commands import Message
from pilotlight.tags import CommandRing, SegmentReader, SegmentWriter

END_S = 2.0
"""How long a killed process may take to be gone."""
PACKAGES = Path(pilotlight.__file__).parents[1]
ENVIRONMENT = {
    "PYTHONPATH": str(PACKAGES),
    "LC_ALL": "C.UTF-8",
    # Start-up reads files into large blocks. Blocks of their own are given back; holes in a locked heap are not.
    "MALLOC_MMAP_THRESHOLD_": "8192",
}
_SIGNALS = {
    "SIGSEGV": "invalid memory access",
    "SIGBUS": "invalid memory access",
    "SIGFPE": "division by zero or another arithmetic trap",
    "SIGILL": "invalid instruction",
    "SIGABRT": "the program aborted itself",
    "SIGKILL": "killed from outside, or a real-time burst was too long",
    "SIGXCPU": "a real-time burst was too long",
}


def memory_of(size: int) -> int:
    """A descriptor of shared memory of so many bytes, all 0, whose size stays as it is. Raises OSError."""
    descriptor = os.memfd_create("pilotlight-state", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class ChildProcess:
    """A spawned child. `kill`, `ended` and `exit_reason` may be called from any thread, the rest from one."""

    what = "the process"
    """What it is called in texts for people."""
    work = "its work"
    """What it does again and again, and what is late when it hangs."""

    def __init__(
        self, child: subprocess.Popen[bytes], writer: SegmentWriter, ring: CommandRing, reports: int, segment: str
    ) -> None:
        self.pid = child.pid
        self.pidfd = os.pidfd_open(child.pid)
        self.ring = ring
        self.reports = reports
        """Descriptor that is readable when there is a report; -1 once it is closed."""
        self.reader: SegmentReader | None = None
        self.ending = False
        """True once it has been told to finish: to end with success is then no fault."""
        self.silent = False
        """True once there will be no more reports."""
        self.last_words = ""
        """Why it ended by itself, once its reports have been read."""
        self._segment = segment
        self._child = child
        self._writer = writer

    def activate(self) -> None:
        """Make its segment the present epoch. SegmentError when that fails."""
        self._writer.activate()
        self.reader = SegmentReader.open(self._segment)

    def next_report(self) -> Message | None:
        """The next report; None when there is none, and always once `silent`. ValueError for bytes that are none."""
        if self.silent:
            return None
        try:
            data = os.read(self.reports, commands.REPORT)
        except BlockingIOError:
            return None
        self.silent = not data
        return commands.parse(data) if data else None

    def kill(self) -> None:
        """Kill it at once; harmless when it has ended."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._child.poll() is not None

    def exit_reason(self) -> str:
        """How the process has ended, in words; empty while it lives, and after it finished as told."""
        code = self._child.poll()
        if code is None or (code == 0 and self.ending):
            return ""
        if code >= 0:
            return f"{self.what} ended with code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"{self.what} ended by {name} ({_SIGNALS.get(name, 'no usual cause')})"

    def let_go(self) -> bool:
        """Kill it if it lives, take its exit and let go of everything; whether it was gone within END_S."""
        self.kill()
        try:
            self._child.wait(END_S)
            gone = True
        except subprocess.TimeoutExpired:
            gone = False
        if self.reports >= 0:
            os.close(self.reports)
            self.reports, self.silent = -1, True
        if self.reader is not None:
            self.reader.close()
        self._writer.close()
        self.ring.close()
        os.close(self.pidfd)
        return gone
