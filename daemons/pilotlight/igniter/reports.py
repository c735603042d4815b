# SPDX-License-Identifier: Apache-2.0
"""What the firing loop tells its parent through a pipe: fixed records, each written whole or not at all."""

from __future__ import annotations

import enum
import os
import struct
from dataclasses import dataclass

from . import records

_HEAD = struct.Struct("<BxxxIq")
TEXT = records.SIZE
SIZE = _HEAD.size + TEXT


class Report(enum.IntEnum):
    """Kinds of records."""

    READY = 1
    """The loop has begun."""
    VERDICT = 2
    """Command `number` has the verdict `value`; the checks that fail are in the text, as a number."""
    MODE = 3
    """The mode has become `number`, by cause `value`."""
    SHOT = 4
    """A shot is over; the text is its record."""
    NOTICE = 5
    """The text is for people."""


@dataclass(frozen=True)
class Message:
    """A decoded record."""

    kind: Report
    number: int
    value: int
    text: bytes


def encode(kind: Report, number: int = 0, value: int = 0, text: bytes = b"") -> bytes:
    """The bytes of a record; a text that is too long is cut."""
    return _HEAD.pack(kind, number, value) + text[:TEXT].ljust(TEXT, b"\0")


def decode(data: bytes) -> Message:
    """The record in `data`. ValueError when it is none."""
    if len(data) != SIZE:
        raise ValueError(f"a report has {SIZE} bytes, not {len(data)}")
    kind, number, value = _HEAD.unpack_from(data)
    return Message(Report(kind), number, value, data[_HEAD.size :])


class Teller:
    """The loop's end of the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.lost = 0
        """Records that found the pipe full: the parent does not read, and is about to count as dead."""
        os.set_blocking(fd, False)

    def tell(self, kind: Report, number: int = 0, value: int = 0, text: bytes = b"") -> None:
        """Send a record without waiting."""
        try:
            os.write(self._fd, encode(kind, number, value, text))
        except BlockingIOError:
            self.lost += 1
