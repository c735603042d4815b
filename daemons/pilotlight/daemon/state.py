# SPDX-License-Identifier: Apache-2.0
"""Files that survive power loss: at every instant the old content or the new one, never a part."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from .log import logger

T = TypeVar("T")
SIZE_LIMIT = 16 << 20

log = logger("daemon")


def state_directory(daemon: str) -> Path:
    """The daemon's directory under ``/data/pilotlight`` (``PILOTLIGHT_STATE``)."""
    return Path(os.environ.get("PILOTLIGHT_STATE", "/data/pilotlight")) / daemon


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file: write beside it, fsync, rename over it, fsync the directory. One writer a file.

    Raises OSError; the old content then is still there.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(path)
    sync_directory(path.parent)


class StateFile(Generic[T]):
    """One value kept in a JSON file."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self.path = path
        self._kind = kind

    def load(self, default: T) -> T:
        """The value last saved, or the default when there is none.

        A file that cannot be decoded is kept aside as ``<name>.corrupt`` and reported. Raises OSError.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(SIZE_LIMIT + 1)
        except FileNotFoundError:
            return default
        try:
            if len(data) > SIZE_LIMIT:
                raise ValueError(f"larger than {SIZE_LIMIT} bytes")
            return msgspec.json.decode(data, type=self._kind)
        except (ValueError, msgspec.MsgspecError) as error:
            aside = self.path.with_name(self.path.name + ".corrupt")
            self.path.rename(aside)
            sync_directory(self.path.parent)
            log.error(
                f"{self.path} cannot be used ({error}); it is kept as {aside.name}, defaults are in force",
                event="state-corrupt",
                path=self.path,
            )
            return default

    def save(self, value: T, mode: int = 0o600) -> None:
        """Replace the file, so that a power cut leaves the old value or this one. Raises OSError."""
        data = msgspec.json.encode(value)
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"{self.path}: {len(data)} bytes are more than {SIZE_LIMIT}; the old value stays")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, data, mode)


def sync_directory(path: Path) -> None:
    """Have the names in a directory, as they are now, survive power loss. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
