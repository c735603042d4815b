# SPDX-License-Identifier: Apache-2.0
"""What is kept of every shot: when it was commanded, when its output really changed, what STATUS did, how it ended.

No shot is without a record. One whose firing loop ended has one by the parent, from what the loop had told in the page;
one whose parent ended too has one in the audit alone, see `audit.Audit.settle`.
"""

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

    `on_ns` is 0 for a shot that was made safe before its output was switched on. `off_ns` is when the output was
    written off, or read off, if that was before.

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
    """Why it was aborted, or the loop ended."""
    trace: list[int] = field(default_factory=list)

    @property
    def on_ms(self) -> float:
        """How long its output was on, in milliseconds; 0 when it was not, or that is not known."""
        return (self.off_ns - self.on_ns) / MS if self.on_ns and self.off_ns else 0.0

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

    def __init__(self, first: int = 1) -> None:
        """The next shot has the number `first`."""
        self.last = first - 1
        """The number of the last shot."""
        self._open: dict[int, Shot] = {}
        self._levels = [True] * CHANNELS
        self._over: list[Shot] = []

    def begin(self, channel: int, now_ns: int, window_ms: int) -> None:
        """Channel `channel` (0 to 3) has been commanded on."""
        # One that ended in this tick: its output was not written in between.
        self._close(channel, now_ns)
        self.last += 1
        self._open[channel] = Shot(self.last, channel + 1, window_ms, now_ns)
        self._levels[channel] = True

    def read(self, now_ns: int, outputs: int) -> None:
        """The levels that were read back: an output that is off, though nobody here has written it, is so since now."""
        for number, shot in self._open.items():
            if shot.on_ns and not outputs >> number & 1:
                shot.off_ns = shot.off_ns or now_ns

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
        """The outputs are as they have to be, once in each tick: dates the edges, and closes what is over."""
        for number, shot in list(self._open.items()):
            if outputs >> number & 1:
                shot.on_ns = shot.on_ns or now_ns
            elif shot.ended_ns:
                self._close(number, now_ns)

    def under_way(self) -> dict[int, Shot]:
        """The shots that are not over, by channel (0 to 3)."""
        return self._open

    def take(self) -> list[Shot]:
        """The shots that are over, each once."""
        over, self._over = self._over, []
        return over

    def _close(self, channel: int, now_ns: int) -> None:
        shot = self._open.pop(channel, None)
        if shot is not None:
            shot.off_ns = shot.off_ns or (now_ns if shot.on_ns else 0)
            self._over.append(shot)


def verdict(shot: Shot) -> str:
    """What a shot came to, in words."""
    on = f"{shot.on_ms:.1f} ms"
    return {
        End.RUNNING: "is under way",
        End.COMPLETED: f"on for {on}, current flowed to the end",
        End.UNJUDGED: f"on for {on}, too short for STATUS: whether current flowed is not known",
        End.OPENED: f"burnt open after {on}",
        End.FAULTED: f"STATUS went low after {on}: open load, overload or overtemperature",
        End.ABORTED: f"made safe after {on} ({shot.cause})" if shot.on_ns else f"never on ({shot.cause})",
        End.LOOP_ENDED: f"{_at_most(shot)} ({shot.cause})",
    }[shot.end]


def _at_most(shot: Shot) -> str:
    """What is known of a shot whose loop has ended."""
    if not shot.off_ns:
        return "whether it is off is not known: look at the lines"
    if not shot.on_ns:
        since_ms = (shot.off_ns - shot.commanded_ns) / MS
        return f"whether it was on is not known, off by {since_ms:.1f} ms after the command"
    return f"on for {shot.on_ms:.1f} ms at most"
