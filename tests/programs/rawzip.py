# SPDX-License-Identifier: Apache-2.0
"""A ZIP writer that writes whatever it is told, true or not."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Raw:
    """An entry. What is None is what it should be; the `local_` fields are those of its own header."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0x800
    mode: int = 0o100644
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    compressed: int | None = None
    disk: int = 0
    begin: int | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_crc: int | None = None
    local_size: int | None = None
    local_signature: bytes = b"PK\x03\x04"

    @property
    def stored(self) -> bytes:
        """The entry's data as it lies in the file."""
        if self.packed is not None:
            return self.packed
        return deflate(self.data) if self.method == 8 else self.data


def deflate(data: bytes) -> bytes:
    """Raw deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def pack(
    entries: Sequence[Raw],
    *,
    prefix: bytes = b"",
    suffix: bytes = b"",
    count: int | None = None,
    directory_size: int | None = None,
    directory_offset: int | None = None,
    directory_extra: bytes = b"",
    disk: int = 0,
    central_signature: bytes = b"PK\x01\x02",
) -> bytes:
    """The file."""
    body = bytearray(prefix)
    begins = []
    for e in entries:
        begins.append(len(body))
        name = e.name if e.local_name is None else e.local_name
        body += struct.pack(
            "<4s5H3I2H",
            e.local_signature,
            20,
            _or(e.local_flags, e.flags),
            _or(e.local_method, e.method),
            0,
            0x21,
            _or(e.local_crc, _or(e.crc, zlib.crc32(e.data))),
            _or(e.compressed, len(e.stored)),
            _or(e.local_size, _or(e.size, len(e.data))),
            len(name),
            0,
        )
        body += name + e.stored
    directory = bytearray()
    for e, begin in zip(entries, begins, strict=True):
        directory += struct.pack(
            "<4s6H3I5H2I",
            central_signature,
            0x031E,
            20,
            e.flags,
            e.method,
            0,
            0x21,
            _or(e.crc, zlib.crc32(e.data)),
            _or(e.compressed, len(e.stored)),
            _or(e.size, len(e.data)),
            len(e.name),
            0,
            0,
            e.disk,
            0,
            e.mode << 16,
            _or(e.begin, begin),
        )
        directory += e.name
    directory += directory_extra
    end = struct.pack(
        "<4s4H2IH",
        b"PK\x05\x06",
        disk,
        disk,
        _or(count, len(entries)),
        _or(count, len(entries)),
        _or(directory_size, len(directory)),
        _or(directory_offset, len(body)),
        0,
    )
    return bytes(body + directory + end + suffix)
