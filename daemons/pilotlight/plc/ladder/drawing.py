# SPDX-License-Identifier: Apache-2.0
"""What a drawing of a rung is made of. Places are columns and rows of characters; `live` is drawn with emphasis."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """A wire between the middles of two places of one row, or of one column."""

    x1: int
    y1: int
    x2: int
    y2: int
    live: bool


@dataclass(frozen=True)
class Bar:
    """One side of a contact."""

    x: int
    y: int
    closed: bool


@dataclass(frozen=True)
class Bracket:
    """One side of a coil: "(" or ")"."""

    x: int
    y: int
    side: str
    live: bool


@dataclass(frozen=True)
class Frame:
    """The frame of a box, with a title in its upper side."""

    x1: int
    y1: int
    x2: int
    y2: int
    title: str
    live: bool


@dataclass(frozen=True)
class Words:
    """Text that begins at a place; `role` is label, mark or row."""

    x: int
    y: int
    text: str
    role: str


@dataclass(frozen=True)
class Stub:
    """A piece of the left rail, from which a pin gets its power."""

    x: int
    y: int
    live: bool


Mark = Line | Bar | Bracket | Frame | Words | Stub


@dataclass
class Drawing:
    """Marks on a grid of `width` columns and `height` rows; the rails are columns 0 and `width - 1`."""

    width: int
    height: int = 0
    marks: list[Mark] = field(default_factory=list)
