# SPDX-License-Identifier: Apache-2.0
"""Reads a backup without believing it: every size, name, owner and type is checked before it is used."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from . import manifest as m
from .manifest import BadBackup, Manifest
from .seal import unseal

ZONES = PurePosixPath("/usr/share/zoneinfo")
OWNERS = frozenset({0, *range(500, 520)})
PIECE = 1 << 20
NAME_LIMIT = 512
DAMAGED = "the backup is damaged: {}; nothing was changed"


class Backup:
    """An open backup. Every method raises BadBackup; none changes anything."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._members: dict[str, tuple[int, int]] = {}
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for info in archive:
                    known = info.name in (m.NAME, m.PUBLIC, m.SECRET) and info.name not in self._members
                    if not known or not info.isreg():
                        raise BadBackup(DAMAGED.format("it holds what no backup holds"))
                    self._members[info.name] = (info.offset_data, info.size)
        except (tarfile.TarError, ValueError, EOFError):
            raise BadBackup("this is no backup of a Pilotlight device, or only the beginning of one") from None
        if m.NAME not in self._members:
            raise BadBackup("this is no backup of a Pilotlight device")
        self.manifest: Manifest = m.decode(self._read(m.NAME, m.MANIFEST_LIMIT))
        self._check(m.PUBLIC, self.manifest.public.size, self.manifest.public.sha256)
        if self.manifest.secret is not None:
            self._check(m.SECRET, self.manifest.secret.size, self.manifest.secret.sha256)

    def _read(self, name: str, limit: int) -> bytes:
        start, size = self._members[name]
        if size > limit:
            raise BadBackup(DAMAGED.format(f"{name} is too large"))
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size:
            raise BadBackup(DAMAGED.format(f"{name} is cut off"))
        return data

    def _check(self, name: str, size: int, sha256: str) -> None:
        start, found = self._members.get(name, (0, -1))
        if found != size:
            raise BadBackup(DAMAGED.format(f"{name} is missing or has another size"))
        self._file.seek(start)
        digest, left = hashlib.sha256(), size
        while left and (piece := self._file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
        if left or digest.hexdigest() != sha256:
            raise BadBackup(DAMAGED.format(f"{name} is not what was written"))

    def entries(self, passphrase: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """Folders, files and links with their content, the secret ones too if there is a passphrase for them."""
        start, size = self._members[m.PUBLIC]
        seen: set[str] = set()
        yield from _entries(_Window(self._file, start, size), self.manifest, seen)
        if self.manifest.secret is not None and passphrase:
            plain = unseal(self._read(m.SECRET, m.SEALED_LIMIT), passphrase, self.manifest)
            yield from _entries(io.BytesIO(plain), self.manifest, seen)


class _Window(io.RawIOBase):
    """A piece of a file as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    # Typed narrower than the base, which takes any buffer: io.BufferedReader and tarfile give a writable one.
    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(buffer), self._size - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _entries(
    file: IO[bytes] | _Window, manifest: Manifest, seen: set[str]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    total = 0
    try:
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            for info in archive:
                check_entry(info, manifest, seen)
                seen.add(info.name)
                total += info.size
                if total > m.PLAIN_LIMIT or len(seen) > 2 * m.FILES_LIMIT:
                    raise BadBackup(DAMAGED.format("it unpacks to too much"))
                yield info, archive.extractfile(info) if info.isreg() else None
    except (tarfile.TarError, zlib.error, ValueError, EOFError) as error:
        raise BadBackup(DAMAGED.format(f"it cannot be unpacked ({error})")) from None


def check_entry(info: tarfile.TarInfo, manifest: Manifest, seen: set[str]) -> None:
    """Raises BadBackup for an entry that a backup of ours does not have: outside of the parts, of a foreign owner, with
    special rights, a device, a link to anywhere but a time zone, or there twice."""
    path = PurePosixPath(info.name)
    steps = path.parts
    plain = str(path) == info.name and not path.is_absolute() and not {".", ".."} & set(steps)
    if (
        not plain
        or len(info.name) > NAME_LIMIT
        or not info.name.isprintable()
        or "/".join(steps[:2]) not in manifest.parts
    ):
        raise BadBackup(DAMAGED.format(f"{info.name[:80]!r} is outside of what is saved"))
    if info.name in seen:
        raise BadBackup(DAMAGED.format(f"{info.name} is there twice"))
    if info.uid not in OWNERS or info.gid not in OWNERS or info.mode & ~0o2777:
        raise BadBackup(DAMAGED.format(f"{info.name} has a foreign owner or special rights"))
    if info.issym():
        target = PurePosixPath(info.linkname)
        if steps[:2] != ("system", "site") or ZONES not in target.parents or ".." in target.parts:
            raise BadBackup(DAMAGED.format(f"{info.name} is a link to elsewhere"))
    elif not (info.isdir() or (info.isreg() and len(steps) > 2)) or (info.isreg() and info.mode & 0o2000):
        raise BadBackup(DAMAGED.format(f"{info.name} is no file"))
