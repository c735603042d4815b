# SPDX-License-Identifier: Apache-2.0
"""The repair of the data partition at a start, with the image's own e2fsck."""

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.steps import BUILD
from tests.updates.replay import REPAIR, in_tools

BLOCK, SUPERBLOCK, COPIES = 4096, 1024, {1: 32768, 3: 98304}
"""Where the copies of the superblock are, by their groups, in blocks."""
GROUP_AT, WRITTEN_AT, SUM_AT = 0x5A, 0x30, 0x3FC
HALF = 512


def crc32c(data: bytes) -> int:
    """As ext4 has it: from all ones, not inverted at the end."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the tools of the image see."""
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="repair-") as name:
        yield Path(name)


@pytest.fixture
def torn(place: Path) -> Path:
    """A file system whose power went between the two sectors of its superblock.

    Its journal is unfinished, and the copies of the superblock know that, as after growing while it was mounted.
    """
    path, kept = place / "data", place / "kept"
    kept.write_text("this was on the disk before")
    script = place / "script"
    script.write_text(f"write {kept} promise\njo\njw -b 333 {kept}\njc\n")
    with path.open("wb") as file:
        file.truncate(512 << 20)
    for words in (["mke2fs", "-q", "-t", "ext4", "-b", str(BLOCK), path], ["debugfs", "-w", "-f", script, path]):
        done = in_tools(words)
        assert done.returncode == 0, done.stderr
    with path.open("r+b") as file:
        file.seek(SUPERBLOCK)
        whole = bytearray(file.read(1024))
        assert crc32c(whole[:SUM_AT]) == struct.unpack_from("<I", whole, SUM_AT)[0]
        for group, block in COPIES.items():
            copy = bytearray(whole)
            struct.pack_into("<H", copy, GROUP_AT, group)
            struct.pack_into("<I", copy, SUM_AT, crc32c(copy[:SUM_AT]))
            file.seek(block * BLOCK)
            file.write(copy)
        struct.pack_into("<I", whole, WRITTEN_AT, struct.unpack_from("<I", whole, WRITTEN_AT)[0] + 60)
        file.seek(SUPERBLOCK)
        file.write(whole[:HALF])
    return path


def test_a_superblock_that_was_cut_in_the_middle_costs_nothing(torn: Path) -> None:
    repaired = in_tools([REPAIR, torn])
    assert repaired.returncode == 1, repaired.stdout + repaired.stderr
    assert "examined as a whole" in repaired.stdout, "e2fsck needs no help here any more"
    checked = in_tools(["e2fsck", "-f", "-n", torn])
    assert checked.returncode == 0, checked.stdout
    assert in_tools(["debugfs", "-R", "cat promise", torn]).stdout == "this was on the disk before"
    again = in_tools([REPAIR, torn])
    assert (again.returncode, "examined" in again.stdout) == (0, False), "a sound one is not examined as a whole"
