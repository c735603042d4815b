# SPDX-License-Identifier: Apache-2.0
"""A tag: the description of one value. And the quality that goes with every value."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pilotlight.tags.values import LONGEST_STRING, Type, size_of

LONGEST_NAME = 255
LONGEST_UNIT = 32
LONGEST_DESCRIPTION = 1024


class Flags(enum.IntFlag):
    """What a tag is for."""

    INPUT = 1
    OUTPUT = 2
    RETENTIVE = 4
    WRITABLE = 8


NO_FLAGS = Flags(0)


class Quality(enum.IntEnum):
    """How far a value can be trusted; one byte beside every value."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2
    STALE = 3


@dataclass(frozen=True)
class Tag:
    """One value of a segment, described.

    `name` is 1 to 255 bytes of UTF-8 without spaces or control characters, unique in its segment and without
    the segment's name. `length` is the most bytes of text a STRING holds (1 to 4096), and 0 for every other
    type. Raises ValueError when the description breaks one of these rules.
    """

    name: str
    type: Type
    length: int = 0
    unit: str = ""
    description: str = ""
    flags: Flags = NO_FLAGS

    def __post_init__(self) -> None:
        name_size = len(self.name.encode())
        if not 1 <= name_size <= LONGEST_NAME:
            raise ValueError(f"a tag name has 1 to {LONGEST_NAME} bytes, this one has {name_size}")
        if " " in self.name or not self.name.isprintable():
            raise ValueError(f"the tag name {self.name!r} has a space or a character that cannot be printed")
        if self.type is Type.STRING:
            if not 1 <= self.length <= LONGEST_STRING:
                raise ValueError(f"{self.name}: a STRING has a length of 1 to {LONGEST_STRING}")
        elif self.length != 0:
            raise ValueError(f"{self.name}: only a STRING has a length")
        if len(self.unit.encode()) > LONGEST_UNIT:
            raise ValueError(f"{self.name}: the unit is longer than {LONGEST_UNIT} bytes")
        if len(self.description.encode()) > LONGEST_DESCRIPTION:
            raise ValueError(f"{self.name}: the description is longer than {LONGEST_DESCRIPTION} bytes")

    @property
    def size(self) -> int:
        """Bytes the value takes in the image."""
        return size_of(self.type, self.length)
