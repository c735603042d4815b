# SPDX-License-Identifier: Apache-2.0
"""A built disk opened without starting it: its table, its file systems, its hash tree, its initramfs."""

import hashlib
import os
import struct
import subprocess
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

from image.steps import PROJECT
from image.tools import Tools, environment

SECTOR = 512
BLOCK = 4096


@dataclass(frozen=True)
class Partition:
    """An entry of the partition table; start and size in bytes."""

    label: str
    kind: str
    guid: str
    start: int
    size: int


def run(use: Tools, *words: str | Path) -> None:
    """Run a command of the tools; fails with what it said."""
    done = subprocess.run(
        use.argv(words), cwd=PROJECT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def table(disk: Path, *, backup: bool = False) -> list[Partition]:
    """The partitions in the table at the begin of a disk, or in its copy at the end; its sums must be right."""
    with disk.open("rb") as stream:
        stream.seek(-SECTOR if backup else SECTOR, os.SEEK_END if backup else os.SEEK_SET)
        header = bytearray(stream.read(SECTOR))
        assert header[:8] == b"EFI PART"
        size, told = struct.unpack_from("<2I", header, 12)
        header[16:20] = bytes(4)
        assert zlib.crc32(header[:size]) == told
        first, count, length, entries_sum = struct.unpack_from("<Q3I", header, 72)
        stream.seek(first * SECTOR)
        entries = stream.read(count * length)
        assert zlib.crc32(entries) == entries_sum
    found = []
    for at in range(0, len(entries), length):
        kind, guid, start, end = struct.unpack_from("<16s16s2Q", entries, at)
        if kind != bytes(16):
            label = entries[at + 56 : at + 128].decode("utf-16-le").rstrip("\0")
            type_name, own_name = (str(uuid.UUID(bytes_le=part)).upper() for part in (kind, guid))
            found.append(Partition(label, type_name, own_name, start * SECTOR, (end - start + 1) * SECTOR))
    return found


def carve(disk: Path, part: Partition, target: Path) -> Path:
    """Copy a partition into a file of its own, with holes where it is zero."""
    with disk.open("rb") as source, target.open("wb") as stream:
        source.seek(part.start)
        left = part.size
        while left:
            data = source.read(min(left, 1 << 20))
            left -= len(data)
            if data.count(0) == len(data):
                stream.seek(len(data), os.SEEK_CUR)
            else:
                stream.write(data)
        stream.truncate(part.size)
    return target


def fat_kind(image: Path) -> tuple[str, str]:
    """The kind of a FAT file system (`FAT16`, `FAT32`) and its label, as its first sector tells them."""
    with image.open("rb") as stream:
        sector = stream.read(SECTOR)
    assert sector[510:] == b"\x55\xaa"
    at = 43 if sector[54:59] == b"FAT16" else 71
    return sector[at + 11 : at + 19].decode().strip(), sector[at : at + 11].decode().strip()


def fat_files(use: Tools, image: Path, target: Path) -> dict[str, bytes]:
    """The files at the top of a FAT file system."""
    target.mkdir()
    run(use, "mcopy", "-s", "-n", "-i", image, "::", target)
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class HashTree:
    """What a verity superblock says, and the root that the tree behind it has when all of it is right."""

    root: str
    blocks: int
    end: int  # where the tree ends in the partition (bytes)


def hash_tree(image: Path, offset: int) -> HashTree:
    """Check every block of the data before `offset` against the tree behind it, and compute the root from the data."""
    with image.open("rb") as stream:
        stream.seek(offset)
        superblock = stream.read(BLOCK)
        assert superblock[:8] == b"verity\0\0"
        version, kind = struct.unpack_from("<2I", superblock, 8)
        algorithm = superblock[32:64].rstrip(b"\0").decode()
        data_block, hash_block, blocks, salt_size = struct.unpack_from("<2IQH", superblock, 64)
        assert (version, kind, algorithm, data_block, hash_block) == (1, 1, "sha256", BLOCK, BLOCK)
        salt = superblock[88 : 88 + salt_size]
        assert blocks * BLOCK == offset
        stream.seek(0)
        level = [hashlib.sha256(salt + stream.read(BLOCK)).digest() for _ in range(blocks)]
        levels = []
        while len(level) > 1:
            packed = [
                b"".join(level[at : at + BLOCK // 32]).ljust(BLOCK, b"\0") for at in range(0, len(level), BLOCK // 32)
            ]
            levels.append(packed)
            level = [hashlib.sha256(salt + block).digest() for block in packed]
        stream.seek(offset + BLOCK)
        for packed in reversed(levels):
            for block in packed:
                assert stream.read(BLOCK) == block
        return HashTree(level[0].hex(), blocks, stream.tell())


def archive(data: bytes) -> dict[str, bytes]:
    """Names and contents in a `newc` archive."""
    found: dict[str, bytes] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name_size, size = fields[11], fields[6]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        if name == "TRAILER!!!":
            return found
        start = (at + 110 + name_size + 3) & ~3
        found[name] = data[start : start + size]
        at = (start + size + 3) & ~3


def module_info(data: bytes) -> dict[str, str]:
    """What a kernel module says of itself, the last of each key."""
    found = {}
    for part in data.split(b"\0"):
        key, mark, value = part.partition(b"=")
        if mark and key in (b"vermagic", b"license", b"name", b"depends"):
            found[key.decode()] = value.decode().strip()
    return found
