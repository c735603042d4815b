# SPDX-License-Identifier: Apache-2.0
"""Values as the debugger of dialect A sees them, to and from the encoding of the tags.

Both are in the target's byte order. They differ in two places: the TIME family is two 32-bit numbers (seconds and
nanoseconds, of equal sign) on the wire and one 64-bit number of nanoseconds in a tag; a STRING is a length byte and
126 characters on the wire and a 16-bit length and its characters in a tag.
"""

from __future__ import annotations

import struct

from pilotlight.tags import Type

STRING_MAX = 126
SECOND_NS = 1_000_000_000

_TIMES = (Type.TIME, Type.DATE, Type.TOD, Type.DT)
_SPAN = struct.Struct("=ii")
_NANOSECONDS = struct.Struct("=q")
_LENGTH = struct.Struct("=H")


def from_tag(kind: Type, value: bytes) -> bytes:
    """The wire's bytes of a tag's value. A time beyond 32-bit seconds shows the nearest one."""
    if kind in _TIMES:
        (total,) = _NANOSECONDS.unpack(value)
        seconds = abs(total) // SECOND_NS
        if seconds > 0x7FFF_FFFF:
            seconds, rest = 0x7FFF_FFFF, SECOND_NS - 1
        else:
            rest = abs(total) % SECOND_NS
        return _SPAN.pack(seconds, rest) if total >= 0 else _SPAN.pack(-seconds, -rest)
    if kind is Type.STRING:
        (length,) = _LENGTH.unpack_from(value)
        text = value[_LENGTH.size : _LENGTH.size + min(length, STRING_MAX)]
        return bytes((len(text),)) + text.ljust(STRING_MAX, b"\0")
    return value


def to_tag(kind: Type, value: bytes) -> bytes:
    """The tag's bytes of a value from the wire; of a STRING all 128, whatever its length.

    Raises ValueError when the number of bytes is not the type's, or the value is none of the type's.
    """
    if kind is Type.STRING:
        if not 1 <= len(value) <= 1 + STRING_MAX or value[0] > len(value) - 1:
            raise ValueError("a STRING is a length byte and at least as many characters, at most 126")
        return _LENGTH.pack(value[0]) + value[1 : 1 + value[0]].ljust(STRING_MAX, b"\0")
    if len(value) != kind.size:
        raise ValueError(f"a {kind.name} has {kind.size} bytes, not {len(value)}")
    if kind is Type.BOOL:
        return bytes((value[0] != 0,))
    if kind in _TIMES:
        seconds, rest = _SPAN.unpack(value)
        return _NANOSECONDS.pack(seconds * SECOND_NS + rest)
    return value
