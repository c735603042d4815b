# SPDX-License-Identifier: Apache-2.0
"""Where a program keeps its values: cells, tables of cells, and the places and ranges that name them."""

from __future__ import annotations

import msgspec

from pilotlight.plc.ir.expressions import At, Expression, Load
from pilotlight.tags import Type

DIVISION_ERROR = 0
"""Slot of `fault.division_error` in every program."""
OUT_OF_RANGE = 1
"""Slot of `fault.out_of_range` in every program."""
ADDRESS_ERROR = 2
"""Slot of `fault.address_error` in every program."""
TRANSIENT_FAULTS = ("fault.division_error", "fault.out_of_range", "fault.address_error")
"""Names of the first three cells: cleared when a scan starts, set by instructions."""

CELL_TYPES = (Type.BOOL, Type.INT, Type.DINT, Type.LINT, Type.REAL, Type.WORD, Type.CHAR)
"""Types a cell can have; LINT is for internal cells alone."""


class Cell(msgspec.Struct, frozen=True):
    """One value of the image; its slot is its place in `Program.cells`.

    BOOL is stored as 0 or 1, CHAR as the code of the character (0: no character), REAL as a float that is a
    binary32 and not minus zero, the others as integers of their width. An internal cell is the memory of an
    instruction: no tag, never retentive, 0 after every start.
    """

    name: str
    type: Type
    default: int | float = 0
    retentive: bool = False
    readonly: bool = False
    internal: bool = False
    comment: str = ""


class Table(msgspec.Struct, frozen=True):
    """Cells of one type that an address selects while the program runs.

    Address `first + i` is slot `slots[i]`, or no address when that is −1.
    """

    name: str
    type: Type
    first: int
    slots: tuple[int, ...]


class Edge(msgspec.Struct, frozen=True):
    """At the end of a scan, `previous` becomes the truth of `slot`."""

    slot: int
    previous: int


class Range(msgspec.Struct, frozen=True, tag_field="is", tag="range"):
    """Cells in a fixed order, each with the address that `Search` reports."""

    type: Type
    slots: tuple[int, ...]
    addresses: tuple[int, ...]


class Window(msgspec.Struct, frozen=True, tag_field="is", tag="window"):
    """The addresses of a table from `first` to `last`, both included, resolved when the instruction runs.

    Addresses the table does not have are left out. An end outside the table, or `first` above `last`, is an
    address error, and the instruction does nothing.
    """

    table: int
    first: Expression
    last: Expression
    reverse: bool = False


Place = Load | At
"""What one value can be stored to."""
Cells = Range | Window
"""What several values can be stored to."""
