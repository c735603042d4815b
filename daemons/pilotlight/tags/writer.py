# SPDX-License-Identifier: Apache-2.0
"""The writing side of a segment. One process writes a segment; nobody waits for anybody."""

from __future__ import annotations

import os
from collections.abc import Sequence
from mmap import mmap
from pathlib import Path
from typing import Final

from pilotlight.tags import _core
from pilotlight.tags.directory import Directory
from pilotlight.tags.errors import SegmentError
from pilotlight.tags.files import DIRECTORY_MODE, FILE_MODE, read_header, segment_path
from pilotlight.tags.layout import HEADER_SIZE, Layout, pack_identity, parse_identity, plan
from pilotlight.tags.tag import Quality, Tag
from pilotlight.tags.values import Value, encode

DEFAULT_JOURNAL = 65536


class SegmentWriter:
    """Writes one segment: values are staged in `image`, and `publish` makes what changed visible at once.

    `image` may be written by `set`, or directly: the value of tag i lies at `directory.offset(i)` in the form
    of docs/segments.md. `fd` is the descriptor of the file, for a child that takes over with `attach`; from
    then on only the child may publish.
    """

    def __init__(self, fd: int, layout: Layout, directory: Directory, path: Path | None, pending: Path | None) -> None:
        self.fd: Final = fd
        self.directory: Final = directory
        self._layout = layout
        self._path = path
        self._pending = pending
        self._qualities = bytearray(os.pread(fd, layout.tags, layout.qualities))
        memory = mmap(-1, max(1, layout.image_size))
        self.image: Final = memoryview(memory)[: layout.image_size]
        self.image[:] = os.pread(fd, layout.image_size, layout.image)
        self._core = _core.Writer(fd, *layout.areas, directory.extents(), self.image, self._qualities)
        # After a writer that was killed in the middle of a publish nobody knows what it had journalled.
        self._everything: bool = self._core.sequence() % 2 == 1

    @classmethod
    def create(
        cls,
        name: str,
        tags: Sequence[Tag],
        *,
        journal: int = DEFAULT_JOURNAL,
        path: Path | None = None,
        publish: bool = True,
    ) -> SegmentWriter:
        """Make the file of the segment's next epoch, every value zero and good, and its stamp the present.

        `path` replaces the usual place of the file. With `publish=False` the file keeps a temporary name,
        unseen by readers, until `activate`. `journal` is the number of journal slots, rounded up to a power
        of two, at least 64. Raises ValueError for tags that make no directory, SegmentError when the file
        cannot be made; an epoch that is there already stays untouched.
        """
        path = segment_path(name) if path is None else path
        directory = Directory(tags)
        packed = directory.pack()
        layout = plan(len(directory), len(packed), directory.image_size, journal)
        pending = path.with_name(f".{path.name}.{os.getpid()}.{_core.now_ns()}")
        try:
            _make_folder(path.parent)
            _remove_leftovers(path)
            fd = os.open(pending, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise SegmentError(f"the segment {name} cannot be made: {error}") from error
        try:
            os.fchmod(fd, FILE_MODE)
            os.posix_fallocate(fd, 0, layout.file_size)
            os.pwrite(fd, pack_identity(layout, _epoch_at(path) + 1, packed), 0)
            os.pwrite(fd, packed, layout.directory)
            os.pwrite(fd, _core.now_ns().to_bytes(8, "little") * layout.tags, layout.stamps)
            writer = cls(fd, layout, directory, path, pending)
            if publish:
                writer.activate()
        except (OSError, SegmentError) as error:
            os.close(fd)
            pending.unlink(missing_ok=True)
            raise SegmentError(f"the segment {name} cannot be made: {error}") from error
        return writer

    @classmethod
    def attach(cls, fd: int) -> SegmentWriter:
        """Take over as the one writer of the segment open as `fd`; the values in it become the staged ones.

        Raises SegmentDamaged when the file is not a segment.
        """
        layout, _, directory = read_header(fd)
        return cls(fd, layout, directory, None, None)

    def set(self, index: int, value: Value, quality: Quality = Quality.GOOD) -> None:
        """Stage a value and its quality; raises TagValueError, staging nothing, if the value does not fit."""
        tag = self.directory[index]
        data = encode(tag.type, value, tag.length)
        offset = self.directory.offset(index)
        self.image[offset : offset + len(data)] = data
        self._qualities[index] = quality

    def set_quality(self, index: int, quality: Quality) -> None:
        """Stage the quality of a value, leaving the value."""
        self._qualities[index] = quality

    def publish(self, now_ns: int | None = None) -> int:
        """Make the staged values visible in one step; returns how many tags changed.

        What differs from the last publish, in value or quality, is stamped `now_ns` (default: now) and
        appended to the journal, and readers that wait are woken. Allocates nothing and never waits.
        """
        count = self._core.publish(_core.now_ns() if now_ns is None else now_ns, self._everything)
        self._everything = False
        return count

    def heartbeat(self, deadline_ns: int) -> None:
        """Say that the writer lives and will beat again before `deadline_ns` (CLOCK_MONOTONIC)."""
        self._core.heartbeat(_core.now_ns(), deadline_ns)

    def activate(self) -> None:
        """Put the segment in its place, as the epoch after the one that is there, whose readers are told.

        Without effect when it is in its place already. Raises SegmentError, leaving the old epoch, on
        failure.
        """
        if self._pending is None or self._path is None:
            return
        packed = os.pread(self.fd, self._layout.directory_size, self._layout.directory)
        try:
            os.pwrite(self.fd, pack_identity(self._layout, _epoch_at(self._path) + 1, packed), 0)
            old = _open_old(self._path)
            self._pending.rename(self._path)
            self._pending = None
        except OSError as error:
            raise SegmentError(f"the segment cannot be put at {self._path}: {error}") from error
        if old is not None:
            _tell_readers(old)

    def close(self) -> None:
        """Let go of the segment. Its file stays with the last values, unless it was never activated."""
        self._core.close()
        os.close(self.fd)
        if self._pending is not None:
            self._pending.unlink(missing_ok=True)
            self._pending = None


def _tell_readers(old: int) -> None:
    """Flag an old epoch as superseded; one that is cut short gives its readers an error anyway."""
    try:
        if os.fstat(old).st_size >= HEADER_SIZE:
            _core.supersede(old)
    finally:
        os.close(old)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(DIRECTORY_MODE)


def _remove_leftovers(path: Path) -> None:
    """Remove files that other processes made and never activated: a segment has one writer at a time."""
    ours = f".{path.name}.{os.getpid()}."
    for leftover in path.parent.glob(f".{path.name}.*"):
        if not leftover.name.startswith(ours):
            leftover.unlink(missing_ok=True)


def _open_old(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None


def _epoch_at(path: Path) -> int:
    """The epoch of the segment at `path`; 0 when there is none or it is damaged."""
    fd = _open_old(path)
    if fd is None:
        return 0
    try:
        return parse_identity(os.pread(fd, HEADER_SIZE, 0), os.fstat(fd).st_size)[1]
    except SegmentError:
        return 0
    finally:
        os.close(fd)
