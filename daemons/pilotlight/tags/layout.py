# SPDX-License-Identifier: Apache-2.0
"""Where the parts of a segment lie in its file. docs/segments.md is the reference; golden bytes test both.

The offsets of the words that change after the file was made (from 128 on) are used by `_core.c` alone.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

from pilotlight.tags.errors import SegmentDamaged

MAGIC = b"PLTAGSEG"
VERSION = 1
HEADER_SIZE = 512
RECORD_SIZE = 24
SLOT_SIZE = 32
SLOT_VALUE = 8
SLOT_MORE = 24
FURTHER_SLOT = 1 << 63

MOST_TAGS = 1 << 20
LARGEST_FILE = 1 << 30
LEAST_SLOTS = 64
MOST_SLOTS = 1 << 22

IDENTITY = struct.Struct("<8sIIQQQQQQQQQQQI")
"""Magic, version, header size, file size, epoch, the fields of `Layout` in their order, the check."""
CHECK = struct.Struct("<I")
_CHECKED = IDENTITY.size - CHECK.size


@dataclass(frozen=True)
class Layout:
    """Offsets and sizes of one segment in bytes; `tags` counts tags and `capacity` journal slots."""

    tags: int
    directory: int
    directory_size: int
    image: int
    image_size: int
    stamps: int
    qualities: int
    journal: int
    capacity: int

    @property
    def file_size(self) -> int:
        return self.journal + self.capacity * SLOT_SIZE

    @property
    def areas(self) -> tuple[int, int, int, int, int, int]:
        """What `_core` asks of a layout: the size of the file, where its areas begin, the slots of the journal."""
        return self.file_size, self.image, self.stamps, self.qualities, self.journal, self.capacity


def plan(tags: int, directory_size: int, image_size: int, journal: int) -> Layout:
    """Lay out a segment of `tags` tags with at least `journal` journal slots (rounded up to a power of two).

    Raises ValueError when it would be larger than a segment can be.
    """
    if not 0 <= tags <= MOST_TAGS:
        raise ValueError(f"a segment has at most {MOST_TAGS} tags, not {tags}")
    if not 1 <= journal <= MOST_SLOTS:
        raise ValueError(f"a journal has 1 to {MOST_SLOTS} slots, not {journal}")
    capacity = max(LEAST_SLOTS, 1 << (journal - 1).bit_length())
    image = _aligned(HEADER_SIZE + directory_size, 64)
    stamps = _aligned(image + image_size, 64)
    qualities = stamps + 8 * tags
    slots = _aligned(qualities + tags, 64)
    layout = Layout(tags, HEADER_SIZE, directory_size, image, image_size, stamps, qualities, slots, capacity)
    if layout.file_size > LARGEST_FILE:
        raise ValueError(f"the segment would take {layout.file_size} bytes; the most is {LARGEST_FILE}")
    return layout


def further_slots(size: int) -> int:
    """Journal slots a value of `size` bytes needs beyond its first."""
    return -(-max(0, size - SLOT_VALUE) // SLOT_MORE)


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def pack_identity(layout: Layout, epoch: int, directory: bytes) -> bytes:
    """The part of the header that says what the file is, with the check over it and the directory."""
    parts = (MAGIC, VERSION, HEADER_SIZE, layout.file_size, epoch, *_fields(layout))
    unchecked = IDENTITY.pack(*parts, 0)[:_CHECKED]
    return unchecked + CHECK.pack(crc32(directory, crc32(unchecked)))


def _fields(layout: Layout) -> tuple[int, ...]:
    return (
        layout.tags,
        layout.directory,
        layout.directory_size,
        layout.image,
        layout.image_size,
        layout.stamps,
        layout.qualities,
        layout.journal,
        layout.capacity,
    )


def parse_identity(header: bytes, file_size: int) -> tuple[Layout, int, int]:
    """What the header of a file of `file_size` bytes says: layout, epoch, and check (see `verify`).

    Raises SegmentDamaged unless every part lies inside the file, in order and without overlap.
    """
    if len(header) < HEADER_SIZE:
        raise SegmentDamaged(f"the file has {len(header)} bytes, less than the header of a segment")
    magic, version, header_size, size, epoch, *fields, check = IDENTITY.unpack_from(header)
    if magic != MAGIC:
        raise SegmentDamaged("the file is not a segment of tags")
    if version != VERSION or header_size != HEADER_SIZE:
        raise SegmentDamaged(f"the segment has layout version {version}, this program reads {VERSION}")
    layout = Layout(*fields)
    if not 1 <= layout.capacity <= MOST_SLOTS or layout.capacity.bit_count() != 1 or layout.tags > MOST_TAGS:
        raise SegmentDamaged("the counts in the header are out of range")
    in_order = (
        layout.directory == HEADER_SIZE
        and layout.directory_size >= layout.tags * RECORD_SIZE
        and HEADER_SIZE + layout.directory_size <= layout.image
        and layout.image + layout.image_size <= layout.stamps
        and layout.stamps + 8 * layout.tags == layout.qualities
        and layout.qualities + layout.tags <= layout.journal
        and layout.image % 64 == layout.stamps % 64 == layout.journal % 64 == 0
    )
    if not in_order or layout.file_size != size or not size <= min(file_size, LARGEST_FILE):
        raise SegmentDamaged("the parts that the header describes do not fit each other or the file")
    return layout, epoch, check


def verify(header: bytes, directory: bytes, check: int) -> None:
    """Raise SegmentDamaged unless the check fits the identity and the directory."""
    if crc32(directory, crc32(header[:_CHECKED])) != check:
        raise SegmentDamaged("the check over header and directory does not fit them")
