# SPDX-License-Identifier: Apache-2.0
"""The firing loop and its guard as the bench starts them: forked from a process that has loaded them already.

A thousand ends need a thousand starts, and an emulated processor takes seconds to start Python. What the children are
and do then is what they are and do on the device.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

from pilotlight.igniter import pair
from pilotlight.igniter.job import Job
from pilotlight.io import jobs

from tests.bench.igniter_nursery import LONGEST

PROGRAM = Path(__file__).with_name("igniter_nursery.py")


class Child(subprocess.Popen[bytes]):
    """A child of the nursery, with what `pair.Pair` needs of it. How it ended is not known here, only that it did."""

    _child_created = False  # there is nothing for the base class to wait for

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Zero when it has ended, None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.returncode = 0
            os.close(self._end)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. TimeoutExpired when it does not come."""
        if self.returncode is None:
            select.select([self._end], [], [], timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0


class Nursery:
    """The process that forks loops and guards; it ends with this one."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", str(PROGRAM), str(theirs.fileno())],
                env=pair.ENVIRONMENT, pass_fds=[theirs.fileno()], cwd="/",
            )  # fmt: skip

    def spawn(self, module: str, job: Job, descriptors: tuple[int, ...]) -> Child:
        """Start the loop or the guard; these descriptors get the same numbers there, and there are no others."""
        numbers = " ".join(map(str, descriptors))
        order = "\0".join([module, numbers, *jobs.encode(job)])
        socket.send_fds(self._socket, [order.encode()], list(descriptors))
        answer = self._socket.recv(LONGEST)
        if not answer:
            raise OSError("the process that forks loops and guards has ended")
        return Child(int(answer))

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()
