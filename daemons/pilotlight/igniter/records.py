# SPDX-License-Identifier: Apache-2.0
"""What is kept of every shot: when it was commanded, when its output really changed, what STATUS did, how it ended."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from .bank import CHANNELS, Bank
from .channel import MS, End

TRACE_MAX = 16
"""Changes of STATUS that are kept of a shot."""
_SHOT = struct.Struct("<IBBBxIqqqq20s16i")
SIZE = _SHOT.size


@dataclass
class Shot:
    """One channel's shot. Times are CLOCK_MONOTONIC nanoseconds, 0 while unknown; `channel` is 1 to 4.

    `trace` has the changes of STATUS since the command: microseconds, positive for high and negative for low.
    """

    number: int
    channel: int
    window_ms: int
    commanded_ns: int
    on_ns: int = 0
    off_ns: int = 0
    ended_ns: int = 0
    end: End = End.RUNNING
    cause: str = ""
    """Why it was aborted."""
    trace: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        """The bytes of the record, for the report pipe."""
        trace = [*self.trace, *([0] * (TRACE_MAX - len(self.trace)))]
        return _SHOT.pack(
            self.number, self.channel, self.end, len(self.trace), self.window_ms, self.commanded_ns, self.on_ns,
            self.off_ns, self.ended_ns, self.cause.encode()[:20], *trace,
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Shot:
        """The record in `data`. ValueError when it is none."""
        if len(data) != _SHOT.size:
            raise ValueError(f"a shot's record has {_SHOT.size} bytes, not {len(data)}")
        number, channel, end, count, window, commanded, on, off, ended, cause, *trace = _SHOT.unpack(data)
        text = cause.rstrip(b"\0").decode("ascii")
        return cls(number, channel, window, commanded, on, off, ended, End(end), text, trace[:count])


class Shots:
    """The shots that are under way, and those that are over and not yet taken."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[int, Shot] = {}
        self._levels = [True] * CHANNELS
        self._over: list[Shot] = []

    def begin(self, channel: int, now_ns: int, window_ms: int) -> None:
        """Channel `channel` (0 to 3) has been commanded on."""
        self._count += 1
        self._open[channel] = Shot(self._count, channel + 1, window_ms, now_ns)
        self._levels[channel] = True

    def follow(self, now_ns: int, bank: Bank, status: int, cause: str) -> None:
        """Note changes of STATUS and the end of windows."""
        for number, shot in list(self._open.items()):
            level = bool(status >> number & 1)
            if level != self._levels[number] and len(shot.trace) < TRACE_MAX:
                since = min(max(1, (now_ns - shot.commanded_ns) // 1000), 0x7FFFFFFF)
                shot.trace.append(since if level else -since)
                self._levels[number] = level
            if not bank.channels[number].on and not shot.ended_ns:
                shot.ended_ns = now_ns
                shot.end = bank.channels[number].end
                shot.cause = cause if shot.end is End.ABORTED else ""

    def written(self, now_ns: int, outputs: int) -> None:
        """The outputs have just been written: dates the edges, and closes what is over."""
        for number, shot in list(self._open.items()):
            if outputs >> number & 1:
                shot.on_ns = shot.on_ns or now_ns
            elif shot.ended_ns:
                shot.off_ns = now_ns
                self._over.append(self._open.pop(number))

    def take(self) -> list[Shot]:
        """The shots that are over, each once."""
        over, self._over = self._over, []
        return over


def verdict(shot: Shot) -> str:
    """What a shot came to, in words."""
    on_ms = (shot.off_ns - shot.on_ns) / MS if shot.on_ns else 0.0
    return {
        End.RUNNING: "is under way",
        End.COMPLETED: f"on for {on_ms:.1f} ms, current flowed to the end",
        End.OPENED: f"burnt open after {on_ms:.1f} ms",
        End.FAULTED: f"STATUS went low after {on_ms:.1f} ms: open load, overload or overtemperature",
        End.ABORTED: f"made safe after {on_ms:.1f} ms ({shot.cause})",
    }[shot.end]
