# SPDX-License-Identifier: Apache-2.0
"""One input line whose changes wake its reader: a kill switch, a data-ready signal.

A line that is only polled is noticed at the next poll, and a short change not at all. Here the kernel notes each edge
with its time, and the descriptor becomes readable at once. Levels are logical, as in `lines`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Final, Protocol

from pilotlight.io.lines import LineError
from pilotlight.io.simulated import LEVEL, MAGIC
from pilotlight.io.uapi import LineRequest

MAX_EDGES: Final = 16
"""Most edges of one call: as many as the kernel keeps for one line. Of more it drops the oldest."""

_EVENT: Final = struct.Struct("=QIIII24x")
_RISING: Final = 1
_IN_MODIFY: Final = 0x2


@dataclass(frozen=True)
class Edge:
    """A change of a line: its time on CLOCK_MONOTONIC in nanoseconds, and the level since then."""

    time_ns: int
    level: bool


class EdgeInput(Protocol):
    """A held input line with its edges. No call waits."""

    @property
    def handle(self) -> str:
        """What `inherit.edge_input` needs to take the line over in a child process."""

    @property
    def lost(self) -> int:
        """How many edges came faster than they were read, since the line was opened."""

    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that a child must inherit."""

    def fileno(self) -> int:
        """The descriptor that is readable while edges wait, for `poll`."""

    def level(self) -> bool:
        """The present level. OSError when the chip is gone."""

    def edges(self) -> list[Edge]:
        """The edges since the last call, oldest first, at most 16. OSError when the chip is gone."""

    def close(self) -> None:
        """Give the line back; closing twice is harmless."""


class GpioEdges:
    """A line of a real chip, by the descriptor of a request that asked for both edges."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._request = LineRequest(fd, 1)
        self._number = 0
        self._lost = 0
        os.set_blocking(fd, False)

    @property
    def handle(self) -> str:
        """`gpio:<descriptor>`"""
        return f"gpio:{self._fd}"

    @property
    def lost(self) -> int:
        """Gaps in the kernel's numbers of the edges."""
        return self._lost

    def descriptors(self) -> tuple[int, ...]:
        """The request's descriptor."""
        return (self._fd,)

    def fileno(self) -> int:
        """The request's descriptor."""
        return self._fd

    def level(self) -> bool:
        """Asked of the kernel."""
        return self._request.read() == 1

    def edges(self) -> list[Edge]:
        """What the kernel noted; a gap in its numbers counts as lost."""
        try:
            events = os.read(self._fd, MAX_EDGES * _EVENT.size)
        except BlockingIOError:
            return []
        found: list[Edge] = []
        for time_ns, kind, _, _, number in _EVENT.iter_unpack(events):
            if self._number and number != self._number + 1:
                self._lost += (number - self._number - 1) & 0xFFFFFFFF
            self._number = number
            found.append(Edge(time_ns, kind == _RISING))
        return found

    def close(self) -> None:
        """Close the request."""
        self._request.close()


class SimulatedEdges:
    """A line of a simulated chip: the kernel reports each write to the chip's file, whoever made it.

    A line that changed and changed back before it was read shows no edge: there is nothing that kept it.
    """

    def __init__(self, fd: int, notices: int, line: int, active_low: bool) -> None:
        self._fd = fd
        self._notices = notices
        self._line = line
        self._active_low = active_low
        self._known = self.level()

    @classmethod
    def open(cls, path: Path, line: int, active_low: bool = False) -> SimulatedEdges:
        """Watch `line` of the simulated chip in `path`. LineError when there is no such chip or line."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise LineError(f"the simulated chip {path.stem} cannot be opened: {error.strerror}") from error
        lines = os.fstat(fd).st_size - len(MAGIC)
        if os.pread(fd, len(MAGIC), 0) != MAGIC or not 0 <= line < lines:
            os.close(fd)
            raise LineError(f"{path} is not the file of a simulated chip with a line {line}")
        try:
            return cls(fd, _notices_of(fd), line, active_low)
        except OSError as error:
            os.close(fd)
            raise LineError(f"the simulated chip {path.stem} cannot be watched: {error.strerror}") from error

    @classmethod
    def take_over(cls, text: str) -> SimulatedEdges:
        """The line that `handle` described, after its `simulated:`."""
        fd, notices, line, way = text.split(":")
        return cls(int(fd), int(notices), int(line), way == "low")

    @property
    def handle(self) -> str:
        """`simulated:<descriptor>:<descriptor of the notices>:<line>:<high|low>`, the last being the active level."""
        return f"simulated:{self._fd}:{self._notices}:{self._line}:{'low' if self._active_low else 'high'}"

    @property
    def lost(self) -> int:
        """None: what was not kept is not counted."""
        return 0

    def descriptors(self) -> tuple[int, ...]:
        """The chip's file and the notices of its changes."""
        return (self._fd, self._notices)

    def fileno(self) -> int:
        """The descriptor of the notices."""
        return self._notices

    def level(self) -> bool:
        """Read from the chip's file. OSError when the file has lost the line."""
        state = os.pread(self._fd, 1, len(MAGIC) + self._line)
        if not state:
            raise OSError(f"the simulated chip has no line {self._line} any more")
        return bool(state[0] & LEVEL) != self._active_low

    def edges(self) -> list[Edge]:
        """The change since the last call, if there is one, with the time of this call."""
        try:
            os.read(self._notices, 4096)
        except BlockingIOError:
            return []
        level = self.level()
        if level == self._known:
            return []
        self._known = level
        return [Edge(monotonic_ns(), level)]

    def close(self) -> None:
        """Close both descriptors."""
        if self._fd >= 0:
            os.close(self._notices)
            os.close(self._fd)
            self._fd = self._notices = -1


def _notices_of(fd: int) -> int:
    """A descriptor that tells of each write to the open file `fd`."""
    libc = ctypes.CDLL(None, use_errno=True)
    notices: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if notices < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if libc.inotify_add_watch(notices, f"/proc/self/fd/{fd}".encode(), _IN_MODIFY) < 0:
        number = ctypes.get_errno()
        os.close(notices)
        raise OSError(number, os.strerror(number))
    return notices
