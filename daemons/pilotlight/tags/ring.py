# SPDX-License-Identifier: Apache-2.0
"""Commands from a parent to its real-time child through shared memory, and the parent's sign of life."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

from pilotlight.tags import _core
from pilotlight.tags.errors import SegmentDamaged

MAGIC = b"PLCMRING"
VERSION = 1
HEADER = struct.Struct("<8sIII")
SLOTS_AT = 256
MOST_SLOTS = 65536
LARGEST_SLOT = 65536
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class CommandRing:
    """A bounded queue between two processes: one pushes, the other pops, nobody waits.

    The memory has no name; a child gets it by inheriting `fd`. Its size is sealed: neither side can cut it
    short.
    """

    def __init__(self, fd: int, capacity: int, slot: int) -> None:
        self.fd: Final = fd
        self.capacity: Final = capacity
        self.slot: Final = slot
        self._core = _core.Ring(fd, capacity, slot)

    @classmethod
    def create(cls, capacity: int = 256, slot: int = 256) -> CommandRing:
        """A new ring of `capacity` commands (a power of two) of at most `slot` bytes; both are 1 to 65536."""
        if not 1 <= capacity <= MOST_SLOTS or capacity.bit_count() != 1 or not 1 <= slot <= LARGEST_SLOT:
            raise ValueError("a ring has 1 to 65536 slots (a power of two) of 1 to 65536 bytes")
        fd = os.memfd_create("pilotlight-commands", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.posix_fallocate(fd, 0, SLOTS_AT + capacity * _stride(slot))
        os.pwrite(fd, HEADER.pack(MAGIC, VERSION, capacity, slot), 0)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return cls(fd, capacity, slot)

    @classmethod
    def attach(cls, fd: int) -> CommandRing:
        """The ring that was created as `fd`; raises SegmentDamaged when it is none."""
        header = os.pread(fd, HEADER.size, 0)
        if len(header) < HEADER.size:
            raise SegmentDamaged("the descriptor is not a command ring")
        magic, version, capacity, slot = HEADER.unpack(header)
        if magic != MAGIC or version != VERSION:
            raise SegmentDamaged("the descriptor is not a command ring")
        try:
            return cls(fd, capacity, slot)
        except ValueError as error:
            raise SegmentDamaged(f"the command ring is damaged: {error}") from error

    def push(self, command: bytes) -> bool:
        """Append a command; False when the ring is full. Raises ValueError when it is longer than a slot."""
        return self._core.push(command)

    def pop(self) -> bytes | None:
        """The oldest command, or None. Raises ValueError for one that is damaged, which is dropped."""
        return self._core.pop()

    def touch(self, now_ns: int) -> None:
        """The parent's sign of life (CLOCK_MONOTONIC)."""
        self._core.touch(now_ns)

    @property
    def touched_ns(self) -> int:
        """When the parent last gave a sign of life; 0 when it never did."""
        return self._core.touched()

    def close(self) -> None:
        """Let go of the ring and its descriptor."""
        self._core.close()
        os.close(self.fd)


def _stride(slot: int) -> int:
    """Bytes from slot to slot: the length of the command, the command, rounded up to 8."""
    return (slot + 4 + 7) // 8 * 8
