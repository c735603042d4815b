# SPDX-License-Identifier: Apache-2.0
"""Whether the process that holds a mutex in shared memory has ended, seen as soon as its end begins.

When a process ends, the kernel first marks the robust mutexes it holds, then takes its memory down, and only then do
pidfds and pipes tell: milliseconds later for one whose memory is locked. See set_robust_list(2) and
pthread_mutexattr_setrobust(3).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

SIZE = 64
"""Bytes of shared memory, at a multiple of 8: no less than any machine's pthread_mutex_t."""
_ATTRIBUTES = 16
_SHARED = _ROBUST = 1


class Presence:
    """The mutex at a place in shared memory. Whoever makes that memory calls `make`, before anybody holds it."""

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._mutex = (ctypes.c_byte * SIZE).from_buffer(memory, at)
        self._libc = ctypes.CDLL(None)
        self._ended = False

    def make(self) -> None:
        """Begin: nobody holds it. OSError."""
        attributes = (ctypes.c_byte * _ATTRIBUTES)()
        _check(self._libc.pthread_mutexattr_init(attributes))
        _check(self._libc.pthread_mutexattr_setpshared(attributes, _SHARED))
        _check(self._libc.pthread_mutexattr_setrobust(attributes, _ROBUST))
        _check(self._libc.pthread_mutex_init(self._mutex, attributes))

    def hold(self) -> None:
        """Be the one whose end is seen, until `release` by the same thread. OSError if one before has ended unseen."""
        code: int = self._libc.pthread_mutex_lock(self._mutex)
        if code == errno.EOWNERDEAD:
            self.release()
        _check(code)

    def release(self) -> None:
        """Hold it no more: the memory may go."""
        _check(self._libc.pthread_mutex_unlock(self._mutex))

    def has_ended(self) -> bool:
        """Whether the end of the holder has begun: for one who watches. False as long as nobody holds it. OSError."""
        code: int = self._libc.pthread_mutex_trylock(self._mutex)
        if code == errno.EBUSY:
            return self._ended
        if code == errno.EOWNERDEAD:
            self._ended = True
            _check(self._libc.pthread_mutex_consistent(self._mutex))
        else:
            _check(code)
        self.release()
        return self._ended

    def close(self) -> None:
        """Let go of the memory, so that it can be unmapped."""
        del self._mutex


def _check(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))
