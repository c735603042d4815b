# SPDX-License-Identifier: Apache-2.0
"""Values of tags as people give them, and numbers as cells hold them.

A tag's value is a bool, an int, a float, or a str of at most one character. A value that is not of the tag's
type, or does not fit it, is refused with `TagValueError`; it is never stored.
"""

from __future__ import annotations

import struct

from pilotlight.tags import TagValueError, Type, Value
from pilotlight.tags.values import checked

Number = int | float
_BINARY32 = struct.Struct("<f")
_BOOL = Type.BOOL  # patches are mostly of this type; a member costs a look-up of its own


def single(number: float) -> float:
    """A number rounded to binary32, without a minus zero; raises OverflowError beyond its range."""
    rounded: float = _BINARY32.unpack(_BINARY32.pack(number))[0]
    return rounded + 0.0


def to_cell(kind: Type, value: Value) -> Number:
    """What a cell of this type holds for a value; raises TagValueError when it does not fit.

    A CHAR takes "" too: no character.
    """
    if kind is _BOOL and value.__class__ is bool:
        return int(value)
    if kind is Type.CHAR and value == "":
        return 0
    number = checked(kind, value)
    return single(number) if isinstance(number, float) else int(number)


def from_cell(kind: Type, number: Number) -> Value:
    """The value of what a cell of this type holds."""
    if kind is Type.BOOL:
        return number != 0
    if kind is Type.CHAR:
        return chr(int(number)) if number else ""
    return number


def kind_of_value(value: Value) -> Type:
    """The narrowest of BOOL, INT, DINT, REAL and CHAR that has the value; raises TagValueError when none has."""
    if isinstance(value, bool):
        return Type.BOOL
    if isinstance(value, str):
        return Type.CHAR
    if isinstance(value, float):
        return Type.REAL
    if -0x8000 <= value < 0x8000:
        return Type.INT
    if -0x80000000 <= value < 0x80000000:
        return Type.DINT
    raise TagValueError(f"{value} does not fit DINT, the widest integer of a tag")
