# SPDX-License-Identifier: Apache-2.0
"""The end of a process is seen by the mutex that it holds."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator

import pytest
from pilotlight.io.presence import SIZE, Presence

AT = 2 * SIZE


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    made = Presence(shared, AT)
    made.make()
    made.close()
    yield shared
    shared.close()  # BufferError when somebody still uses it


class Holder:
    """A process that holds the mutex until it is killed."""

    def __init__(self, memory: mmap.mmap) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                Presence(memory, AT).hold()
                os.write(writing, b"held")
                signal.pause()
            finally:
                os._exit(1)
        os.close(writing)
        assert os.read(reading, 4) == b"held"
        os.close(reading)

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_who_holds_lives_until_it_is_killed(memory: mmap.mmap) -> None:
    seen = Presence(memory, AT)
    assert not seen.has_ended(), "nobody holds it"
    holder = Holder(memory)
    assert not seen.has_ended()
    holder.kill()
    assert seen.has_ended()
    assert seen.has_ended(), "it stays so"
    seen.close()


def test_who_has_released_it_has_not_ended(memory: mmap.mmap) -> None:
    own = Presence(memory, AT)
    own.hold()
    assert not own.has_ended()
    own.release()
    assert not own.has_ended()
    own.close()


def test_nobody_holds_what_somebody_died_with(memory: mmap.mmap) -> None:
    Holder(memory).kill()
    own = Presence(memory, AT)
    with pytest.raises(OSError, match="Owner died"):
        own.hold()
    own.close()
