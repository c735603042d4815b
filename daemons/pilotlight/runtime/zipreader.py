# SPDX-License-Identifier: Apache-2.0
"""A strict reader of ZIP files from outside. It believes nothing it can check.

Accepted is what archivers write: stored and deflated entries, one disk, no encryption, no ZIP64, nothing before the
first entry or after the end record. Everything is read through bounds; a wrong number in a header only ever leads to
a refusal.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

STORED, DEFLATED = 0, 8
CHUNK = 1 << 16

_END = struct.Struct("<4s4H2IH")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_COMMENT_MAX = 0xFFFF

_ENCRYPTED, _DESCRIPTOR, _PATCHED, _STRONG, _MASKED = 1 << 0, 1 << 3, 1 << 5, 1 << 6, 1 << 13


class ZipError(Exception):
    """The file is not a ZIP that is accepted. `entry` is the raw name of the entry at fault, or None."""

    def __init__(self, reason: str, entry: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the central directory and its own header agree on it."""

    raw_name: bytes
    method: int
    crc: int
    compressed: int
    size: int
    mode: int
    """Unix file type and permissions, 0 when the archiver wrote none."""
    begin: int
    """Where its header starts in the file."""
    data: int
    """Where its data starts in the file."""


def entries(file: BinaryIO, file_size: int, most: int) -> list[Entry]:
    """All entries of a ZIP of `file_size` bytes, at most `most`. Raises ZipError."""
    directory, size, count = _end(file, file_size)
    if count == 0:
        raise ZipError("the ZIP is empty")
    if count > most:
        raise ZipError(f"the ZIP has {count} entries, more than {most}")
    found = list(_central(_read(file, directory, size), count))
    checked = [_local(file, entry, directory) for entry in found]
    position = 0
    for entry, end in sorted(checked, key=lambda pair: pair[0].begin):
        if entry.begin < position:
            raise ZipError("two entries overlap", entry.raw_name)
        if entry.begin > position and position == 0:
            raise ZipError("there is data before the first entry: not a plain ZIP")
        position = end
    return [entry for entry, _ in checked]


def contents(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The data of an entry in pieces; never more than its declared size.

    Raises ZipError when the data cannot be unpacked or differs from the declared size or checksum.
    """
    file.seek(entry.data)
    left, produced, crc = entry.compressed, 0, 0
    inflate = zlib.decompressobj(-15) if entry.method == DEFLATED else None
    while left:
        piece = file.read(min(left, CHUNK))
        if not piece:
            raise ZipError("the ZIP is cut off inside an entry", entry.raw_name)
        left -= len(piece)
        for data in (piece,) if inflate is None else _inflated(inflate, piece, entry):
            produced += len(data)
            if produced > entry.size:
                raise ZipError(f"unpacks to more than its declared {entry.size} bytes", entry.raw_name)
            crc = zlib.crc32(data, crc)
            yield data
    if inflate is not None and not inflate.eof:
        raise ZipError("its compressed data is cut off", entry.raw_name)
    if produced != entry.size:
        raise ZipError(f"unpacks to {produced} bytes instead of {entry.size}", entry.raw_name)
    if crc != entry.crc:
        raise ZipError("its checksum is wrong: the file was damaged", entry.raw_name)


def _inflated(inflate: zlib._Decompress, piece: bytes, entry: Entry) -> Iterator[bytes]:
    while piece:
        try:
            data = inflate.decompress(piece, CHUNK)
        except zlib.error:
            raise ZipError("its compressed data is damaged", entry.raw_name) from None
        if data:
            yield data
        if inflate.eof:
            if inflate.unused_data:
                raise ZipError("there is data behind its compressed data", entry.raw_name)
            return
        piece = inflate.unconsumed_tail


def _end(file: BinaryIO, file_size: int) -> tuple[int, int, int]:
    """Offset, size and number of entries of the central directory."""
    if file_size == 0:
        raise ZipError("the file is empty")
    tail_size = min(file_size, _END.size + _COMMENT_MAX)
    tail = _read(file, file_size - tail_size, tail_size)
    for position in range(len(tail) - _END.size, -1, -1):
        if tail[position : position + 4] != b"PK\x05\x06":
            continue
        _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(tail, position)
        if position + _END.size + comment == len(tail):
            break
    else:
        if _read(file, 0, min(4, file_size)) == b"PK\x03\x04":
            raise ZipError("the ZIP is cut off, or something was appended to it: its end record is not at its end")
        raise ZipError("the file is not a ZIP")
    end = file_size - tail_size + position
    if 0xFFFF in (disk, first_disk, here, count) or 0xFFFF_FFFF in (size, offset):
        raise ZipError("the ZIP is in the ZIP64 format, which is not accepted")
    if disk or first_disk or here != count:
        raise ZipError("the ZIP is one part of several")
    if offset + size != end:
        raise ZipError("the directory of the ZIP is not where its end record says")
    return offset, size, count


def _central(data: bytes, count: int) -> Iterator[Entry]:
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > len(data):
            raise ZipError("the directory of the ZIP is cut off")
        (signature, _, _, flags, method, _, _, crc, compressed, size, name_length, extra, comment, disk, _, external,
         begin) = _CENTRAL.unpack_from(data, position)  # fmt: skip
        if signature != b"PK\x01\x02":
            raise ZipError("the directory of the ZIP is damaged")
        position += _CENTRAL.size
        name = data[position : position + name_length]
        position += name_length + extra + comment
        if position > len(data):
            raise ZipError("the directory of the ZIP is cut off")
        if flags & (_ENCRYPTED | _STRONG | _MASKED):
            raise ZipError("is encrypted", name)
        if flags & _PATCHED:
            raise ZipError("is a patch to another file", name)
        if method not in (STORED, DEFLATED):
            raise ZipError(f"is compressed by method {method}; only stored and deflated entries are accepted", name)
        if method == STORED and compressed != size:
            raise ZipError("is stored with two different sizes", name)
        if disk:
            raise ZipError("the ZIP is one part of several", name)
        yield Entry(name, method, crc, compressed, size, external >> 16, begin, 0)
    if position != len(data):
        raise ZipError("the directory of the ZIP has more than its declared entries")


def _local(file: BinaryIO, entry: Entry, directory: int) -> tuple[Entry, int]:
    """The entry with the place of its data, and where it ends. Its own header has to say what the directory says."""
    if entry.begin + _LOCAL.size > directory:
        raise ZipError("lies outside the ZIP", entry.raw_name)
    header = _read(file, entry.begin, _LOCAL.size)
    signature, _, flags, method, _, _, crc, compressed, size, name_length, extra = _LOCAL.unpack(header)
    if signature != b"PK\x03\x04":
        raise ZipError("has no header where the directory says", entry.raw_name)
    data = entry.begin + _LOCAL.size + name_length + extra
    if data + entry.compressed > directory:
        raise ZipError("lies outside the ZIP", entry.raw_name)
    name = _read(file, entry.begin + _LOCAL.size, name_length)
    later = bool(flags & _DESCRIPTOR)
    if (
        name != entry.raw_name
        or method != entry.method
        or flags & (_ENCRYPTED | _STRONG | _MASKED)
        or not (later or (crc, compressed, size) == (entry.crc, entry.compressed, entry.size))
    ):
        raise ZipError("its header and the directory of the ZIP disagree", entry.raw_name)
    placed = Entry(entry.raw_name, method, entry.crc, entry.compressed, entry.size, entry.mode, entry.begin, data)
    return placed, data + entry.compressed


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise ZipError("the ZIP is cut off")
    return data
