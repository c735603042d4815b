# SPDX-License-Identifier: Apache-2.0
"""What provisioning does to disks, each step of it durable when it returns. Tests cut the power between any two."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pilotlight.daemon import sync_directory, write_atomic

SIZE_LIMIT = 64 << 10
BLOCK = 512


class Disk:
    """The steps. Every method raises OSError."""

    def read(self, path: Path) -> bytes | None:
        """A file's content, None when there is no such file; OSError when it is larger than SIZE_LIMIT."""
        try:
            with path.open("rb") as file:
                data = file.read(SIZE_LIMIT + 1)
        except FileNotFoundError:
            return None
        if len(data) > SIZE_LIMIT:
            raise OSError(f"{path} is larger than {SIZE_LIMIT >> 10} KiB")
        return data

    def write(self, path: Path, data: bytes, mode: int, owner: str) -> None:
        """Replace a file, readable by nobody else before it belongs to its owner."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if owner == "root":
            write_atomic(path, data, mode)
            return
        aside = path.with_name(f"{path.name}.provision")
        write_atomic(aside, data, mode)
        shutil.chown(aside, owner, owner)
        aside.rename(path)
        sync_directory(path.parent)

    def link(self, path: Path, target: str) -> None:
        """Replace a file by a symbolic link."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.rename(path)
        sync_directory(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a file; no harm if it is gone."""
        if path.parent.is_dir():
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

    def overwrite(self, path: Path) -> None:
        """Replace every byte of a file by zero where it stands; nothing if it is gone."""
        try:
            with path.open("r+b", buffering=0) as file:
                left = os.fstat(file.fileno()).st_size
                while left > 0:
                    left -= file.write(bytes(min(left, BLOCK)))
                os.fsync(file.fileno())
        except FileNotFoundError:
            return
