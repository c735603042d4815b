# SPDX-License-Identifier: Apache-2.0
"""ZIP files in memory: written plainly, and read so strictly that nothing but plain ones is taken.

Plain is: entries one behind the other from the first byte on, stored or deflated, in the order of the directory,
the directory right behind them, the end record right behind that; no comments, extra fields, encryption, ZIP64 or
second disk; what an entry's header says is what the directory says. A wrong number only ever leads to a refusal.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_STORED, _DEFLATED, _UTF8 = 0, 8, 1 << 11
_DATE = (1980, 1, 1, 0, 0, 0)


class ZipError(ValueError):
    """The file is not a ZIP that is taken; the text says why."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what is read. Sizes are bytes; `ratio` is unpacked to packed size of an entry beyond `ratio_from`."""

    archive: int = 16 << 20
    entries: int = 200
    total: int = 64 << 20
    ratio: int = 200
    ratio_from: int = 64 << 10


LIMITS = Limits()


def packed(files: Mapping[str, bytes]) -> bytes:
    """A ZIP with the files; the same files give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return out.getvalue()


def unpacked(data: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    """The files of a ZIP, in its order; raises ZipError."""
    if len(data) > limits.archive:
        raise ZipError(f"the file has {len(data)} bytes; at most {limits.archive} are taken")
    found: dict[str, bytes] = {}
    for name, content in _entries(data, limits):
        if name in found:
            raise ZipError(f"{name} is in it twice")
        found[name] = content
    return found


def _entries(data: bytes, limits: Limits) -> Iterator[tuple[str, bytes]]:
    position, end, count = _directory(data)
    if not 0 < count <= limits.entries:
        raise ZipError(f"it has {count} entries; 1 to {limits.entries} are taken")
    start, place, left = position, 0, limits.total
    for _ in range(count):
        if position + _CENTRAL.size > end:
            raise ZipError("its directory is cut off")
        (signature, _made, _needs, flags, method, time, date, crc, size, length, name_length, extra, comment, disk,
         _internal, external, offset) = _CENTRAL.unpack_from(data, position)  # fmt: skip
        raw = data[position + _CENTRAL.size : position + _CENTRAL.size + name_length]
        position += _CENTRAL.size + name_length
        if signature != b"PK\x01\x02" or position > end:
            raise ZipError("its directory is damaged")
        name = _name(raw, flags)
        if extra or comment or disk or flags & ~_UTF8 or method not in (_STORED, _DEFLATED):
            raise ZipError(f"{name}: only plain entries are taken: stored or deflated, not encrypted, nothing added")
        if external >> 28 not in (0, 0o10):
            raise ZipError(f"{name} is no plain file")
        if offset != place:
            raise ZipError(f"{name} does not follow the entry before it")
        begin = place + _LOCAL.size + name_length
        if begin + size > start:
            raise ZipError(f"{name} reaches into the directory")
        here = _LOCAL.unpack_from(data, place)
        same = (b"PK\x03\x04", flags, method, time, date, crc, size, length, name_length, 0)
        if (here[0], *here[2:]) != same or data[begin - name_length : begin] != raw:
            raise ZipError(f"{name}: its header and the directory disagree")
        if length > left:
            raise ZipError(f"it unpacks to more than {limits.total} bytes")
        if length > limits.ratio_from and length > size * limits.ratio:
            raise ZipError(f"{name} unpacks to {length} bytes from {size}: more than {limits.ratio} times as many")
        left -= length
        place = begin + size
        yield name, _content(name, data[begin:place], method, length, crc)
    if position != end:
        raise ZipError("its directory has more than its declared entries")
    if place != start:
        raise ZipError("there is something between its entries and its directory")


def _directory(data: bytes) -> tuple[int, int, int]:
    """Where the directory begins and ends, and how many entries it has."""
    end = len(data) - _END.size
    if end < 0 or data[end : end + 4] != b"PK\x05\x06":
        raise ZipError("it is not a ZIP, was cut off, or something was added to its end")
    _signature, disk, first, here, count, size, offset, comment = _END.unpack_from(data, end)
    if disk or first or here != count or comment or offset + size != end:
        raise ZipError("its end record is not that of one plain ZIP")
    return offset, end, count


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise ZipError("the name of an entry is no text") from error


def _content(name: str, packed: bytes, method: int, length: int, crc: int) -> bytes:
    content = packed
    if method == _DEFLATED:
        inflate = zlib.decompressobj(-15)
        try:
            content = inflate.decompress(packed, length + 1)
        except zlib.error as error:
            raise ZipError(f"{name}: its data is damaged") from error
        if len(content) <= length and (not inflate.eof or inflate.unused_data):
            raise ZipError(f"{name}: its data is damaged")
    if len(content) != length or zlib.crc32(content) != crc:
        raise ZipError(f"{name} is not what the directory says: the file was damaged")
    return content
