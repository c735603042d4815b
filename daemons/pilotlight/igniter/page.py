# SPDX-License-Identifier: Apache-2.0
"""A page of shared memory in which parent, guard and loop show that they live, and the loop what it has on and why.

Each word has one writer. A word is 8 aligned bytes; times are CLOCK_MONOTONIC nanoseconds, 0 before the first.
"""

from __future__ import annotations

import mmap
import os

from pilotlight.io.presence import Presence

from .bank import CHANNELS
from .records import Shot

SIZE = mmap.PAGESIZE
_PARENT, _GUARD, _LOOP, _OUTPUTS, _PROMPT, _LAST_SHOT, _STALLED, _SHOTS = range(8)
_SHOT_WORDS = 4
_PRESENCE = 1024
"""Where the loop's mutex is, behind all words."""


class Page:
    """The page behind an inherited descriptor, or a new one."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, SIZE)
        self._words = memoryview(self._map).cast("Q")
        self.loop = Presence(self._map, _PRESENCE)
        """What the loop holds while it runs."""

    @classmethod
    def create(cls) -> Page:
        """A new page, all 0, with no loop."""
        fd = os.memfd_create("pilotlight-igniter", os.MFD_CLOEXEC)
        os.ftruncate(fd, SIZE)
        page = cls(fd)
        page.loop.make()
        return page

    @property
    def parent_ns(self) -> int:
        """When the parent last gave a sign of life."""
        return self._words[_PARENT]

    @parent_ns.setter
    def parent_ns(self, now_ns: int) -> None:
        self._words[_PARENT] = now_ns

    @property
    def guard_ns(self) -> int:
        """When the guard last gave a sign of life."""
        return self._words[_GUARD]

    @guard_ns.setter
    def guard_ns(self, now_ns: int) -> None:
        self._words[_GUARD] = now_ns

    @property
    def guard_real_time(self) -> bool:
        """Whether the guard has real-time priority."""
        return bool(self._words[_PROMPT])

    @guard_real_time.setter
    def guard_real_time(self, has: bool) -> None:
        self._words[_PROMPT] = has

    @property
    def loop_ns(self) -> int:
        """When the loop last began a tick."""
        return self._words[_LOOP]

    @loop_ns.setter
    def loop_ns(self, now_ns: int) -> None:
        self._words[_LOOP] = now_ns

    @property
    def outputs(self) -> int:
        """The outputs that may be on: set before one is switched on, cleared after all are off."""
        return self._words[_OUTPUTS]

    @outputs.setter
    def outputs(self, mask: int) -> None:
        self._words[_OUTPUTS] = mask

    @property
    def last_shot(self) -> int:
        """The number of the loop's last shot."""
        return self._words[_LAST_SHOT]

    @last_shot.setter
    def last_shot(self, number: int) -> None:
        self._words[_LAST_SHOT] = number

    @property
    def stalled_ns(self) -> int:
        """How long the loop had been silent when the guard ended it for that; 0 while the guard has not."""
        return self._words[_STALLED]

    @stalled_ns.setter
    def stalled_ns(self, age_ns: int) -> None:
        self._words[_STALLED] = age_ns

    def keep(self, channel: int, shot: Shot) -> None:
        """Show a shot of `channel` (0 to 3) that is under way."""
        at = _SHOTS + channel * _SHOT_WORDS
        # The number last: it tells that the others are the shot's.
        self._words[at] = 0
        self._words[at + 1], self._words[at + 2], self._words[at + 3] = shot.commanded_ns, shot.window_ms, shot.on_ns
        self._words[at] = shot.number

    def forget(self, channel: int) -> None:
        """There is no shot of the channel under way whose record was not told."""
        self._words[_SHOTS + channel * _SHOT_WORDS] = 0

    def kept(self) -> list[Shot]:
        """The shots that the loop has shown and not forgotten."""
        found = []
        for channel in range(CHANNELS):
            at = _SHOTS + channel * _SHOT_WORDS
            number, commanded_ns, window_ms, on_ns = self._words[at : at + _SHOT_WORDS]
            if number:
                found.append(Shot(number, channel + 1, window_ms, commanded_ns, on_ns))
        return found

    def close(self) -> None:
        """Let go of the page."""
        self._words.release()
        self.loop.close()
        self._map.close()
        os.close(self.fd)
