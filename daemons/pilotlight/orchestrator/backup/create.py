# SPDX-License-Identifier: Apache-2.0
"""Makes a backup: reads the parts as they are on the disk, daemons running, and writes one tar file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from . import manifest as m
from .content import DAEMONS, SYSTEM_PARTS, Kind, is_part, kind
from .manifest import BadBackup, Manifest, Member, Part
from .seal import seal

_SQLITE = b"SQLite format 3\0"
PIECE = 1 << 20
DEPTH_LIMIT = 16


@dataclass(frozen=True)
class Device:
    """What a backup says about where it is from, and what a restore compares with."""

    version: str
    board: str
    hostname: str


def parts(data: Path) -> list[str]:
    """The parts that this device has, by name."""
    found = [f"{DAEMONS}/{path.name}" for path in (data / DAEMONS).iterdir()] if (data / DAEMONS).is_dir() else []
    return sorted(name for name in [*found, *SYSTEM_PARTS] if is_part(name) and _is_folder(data / name))


def create(data: Path, target: IO[bytes], device: Device, created: str, passphrase: str = "") -> Manifest:
    """Write a backup of the parts below ``data`` into ``target``; without a passphrase secrets are left out.

    A file that a daemon replaces meanwhile is saved as it was or as it is, never in part; a database is saved as of one
    moment. Raises OSError, BadBackup (too large, passphrase too short).
    """
    with tempfile.TemporaryFile(dir=data) as public, contextlib.closing(io.BytesIO()) as secret:
        saved = _gather(data, public, secret if passphrase else None)
        manifest = Manifest(
            m.PRODUCT, m.FORMAT, device.version, device.board, device.hostname, created, saved, _measure(public)
        )
        sealed = b""
        if passphrase:
            sealed, lock = seal(secret.getvalue(), passphrase, manifest)
            manifest = msgspec.structs.replace(manifest, secret=lock)
        text = msgspec.json.encode(manifest)
        if len(text) > m.MANIFEST_LIMIT or len(sealed) > m.SEALED_LIMIT:
            raise BadBackup("there is too much to back up; remove what is not needed from /data/pilotlight")
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, m.NAME, io.BytesIO(text), len(text))
            _add(archive, m.PUBLIC, public, manifest.public.size)
            if passphrase:
                _add(archive, m.SECRET, io.BytesIO(sealed), len(sealed))
        target.flush()
    return manifest


def _gather(data: Path, public: IO[bytes], secret: IO[bytes] | None) -> dict[str, Part]:
    """Fill the two inner archives; what was saved of each part."""
    saved: dict[str, Part] = {}
    count = total = 0
    with contextlib.ExitStack() as stack:
        clear = stack.enter_context(tarfile.open(fileobj=public, mode="w:gz", format=tarfile.PAX_FORMAT))
        hidden = None
        if secret is not None:
            hidden = stack.enter_context(tarfile.open(fileobj=secret, mode="w:gz", format=tarfile.PAX_FORMAT))
        for part in parts(data):
            number = {Kind.PUBLIC: 0, Kind.SECRET: 0}
            left_out = []
            _add_folder(clear, data / part, part)
            for path, inside in walk(data / part):
                name = f"{part}/{'/'.join(inside)}"
                try:
                    info = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(info.st_mode):
                    if kind(part, inside, 0) not in (Kind.LEFT, Kind.DEVICE):
                        _add_folder(clear, path, name)
                    continue
                what = kind(part, inside, info.st_mode)
                if what in (Kind.LEFT, Kind.DEVICE) or not (stat.S_ISREG(info.st_mode) or part == "system/site"):
                    continue
                archive = clear if what is Kind.PUBLIC else hidden
                if archive is None:
                    left_out.append("/".join(inside))
                    continue
                size = _add_file(archive, path, name)
                number[what] += size is not None
                count, total = count + 1, total + (size or 0)
                if count > m.FILES_LIMIT or total > m.PLAIN_LIMIT:
                    raise BadBackup("there is too much to back up; remove what is not needed from /data/pilotlight")
            saved[part] = Part(number[Kind.PUBLIC], number[Kind.SECRET], tuple(left_out))
    return saved


def walk(folder: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Everything in a folder, folders before what is in them; links are not followed."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(folder, ())]
    while waiting:
        current, inside = waiting.pop()
        try:
            entries = sorted(current.iterdir(), reverse=True)
        except FileNotFoundError:
            continue  # a daemon removed it meanwhile
        for path in entries:
            steps = (*inside, path.name)
            yield path, steps
            if _is_folder(path) and len(steps) < DEPTH_LIMIT:
                waiting.append((path, steps))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _add_folder(archive: tarfile.TarFile, path: Path, name: str) -> None:
    info = _info(name, path.lstat())
    info.type = tarfile.DIRTYPE
    archive.addfile(info)


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> int | None:
    """Bytes saved; None when the file went meanwhile. A link (to a time zone) is saved as a link."""
    try:
        if path.is_symlink():
            info = _info(name, path.lstat())
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
            archive.addfile(info)
            return 0
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            info = _info(name, found)
            if file.read(len(_SQLITE)) == _SQLITE:
                with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".backup-") as copy:
                    _copy_database(path, copy.name)
                    info.size = Path(copy.name).stat().st_size
                    archive.addfile(info, copy)
            else:
                file.seek(0)
                info.size = found.st_size
                archive.addfile(info, file)
            return info.size
    except FileNotFoundError:
        return None


def _copy_database(path: Path, target: str) -> None:
    """Copy a database as of one moment, with what its write-ahead log holds."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def _info(name: str, found: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, 0
    return info


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    content.seek(0)
    archive.addfile(info, content)


def _measure(file: IO[bytes]) -> Member:
    file.flush()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return Member(size, digest.hexdigest())
