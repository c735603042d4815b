# SPDX-License-Identifier: Apache-2.0
"""The directory of a segment: which tags it has and where their values lie in the image."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from pilotlight.tags.errors import SegmentDamaged
from pilotlight.tags.layout import RECORD_SIZE
from pilotlight.tags.tag import Flags, Tag
from pilotlight.tags.values import Type, Value, code, decode

RECORD = struct.Struct("<IIBBHIHHHH")
"""Offset and size in the image, type, flags, STRING length, then where the texts are and how long each is."""
EXTENT = struct.Struct("<II")
_KNOWN_FLAGS = int(Flags.INPUT | Flags.OUTPUT | Flags.RETENTIVE | Flags.WRITABLE)


class Directory:
    """The tags of a segment, in the order of their indexes.

    Values lie in the image in the order of the tags, each aligned to its own size (a STRING to 2).
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags: tuple[Tag, ...] = tuple(tags)
        self._offsets: list[int] = []
        self._indexes: dict[str, int] = {}
        end = 0
        for index, tag in enumerate(self._tags):
            if tag.name in self._indexes:
                raise ValueError(f"two tags have the name {tag.name!r}")
            self._indexes[tag.name] = index
            align = tag.type.align
            offset = -(-end // align) * align
            self._offsets.append(offset)
            end = offset + tag.size
        self.image_size: int = end
        self._decoder: struct.Struct | None = None
        self._texts: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._tags)

    def __getitem__(self, index: int) -> Tag:
        return self._tags[index]

    def __iter__(self) -> Iterator[Tag]:
        return iter(self._tags)

    def __contains__(self, name: object) -> bool:
        return name in self._indexes

    def index(self, name: str) -> int:
        """The index of a tag; raises KeyError when the segment has no such tag."""
        return self._indexes[name]

    def offset(self, index: int) -> int:
        """Where the value lies in the image."""
        return self._offsets[index]

    def values(self, image: bytes) -> list[Value]:
        """All values of an image, in the order of the tags."""
        if self._decoder is None:
            self._decoder, self._texts = self._make_decoder()
        found: list[Any] = list(self._decoder.unpack_from(image))
        for index in self._texts:
            found[index] = decode(self._tags[index].type, found[index])
        return found

    def _make_decoder(self) -> tuple[struct.Struct, tuple[int, ...]]:
        parts = ["<"]
        texts: list[int] = []
        end = 0
        for index, tag in enumerate(self._tags):
            gap = self._offsets[index] - end
            if gap:
                parts.append(f"{gap}x")
            if tag.type in (Type.CHAR, Type.STRING):
                parts.append(f"{tag.size}s")
                texts.append(index)
            else:
                parts.append(code(tag.type))
            end = self._offsets[index] + tag.size
        return struct.Struct("".join(parts)), tuple(texts)

    def extents(self) -> bytes:
        """Offset and size of every value, as the C core takes them."""
        pairs = zip(self._offsets, self._tags, strict=True)
        return b"".join(EXTENT.pack(offset, tag.size) for offset, tag in pairs)

    def pack(self) -> bytes:
        """The directory as it lies in the file: a record for each tag, then the texts."""
        records: list[bytes] = []
        texts: list[bytes] = []
        at = len(self._tags) * RECORD_SIZE
        for tag, offset in zip(self._tags, self._offsets, strict=True):
            name, unit, description = tag.name.encode(), tag.unit.encode(), tag.description.encode()
            sizes = (len(name), len(unit), len(description))
            records.append(RECORD.pack(offset, tag.size, tag.type, tag.flags, tag.length, at, *sizes, 0))
            texts.append(name + unit + description)
            at += len(texts[-1])
        return b"".join(records) + b"".join(texts)

    @classmethod
    def parse(cls, data: bytes, count: int, image_size: int) -> Directory:
        """Read a packed directory; raises SegmentDamaged unless it is one that `pack` could have made."""
        if count * RECORD_SIZE > len(data):
            raise SegmentDamaged("the directory is shorter than its tags need")
        try:
            directory = cls([_parse_tag(data, index) for index in range(count)])
        except ValueError as error:
            raise SegmentDamaged(f"the directory is not valid: {error}") from error
        if directory.pack() != data:
            raise SegmentDamaged("the directory puts tags or texts in places that are not theirs")
        if directory.image_size != image_size:
            raise SegmentDamaged("the directory and the header differ about the size of the image")
        return directory


def _parse_tag(data: bytes, index: int) -> Tag:
    _, _, kind, flags, length, at, *sizes, reserved = RECORD.unpack_from(data, index * RECORD_SIZE)
    if flags & ~_KNOWN_FLAGS or reserved or at + sum(sizes) > len(data):
        raise SegmentDamaged(f"the record of tag {index} is not valid")
    texts: list[str] = []
    for size in sizes:
        texts.append(data[at : at + size].decode())
        at += size
    return Tag(texts[0], Type(kind), length, texts[1], texts[2], Flags(flags))
