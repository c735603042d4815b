# SPDX-License-Identifier: Apache-2.0
"""The elementary types of IEC 61131-3, their widths, and how a value of each is stored.

The rule for a value that does not fit: it is refused (`TagValueError`), never clipped and never stored. A
REAL is rounded to binary32, as the type says, but a finite number beyond its range is refused, not turned
into infinity.

Python values: BOOL is `bool` (0 and 1 are taken too), integers and bit strings are `int`, REAL and LREAL are
`float` (any `int` or `float` is taken), TIME and TOD are nanoseconds, DATE and DT are nanoseconds since 1970,
CHAR is a `str` of one character up to U+00FF, STRING is a `str` of at most `length` bytes of UTF-8.
"""

from __future__ import annotations

import enum
import struct

from pilotlight.tags.errors import TagValueError

Value = bool | int | float | str

LONGEST_STRING = 4096
STRING_HEADER = 2
"""Bytes before the text of a STRING: its length in bytes as a 16-bit integer."""


class Type(enum.IntEnum):
    """An elementary type; the number is its code in the directory of a segment."""

    BOOL = 1
    SINT = 2
    INT = 3
    DINT = 4
    LINT = 5
    USINT = 6
    UINT = 7
    UDINT = 8
    ULINT = 9
    BYTE = 10
    WORD = 11
    DWORD = 12
    LWORD = 13
    REAL = 14
    LREAL = 15
    TIME = 16
    DATE = 17
    TOD = 18
    DT = 19
    CHAR = 20
    STRING = 21

    @property
    def size(self) -> int:
        """Bytes in the image; of a STRING the bytes before its text."""
        return _SIZES[self]

    @property
    def align(self) -> int:
        """What the offset in the image is a multiple of."""
        return _SIZES[self]


_CODES: dict[Type, str] = {
    Type.BOOL: "?", Type.SINT: "b", Type.INT: "h", Type.DINT: "i", Type.LINT: "q",
    Type.USINT: "B", Type.UINT: "H", Type.UDINT: "I", Type.ULINT: "Q",
    Type.BYTE: "B", Type.WORD: "H", Type.DWORD: "I", Type.LWORD: "Q",
    Type.REAL: "f", Type.LREAL: "d",
    Type.TIME: "q", Type.DATE: "q", Type.TOD: "q", Type.DT: "q",
    Type.CHAR: "B", Type.STRING: "H",
}  # fmt: skip
_STRUCTS: dict[Type, struct.Struct] = {kind: struct.Struct("<" + code) for kind, code in _CODES.items()}
_SIZES: dict[Type, int] = {kind: packer.size for kind, packer in _STRUCTS.items()}
_FLOATS = (Type.REAL, Type.LREAL)


def size_of(kind: Type, length: int = 0) -> int:
    """Bytes a value takes in the image; `length` is the most bytes of text of a STRING."""
    return STRING_HEADER + length if kind is Type.STRING else _SIZES[kind]


def bounds(kind: Type) -> tuple[int, int]:
    """The least and the greatest value of an integer, bit string or time type."""
    bits = 8 * _SIZES[kind]
    if _CODES[kind].islower():
        return -(1 << bits - 1), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1


def encode(kind: Type, value: Value, length: int = 0) -> bytes:
    """The bytes of a value as the image holds them.

    Raises TagValueError when the value is of the wrong kind or does not fit.
    """
    if kind is Type.STRING:
        return _encode_string(value, length)
    return _STRUCTS[kind].pack(checked(kind, value))


def checked(kind: Type, value: Value) -> bool | int | float:
    """What is stored for a value of any type but STRING; raises TagValueError when it does not fit."""
    if kind is Type.BOOL:
        if value is True or value is False or (isinstance(value, int) and 0 <= value <= 1):
            return bool(value)
        raise TagValueError(f"{value!r} is not a BOOL: give True or False")
    if kind in _FLOATS:
        return _checked_float(kind, value)
    if kind is Type.CHAR:
        if isinstance(value, str) and len(value) == 1 and ord(value) < 256:
            return ord(value)
        raise TagValueError(f"{value!r} is not a CHAR: give one character up to U+00FF")
    if isinstance(value, bool) or not isinstance(value, int):
        raise TagValueError(f"{value!r} is not an integer, which {kind.name} needs")
    low, high = bounds(kind)
    if not low <= value <= high:
        raise TagValueError(f"{value} does not fit {kind.name} ({low} to {high})")
    return value


def _checked_float(kind: Type, value: Value) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
        raise TagValueError(f"{value!r} is not a number, which {kind.name} needs")
    try:
        number = float(value)
        _STRUCTS[kind].pack(number)
    except OverflowError as error:
        raise TagValueError(f"{value!r} is beyond the range of {kind.name}") from error
    return number


def _encode_string(value: Value, length: int) -> bytes:
    if not isinstance(value, str):
        raise TagValueError(f"{value!r} is not text, which STRING needs")
    try:
        text = value.encode()
    except UnicodeEncodeError as error:
        raise TagValueError(f"{value!r} cannot be written as UTF-8") from error
    if len(text) > length:
        raise TagValueError(f"the text takes {len(text)} bytes and STRING[{length}] holds {length}")
    return _STRUCTS[Type.STRING].pack(len(text)) + text.ljust(length, b"\0")


def decode(kind: Type, data: bytes | memoryview) -> Value:
    """The value of stored bytes. Whatever they are, they have a value: a segment may come from anyone."""
    if kind is Type.STRING:
        used = min(int.from_bytes(data[:STRING_HEADER], "little"), len(data) - STRING_HEADER)
        return str(data[STRING_HEADER : STRING_HEADER + used], "utf-8", "replace")
    number: Value = _STRUCTS[kind].unpack(data)[0]
    if kind is Type.CHAR and isinstance(number, int):
        return chr(number)
    return number


def code(kind: Type) -> str:
    """The `struct` code of a type; of a STRING that of its length."""
    return _CODES[kind]
