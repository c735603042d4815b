# SPDX-License-Identifier: Apache-2.0
"""Plays a record of a disk's writes up to any point, and asks there: what would start, and is the data intact?

A power cut leaves what was written before the last flush, and of later writes whatever the disk's cache has let go: any
of them, in part or not at all, each sector whole. The record is what QEMU's `blklogwrites` writes: 512 bytes about the
whole, then for each write or flush 512 bytes about it, and its data.
"""

import hashlib
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pilotlight.orchestrator.boot import texts
from pilotlight.orchestrator.boot.core import Pending

from image import firmware
from image.disk_layout import SECTOR
from image.firmware import Start
from image.steps import PROJECT
from image.tools import environment, tools

HEAD, ENTRY = "<QQQI", "<QQQQ"
MAGIC = 0x6A736677736872
FLUSH, THROUGH, DISCARD, MARK = 1, 2, 4, 8
BOOT_CONFIGURATION, DATA = 1, 6
ROOTS = {2: 4, 3: 5}  # root partition by boot partition
DIRECTORY_ENTRY = 32
HASH_BLOCK = 1 << 20
REPAIR = PROJECT / "rootfs/usr/lib/pilotlight/repair-data"
"""What every start does with the data partition before it is mounted."""


@dataclass(frozen=True)
class Write:
    """One write in the record: where it goes (bytes), and where its data is in the record."""

    start: int
    size: int
    data: int
    flushed: int
    """How many of the writes before it are on the disk for sure."""
    through: bool
    """It is on the disk before the next one begins."""


def writes(record: Path) -> Iterator[Write]:
    """Every write in its order. AssertionError when the record is not whole."""
    with record.open("rb") as file:
        magic, version, count, sector = struct.unpack_from(HEAD, file.read(SECTOR))
        assert (magic, version, sector) == (MAGIC, 1, SECTOR), "this is no record of writes"
        at, number, flushed = SECTOR, 0, 0
        for _ in range(count):
            file.seek(at)
            first, sectors, flags, _ = struct.unpack_from(ENTRY, file.read(SECTOR))
            at += SECTOR
            flushed = number if flags & FLUSH else flushed
            if flags & (DISCARD | MARK) or not sectors:
                continue
            yield Write(first * SECTOR, sectors * SECTOR, at, flushed, bool(flags & THROUGH))
            at += sectors * SECTOR
            number += 1


