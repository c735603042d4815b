# SPDX-License-Identifier: Apache-2.0
"""Restores a backup in two steps, each power-safe.

``stage`` checks the whole backup and unpacks it beside what is in use; the file ``ready.json``, written last, is the
decision. ``apply`` runs at the next start before any daemon, and again at later ones until it got through: it puts
each part in its place by two renames, of which the second decides, and removes ``ready.json`` last. What stays with the
device is moved into the new part before.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import IO

import msgspec

from pilotlight.daemon import sync_directory, write_atomic

from .content import Kind, kind
from .create import Device, walk
from .manifest import BadBackup, Manifest, check_fits
from .reading import Backup

FOLDER = "system/restore"
READY = "ready.json"
NEW, OLD = "new", "old"
MARGIN = 32 << 20  # bytes that stay free on the data partition


class Ready(msgspec.Struct, frozen=True):
    """What a staged restore puts in place, and where it is from."""

    parts: tuple[str, ...]
    created: str
    hostname: str
    user: str
    whole: bool = True
    """False when it brings no secrets: those of the device stay."""


class Store:
    """Changes of the disk, each durable when it returns; tests cut the power between any two. Raises OSError."""

    def move(self, source: Path, target: Path) -> None:
        """Rename a file or a folder; its new parent is made."""
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        sync_directory(target.parent)
        sync_directory(source.parent)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder with all in it; no harm if it is gone."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        sync_directory(path.parent)

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file."""
        write_atomic(path, data, 0o600)


def stage(data: Path, file: IO[bytes], device: Device, user: str, passphrase: str = "") -> Manifest:
    """Check a backup whole and lay it ready for the next start. Raises BadBackup, OSError; then nothing is changed.

    Sealed secrets without a passphrase for them, and secrets that the backup left out, stay as they are on this device.
    """
    backup = Backup(file)
    check_fits(backup.manifest, device.version, device.board)
    folder = data / FOLDER
    discard(data)
    (folder / NEW).mkdir(parents=True)
    try:
        owners = os.geteuid() == 0
        entries: list[tuple[Path, tarfile.TarInfo]] = []
        for info, content in backup.entries(passphrase):
            path = folder / NEW / info.name
            _room(data, info.size)
            _unpack(path, info, content)
            entries.append((path, info))
        whole = backup.manifest.secret is not None and passphrase != ""
        chosen = [part for part, saved in backup.manifest.parts.items() if whole or saved.public]
        for path, info in reversed(entries):
            if owners:
                os.chown(path, info.uid, info.gid, follow_symlinks=False)
            if not info.issym():
                path.chmod(info.mode)
                _sync(path)
        _sync(folder / NEW)
        ready = Ready(tuple(chosen), backup.manifest.created, backup.manifest.hostname, user, whole)
        Store().write(folder / READY, msgspec.json.encode(ready))
    except BaseException:
        discard(data)
        raise
    return backup.manifest


def discard(data: Path) -> None:
    """Forget a restore that was staged and not applied."""
    folder = data / FOLDER
    if folder.exists():
        Store().remove(folder / READY)
        Store().remove(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _room(data: Path, size: int) -> None:
    space = os.statvfs(data)
    if space.f_bavail * space.f_frsize < size + MARGIN:
        raise BadBackup(f"there is no room on {data} to unpack the backup; nothing was changed")


def _unpack(path: Path, info: tarfile.TarInfo, content: IO[bytes] | None) -> None:
    """Make one entry; nobody else may read it before it belongs to its owner."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if info.isdir():
        path.mkdir(exist_ok=True, mode=0o700)
    elif info.issym():
        path.symlink_to(info.linkname)
    else:
        assert content is not None
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target:
            shutil.copyfileobj(content, target)


def apply(data: Path, store: Store | None = None) -> Ready | None:
    """Put a staged restore in place; what it was, None when there is none. Raises OSError: the next start goes on."""
    store = store or Store()
    folder = data / FOLDER
    try:
        ready = msgspec.json.decode((folder / READY).read_bytes(), type=Ready)
    except (FileNotFoundError, msgspec.MsgspecError):
        if folder.exists():
            store.remove(folder)
        return None
    for part in ready.parts:
        new, live, old = folder / NEW / part, data / part, folder / OLD / part
        if not new.is_dir():
            continue  # put in place before the power went
        if live.exists():
            if not old.exists():
                _carry_over(part, live, new, store, secrets=not ready.whole)
            # What stands there after the first rename was made since, empty, by whoever expects the folder.
            store.remove(live) if old.exists() else store.move(live, old)
        store.move(new, live)
    store.remove(folder / READY)
    store.remove(folder)
    return ready


def _carry_over(part: str, live: Path, new: Path, store: Store, *, secrets: bool) -> None:
    """Move what stays with the device into the part that takes its place: one file or folder after the other, each
    at every moment in one of the two."""
    stays = {Kind.DEVICE, Kind.SECRET} if secrets else {Kind.DEVICE}
    for path, inside in list(walk(live)):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # its folder was moved
        target, what = new.joinpath(*inside), kind(part, inside, mode)
        if what not in stays or target.exists() or not target.parent.is_dir():
            continue
        if what is Kind.DEVICE or stat.S_ISREG(mode):
            store.move(path, target)
