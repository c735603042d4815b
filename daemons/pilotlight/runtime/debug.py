# SPDX-License-Identifier: Apache-2.0
"""Debugger frames of dialect A: the bytes the Editor's debugger exchanges with the runtime.

    request                                   answer
    41                                        41 count:u16
    42 index:u16 force:u8 length:u16 value    42 7E
    43 first:u16 last:u16                     43 7E last:u16 tick:u32 size:u16 data
    44 n:u16 index:u16 × n                    44 7E last:u16 tick:u32 size:u16 data
    45 DE AD 00 00                            45 7E identity[32]

Header fields are big-endian. Values are in the target's byte order and in the layout of the generated C code: the
TIME family as two 32-bit numbers (seconds, nanoseconds), STRING as a length byte and 126 characters. A debugger
whose marker arrives in reversed byte order sends the values it forces reversed; strings never are.

`handle` is pure apart from what it asks of the target, and accepts any bytes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from typing import Protocol

from pilotlight.runtime import wire
from pilotlight.tags import Type

FRAME_MAX = 4096
LIST_MAX = 256
"""Most variables one 0x44 request may name."""

OK, OUT_OF_BOUNDS, OUT_OF_MEMORY, NOT_LOADED = 0x7E, 0x81, 0x82, 0x83
INFO, SET, GET_RANGE, GET_LIST, IDENTITY = 0x41, 0x42, 0x43, 0x44, 0x45

_HEADER = struct.Struct(">BBHIH")
_MARKER = 0xDEAD


class DebugTarget(Protocol):
    """The loaded program as the debugger sees it. Variable numbers are positions in `types`."""

    @property
    def types(self) -> Sequence[Type]:
        """Type of every variable, in the order of the program's description."""

    @property
    def identity(self) -> str:
        """32 hexadecimal digits."""

    @property
    def tick(self) -> int:
        """Scan counter; its low 32 bits are sent."""

    reversed: bool
    """The debugger sends forced values byte-reversed. False when a program is loaded; set by frame 0x45."""

    def read(self, index: int) -> bytes:
        """The variable's value in the encoding of its tag."""

    def force(self, index: int, value: bytes) -> bool:
        """Force to `value` (encoding of the tag). False when the force table or the command ring is full."""

    def unforce(self, index: int) -> bool:
        """Let go. False when the command ring is full."""


def handle(request: bytes, target: DebugTarget | None) -> bytes | None:
    """Answer one frame; None when it is no frame of this protocol. `target` is None while no program is loaded."""
    if not request or len(request) > FRAME_MAX or not INFO <= request[0] <= IDENTITY:
        return None
    function = request[0]
    if target is None:
        return bytes((INFO, 0, 0)) if function == INFO else bytes((function, NOT_LOADED))
    if function == INFO:
        return struct.pack(">BH", INFO, len(target.types))
    if function == SET:
        return bytes((SET, _set(request, target)))
    if function == GET_RANGE:
        return _get_range(request, target)
    if function == GET_LIST:
        return _get_list(request, target)
    return _identity(request, target)


def _set(request: bytes, target: DebugTarget) -> int:
    if len(request) < 4:
        return OUT_OF_BOUNDS
    index, force = struct.unpack_from(">HB", request, 1)
    if index >= len(target.types):
        return OUT_OF_BOUNDS
    if not force:
        return OK if target.unforce(index) else OUT_OF_MEMORY
    if len(request) < 6:
        return OUT_OF_BOUNDS
    (length,) = struct.unpack_from(">H", request, 4)
    value = request[6 : 6 + length]
    if len(value) != length:
        return OUT_OF_BOUNDS
    kind = target.types[index]
    if target.reversed and kind is not Type.STRING:
        value = value[::-1]
    try:
        tagged = wire.to_tag(kind, value)
    except ValueError:
        return OUT_OF_BOUNDS
    return OK if target.force(index, tagged) else OUT_OF_MEMORY


def _get_range(request: bytes, target: DebugTarget) -> bytes:
    if len(request) < 5:
        return bytes((GET_RANGE, OUT_OF_BOUNDS))
    first, last = struct.unpack_from(">HH", request, 1)
    if first > last or last >= len(target.types):
        return bytes((GET_RANGE, OUT_OF_BOUNDS))
    return _values(GET_RANGE, range(first, last + 1), target)


def _get_list(request: bytes, target: DebugTarget) -> bytes:
    if len(request) < 3:
        return bytes((GET_LIST, OUT_OF_BOUNDS))
    (count,) = struct.unpack_from(">H", request, 1)
    if count > LIST_MAX:
        return bytes((GET_LIST, OUT_OF_MEMORY))
    if count == 0 or len(request) < 3 + 2 * count:
        return bytes((GET_LIST, OUT_OF_BOUNDS))
    indexes = struct.unpack_from(f">{count}H", request, 3)
    if max(indexes) >= len(target.types):
        return bytes((GET_LIST, OUT_OF_BOUNDS))
    return _values(GET_LIST, indexes, target)


def _values(function: int, indexes: Sequence[int], target: DebugTarget) -> bytes:
    """As many values as fit in a frame; `last` tells the debugger where to go on."""
    data = bytearray()
    last = indexes[0]
    for index in indexes:
        value = wire.from_tag(target.types[index], target.read(index))
        if _HEADER.size + len(data) + len(value) > FRAME_MAX:
            break
        data += value
        last = index
    return _HEADER.pack(function, OK, last, target.tick & 0xFFFF_FFFF, len(data)) + bytes(data)


def _identity(request: bytes, target: DebugTarget) -> bytes:
    marker = request[1:3]
    if int.from_bytes(marker, sys.byteorder) == _MARKER and len(marker) == 2:
        target.reversed = False
    elif int.from_bytes(marker[::-1], sys.byteorder) == _MARKER and len(marker) == 2:
        target.reversed = True
    else:
        return bytes((IDENTITY, OUT_OF_BOUNDS))
    return bytes((IDENTITY, OK)) + target.identity.encode("ascii")