class Disk:
    """A raw disk on which the record is played."""

    def __init__(self, path: Path, record: Path) -> None:
        self._file: BinaryIO = path.open("r+b")
        self._record: BinaryIO = record.open("rb")
        self._path = path
        table = self.read(0, firmware.TABLE_SECTORS * SECTOR)
        self.partitions = firmware.partitions(table)
        self._digests: dict[int, str] = {}
        self._before: list[tuple[int, bytes]] | None = None

    def close(self) -> None:
        """Let the files go."""
        self._file.close()
        self._record.close()

    def read(self, start: int, size: int) -> bytes:
        """Some bytes of the disk."""
        self._file.seek(start)
        return self._file.read(size)

    def play(self, write: Write, sectors: int | None = None) -> None:
        """Carry out a write, or only its first `sectors`: the power goes in the middle of it."""
        size = write.size if sectors is None else min(write.size, sectors * SECTOR)
        if self._before is not None:
            self._before.append((write.start, self.read(write.start, size)))
        self._record.seek(write.data)
        self._put(write.start, self._record.read(size))

    @contextmanager
    def for_now(self) -> Iterator[None]:
        """Take back at the end what is played in the block."""
        self._before = []
        try:
            yield
        finally:
            before, self._before = self._before, None
            for start, data in reversed(before):
                self._put(start, data)

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        self._file.write(data)
        for number, (start, room) in self.partitions.items():
            if at < start + room and start < at + len(data):
                self._digests.pop(number, None)
        if at < firmware.TABLE_SECTORS * SECTOR:
            self.partitions = firmware.partitions(self.read(0, firmware.TABLE_SECTORS * SECTOR))

    def digest(self, number: int) -> str:
        """A digest over a whole partition."""
        if number not in self._digests:
            start, room = self.partitions[number]
            found = hashlib.sha256()
            for at in range(start, start + room, HASH_BLOCK):
                found.update(self.read(at, min(HASH_BLOCK, start + room - at)))
            self._digests[number] = found.hexdigest()
        return self._digests[number]

    def slot(self, partition: int) -> tuple[str, str]:
        """What the slot of a boot partition holds."""
        return self.digest(partition), self.digest(ROOTS[partition])

    def start(self, flag: bool = False) -> Start:
        """What the firmware would start. Raises Unbootable."""
        return firmware.choose(self.files().get("AUTOBOOTTXT", b"").decode("ascii", "replace"), flag)

    def pending(self) -> Pending | None:
        """The wish to try a slot; None where there is none that is whole."""
        found = [data for name, data in self.files().items() if name.startswith("PENDIN") and name.endswith("JSO")]
        return texts.decode(found[0]) if found else None

    def files(self) -> dict[str, bytes]:
        """The files of the boot configuration by their short names (8 and 3 characters, without spaces)."""
        start, _ = self.partitions[BOOT_CONFIGURATION]
        boot = self.read(start, SECTOR)
        cluster_sectors, reserved, fats, entries = struct.unpack_from("<BHBH", boot, 13)
        (fat_sectors,) = struct.unpack_from("<H", boot, 22)
        root = start + (reserved + fats * fat_sectors) * SECTOR
        first = root + entries * DIRECTORY_ENTRY
        found = {}
        directory = self.read(root, entries * DIRECTORY_ENTRY)
        for at in range(0, len(directory), DIRECTORY_ENTRY):
            name, kind = directory[at : at + 11], directory[at + 11]
            cluster, size = struct.unpack_from("<HI", directory, at + 26)
            if name[0] in (0, 0xE5) or kind & 0x08 or cluster < 2:
                continue
            # Each of these files fits in one cluster.
            data = self.read(first + (cluster - 2) * cluster_sectors * SECTOR, min(size, cluster_sectors * SECTOR))
            found[name.decode("ascii", "replace").replace(" ", "")] = data
        return found

    def data_files(self, names: Sequence[str], copy: Path) -> dict[str, str]:
        """Files of the data partition, after the repair that every start makes; `copy` is for a copy of it.

        AssertionError when the file system cannot be repaired by itself.
        """
        start, room = self.partitions[DATA]
        copy_sparse(self.flushed(), start, room, copy)
        try:
            repaired = in_tools([REPAIR, copy])
            assert repaired.returncode in (0, 1), repaired.stdout + repaired.stderr
            return {name: in_tools(["debugfs", "-R", f"cat {name}", copy]).stdout for name in names}
        finally:
            copy.unlink()

    def flushed(self) -> Path:
        """The file of the disk, with all in it that was played."""
        self._file.flush()
        return self._path


def in_tools(words: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a command of the tools root."""
    return subprocess.run(
        tools("disk").argv(words), cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


def copy_sparse(source: Path, start: int, size: int, target: Path) -> None:
    """Copy a part of a file, leaving holes where it has them."""
    import os

    with source.open("rb") as reading, target.open("wb") as writing:
        writing.truncate(size)
        at = start
        while at < start + size:
            try:
                at = os.lseek(reading.fileno(), at, os.SEEK_DATA)
                end = min(os.lseek(reading.fileno(), at, os.SEEK_HOLE), start + size)
            except OSError:
                break  # no more data
            if at >= start + size:
                break
            reading.seek(at)
            writing.seek(at - start)
            while at < end:
                block = reading.read(min(HASH_BLOCK, end - at))
                writing.write(block)
                at += len(block)


def raw_copy(image: Path, target: Path, size: int) -> None:
    """A sparse copy of the built disk, as large as a machine sees it."""
    subprocess.run(["cp", "--sparse=always", str(image), str(target)], check=True)
    with target.open("r+b") as file:
        file.truncate(size)


def remove(*paths: Path) -> None:
    """Remove files, if they are there."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
