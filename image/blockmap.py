# SPDX-License-Identifier: Apache-2.0
"""The block map of a disk: which parts of it have to be written, with their digests, as `bmaptool` reads it.

What an empty slot holds does not matter, so it is left out; everything else is in the map, zeros too: a file system
relies on them, and a disk that was used before has none.
"""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from image.disk_layout import ALIGNMENT, MIB, TAIL, Partition, disk_size
from image.errors import BuildError

BLOCK = 4096
CHUNK = 4 * MIB  # bytes of a range at most: what is read, written and checked at a time
NO_DIGEST = "0" * 64

TEXT = """\
<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {block} </BlockSize>
    <BlocksCount> {blocks} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {digest} </BmapFileChecksum>
    <BlockMap>
{ranges}
    </BlockMap>
</bmap>
"""


@dataclass(frozen=True)
class Range:
    """A part of the disk, in bytes, and the digest of its content."""

    start: int
    size: int
    sha256: str


@dataclass(frozen=True)
class BlockMap:
    """The parts of a disk of `size` bytes that are written."""

    size: int
    ranges: tuple[Range, ...]

    @property
    def mapped(self) -> int:
        """Bytes that are written."""
        return sum(part.size for part in self.ranges)


def parts(partitions: Iterable[Partition], used: dict[str, int]) -> list[tuple[int, int]]:
    """Start and size of what is written: both copies of the table, and `used` bytes of each partition.

    Of a partition that is not in `used` the first MiB is written, with zeros: nothing of an earlier use is found there.
    """
    placed = list(partitions)
    found = [(0, ALIGNMENT)]
    found += [(part.start, min(part.size, used.get(part.label, MIB))) for part in placed]
    found.append((disk_size(placed) - TAIL, TAIL))
    return found


def read(image: Path, wanted: Iterable[tuple[int, int]]) -> BlockMap:
    """The block map of an image over the wanted parts, which begin and end at block boundaries."""
    ranges = []
    with image.open("rb") as stream:
        for start, size in wanted:
            for offset in range(start, start + size, CHUNK):
                length = min(CHUNK, start + size - offset)
                stream.seek(offset)
                ranges.append(Range(offset, length, hashlib.sha256(stream.read(length)).hexdigest()))
    return BlockMap(image.stat().st_size, tuple(ranges))


def text(blocks: BlockMap) -> str:
    """The map as a file; its own digest is taken over the file with zeros in its place."""
    lines = "\n".join(f'        <Range chksum="{part.sha256}"> {_numbers(part)} </Range>' for part in blocks.ranges)
    made = TEXT.format(
        size=blocks.size, block=BLOCK, blocks=-(-blocks.size // BLOCK), mapped=blocks.mapped // BLOCK,
        digest=NO_DIGEST, ranges=lines,
    )  # fmt: skip
    return made.replace(NO_DIGEST, hashlib.sha256(made.encode()).hexdigest(), 1)


def _numbers(part: Range) -> str:
    first, last = part.start // BLOCK, (part.start + part.size) // BLOCK - 1
    return f"{first}" if first == last else f"{first}-{last}"


def parse(content: str) -> BlockMap:
    """The map in a file. Raises BuildError when the file is damaged, or no block map."""
    try:
        return _parse(content)
    except (ET.ParseError, ValueError, AttributeError, KeyError) as error:
        raise BuildError(f"the block map cannot be read: {error}. Download it again, or build anew") from error


def _parse(content: str) -> BlockMap:
    digest = _value(content, "BmapFileChecksum")
    if hashlib.sha256(content.replace(digest, NO_DIGEST, 1).encode()).hexdigest() != digest:
        raise ValueError("it does not match its own digest")
    size, block = int(_value(content, "ImageSize")), int(_value(content, "BlockSize"))
    # The digest was right: the text is what was written, and no other's document.
    tree = ET.fromstring(content)
    return BlockMap(size, tuple(_ranges(tree.iter("Range"), block)))


def _ranges(elements: Iterable[ET.Element], block: int) -> Iterator[Range]:
    for element in elements:
        first, _, last = (element.text or "").strip().partition("-")
        start, end = int(first), int(last or first)
        yield Range(start * block, (end - start + 1) * block, element.attrib["chksum"])


def _value(content: str, name: str) -> str:
    found = re.search(rf"<{name}>\s*(\S+)\s*</{name}>", content)
    if found is None:
        raise ValueError(f"it has no {name}")
    return found[1]
