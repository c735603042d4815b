# SPDX-License-Identifier: Apache-2.0
"""The one place on disk where a bundle waits for its installation."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from pilotlight.daemon import DaemonError, InvalidArgument

from .sources import checked_key

PIECE = 1 << 20
MARGIN = 32 << 20
"""Bytes that must stay free: the device has to go on writing its state."""
_SUFFIX = ".raucb"


class NoSpace(DaemonError):
    """There is not enough room on the data partition, or the bundle is larger than allowed."""

    dbus_name = "io.pilotlight.Error.NoSpace"


class Spool:
    """A folder with at most one bundle; ``limit`` is the largest that is taken, in bytes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def open(self, size: int, key: str = "") -> tuple[int, Path]:
        """A descriptor to write a bundle of ``size`` bytes with; whatever waited here before is gone.

        With a ``key`` the file of an earlier call with the same key is opened as it was left. Raises NoSpace,
        InvalidArgument, OSError.
        """
        if not 0 < size <= self._limit:
            raise NoSpace(
                f"a bundle of {size} bytes is not taken: 1 to {self._limit} are (setting update.bundle_mib); "
                "nothing was done"
            )
        path = self._folder / ((checked_key(key) if key else "upload") + _SUFFIX)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove(lambda other: other != path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if key else os.O_TRUNC)
        descriptor = os.open(path, flags, 0o640)
        try:
            self._check_room(size - os.fstat(descriptor).st_blocks * 512)
        except NoSpace:
            os.close(descriptor)
            path.unlink()
            raise
        return descriptor, path

    def holds(self, descriptor: int) -> Path | None:
        """The file here that a descriptor is open on; None when it is somebody else's."""
        theirs = os.fstat(descriptor)
        for path in self._files():
            mine = path.stat()
            if (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino):
                return path
        return None

    def copy(self, descriptor: int, progress: Callable[[int], None]) -> Path:
        """A copy of the file that a descriptor is open on; ``progress`` gets percents. Blocks.

        Raises NoSpace, InvalidArgument (no plain file, changed meanwhile), OSError.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgument("a bundle is handed over as a plain file that can be read; nothing was installed")
        target, path = self.open(status.st_size)
        try:
            done = 0
            while done < status.st_size:
                piece = os.pread(descriptor, min(PIECE, status.st_size - done), done)
                if not piece:
                    raise InvalidArgument("the bundle became shorter while it was read; nothing was installed")
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(target, rest) :]
                done += len(piece)
                progress(100 * done // status.st_size)
            os.fsync(target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(target)
        return path

    def clear(self, older_than_s: float = 0.0) -> None:
        """Remove what is here, or only what nobody wrote to for a time. Raises OSError."""
        limit = time.time() - older_than_s
        self._remove(lambda path: not older_than_s or path.stat().st_mtime < limit)

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob(f"*{_SUFFIX}") if path.is_file()] if self._folder.is_dir() else []

    def _remove(self, unwanted: Callable[[Path], bool]) -> None:
        for path in self._files():
            if unwanted(path):
                path.unlink(missing_ok=True)

    def _check_room(self, size: int) -> None:
        figures = os.statvfs(self._folder)
        free = figures.f_frsize * figures.f_bavail
        if free < size + MARGIN:
            raise NoSpace(
                f"the bundle needs {(size + MARGIN) >> 20} MiB on the data partition and {free >> 20} MiB are free; "
                "nothing was installed. Make room, or install from an https:// address: that needs none."
            )
