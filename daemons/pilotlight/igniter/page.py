# SPDX-License-Identifier: Apache-2.0
"""A page of shared memory in which parent, guard and loop show that they live, and the loop what it has on.

Each word has one writer. A word is 8 aligned bytes; times are CLOCK_MONOTONIC nanoseconds, 0 before the first.
"""

from __future__ import annotations

import mmap
import os

SIZE = mmap.PAGESIZE
_PARENT, _GUARD, _LOOP, _OUTPUTS = range(4)


class Page:
    """The page behind an inherited descriptor, or a new one."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, SIZE)
        self._words = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls) -> Page:
        """A new page, all 0."""
        fd = os.memfd_create("pilotlight-igniter", os.MFD_CLOEXEC)
        os.ftruncate(fd, SIZE)
        return cls(fd)

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

    def close(self) -> None:
        """Let go of the page."""
        self._words.release()
        self._map.close()
        os.close(self.fd)
