# SPDX-License-Identifier: Apache-2.0
"""Where the native image keeps each cell.

The image is one array for each type, the widest first, so that each cell has its real width and alignment. In C it
is a struct; here it is a buffer. Numbers are in the byte order of the machine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from pilotlight.plc import ir
from pilotlight.tags import Type

Number = int | float
ALIGNMENT = 8
"""Bytes that the size of an image is a multiple of."""


@dataclass(frozen=True)
class Array:
    """The cells of one type: a member of the struct."""

    member: str
    type: Type
    ctype: str
    code: str

    @property
    def size(self) -> int:
        """Bytes of one cell."""
        return struct.calcsize(self.code)


ARRAYS = (
    Array("l", Type.LINT, "int64_t", "q"),
    Array("d", Type.DINT, "int32_t", "i"),
    Array("r", Type.REAL, "float", "f"),
    Array("i", Type.INT, "int16_t", "h"),
    Array("w", Type.WORD, "uint16_t", "H"),
    Array("b", Type.BOOL, "uint8_t", "B"),
    Array("c", Type.CHAR, "uint8_t", "B"),
)
"""In the order of the struct. BOOL is first to have slots, so the transient faults are places 0 to 2 of `b`."""
_OF_TYPE = {array.type: array for array in ARRAYS}


def array_of(kind: Type) -> Array:
    """The array that cells of a type are in."""
    return _OF_TYPE[kind]


class Layout:
    """The places of the cells of one program, which has the faults and so more than one."""

    def __init__(self, cells: Iterable[ir.Cell]) -> None:
        self.cells: tuple[ir.Cell, ...] = tuple(cells)
        self.counts: dict[Type, int] = {array.type: 0 for array in ARRAYS}
        self.places: list[int] = []
        """Of each slot, its place in the array of its type."""
        for cell in self.cells:
            self.places.append(self.counts[cell.type])
            self.counts[cell.type] += 1
        self.starts: dict[Type, int] = {}
        end = 0
        for array in ARRAYS:
            self.starts[array.type] = end
            end += array.size * self.counts[array.type]
        self.size: int = -(-end // ALIGNMENT) * ALIGNMENT

    def offset(self, slot: int) -> int:
        """Byte offset of a cell."""
        kind = self.cells[slot].type
        return self.starts[kind] + self.places[slot] * _OF_TYPE[kind].size

    def name(self, slot: int) -> str:
        """A cell in C."""
        return f"m->{_OF_TYPE[self.cells[slot].type].member}[{self.places[slot]}]"

    def code(self, slot: int) -> str:
        """The `struct` code of a cell."""
        return _OF_TYPE[self.cells[slot].type].code

    @cached_property
    def _packer(self) -> struct.Struct:
        used = sum(array.size * self.counts[array.type] for array in ARRAYS)
        codes = "".join(f"{self.counts[array.type]}{array.code}" for array in ARRAYS)
        return struct.Struct(f"={codes}{self.size - used}x")

    @cached_property
    def _order(self) -> list[int]:
        """The slots in the order of the image."""
        return sorted(range(len(self.cells)), key=self.offset)

    @cached_property
    def _by_place(self) -> Callable[[Sequence[Number]], tuple[Number, ...]]:
        return itemgetter(*self._order)

    @cached_property
    def _by_slot(self) -> Callable[[Sequence[Number]], tuple[Number, ...]]:
        return itemgetter(*sorted(range(len(self.cells)), key=self._order.__getitem__))

    def pack(self, numbers: Sequence[Number]) -> bytes:
        """The image of these numbers, one for each slot."""
        return self._packer.pack(*self._by_place(numbers))

    def unpack(self, image: bytes | bytearray | memoryview) -> list[Number]:
        """The numbers of an image by slot."""
        return list(self._by_slot(self._packer.unpack_from(image)))
