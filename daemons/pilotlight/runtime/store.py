# SPDX-License-Identifier: Apache-2.0
"""The program store: every program that was built, and which of them is active.

A program is a directory that holds the upload, the shared object and a manifest. It is completed and
flushed under a temporary name and then renamed, so at any instant it is there whole or not at all. Its id
is made from the upload's content and the tools that built it: the same upload is stored once.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec

from pilotlight.daemon import NotFound, StateFile, logger, sync_directory, write_atomic
from pilotlight.runtime.check import VariableInfo

FORMAT = 1
EDITOR = "A"
"""Dialect of an Editor's ZIP."""
UPLOAD, OBJECT, MANIFEST = "upload.zip", "program.so", "manifest.json"
_TEMPORARY = ".new-"
_ACTIVE = "active.json"
_MANIFEST_MAX = 64 << 20

log = logger("runtime")


class ProgramInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stored program without its variables. `uploaded` is Unix time in ns, `size` the
    upload's."""

    id: str
    name: str
    user: str
    identity: str
    period_ns: int
    uploaded: int
    size: int
    digest: str
    """SHA-256 of the upload."""
    dialect: str = EDITOR
    cells: int = 0
    """Cells that an online change carries over."""
    format: int = FORMAT


class Manifest(ProgramInfo, frozen=True, kw_only=True):
    """All that is known of a stored program."""

    variables: tuple[VariableInfo, ...] = ()
    log: tuple[str, ...] = ()


class _Active(msgspec.Struct):
    id: str | None = None


class ProgramStore:
    """The programs below `root`. One process uses a store; calls block for as long as the disk takes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._active_file = StateFile(root / _ACTIVE, _Active)
        self._recover()

    @property
    def scratch(self) -> Path:
        """A place on the store's file system for a build; whatever is in it goes at the next start."""
        return self._root / ".build"

    @property
    def active(self) -> str | None:
        """Id of the active program."""
        return self._active_file.load(_Active()).id

    def set_active(self, program: str | None) -> None:
        """Make a stored program, or none, the active one. Raises NotFound."""
        if program is not None:
            self.get(program)
        self._active_file.save(_Active(program))

    def list(self) -> list[ProgramInfo]:
        """All programs, newest first."""
        found = [info for path in self._root.iterdir() if (info := _info(path)) is not None]
        return sorted(found, key=lambda info: (info.uploaded, info.id), reverse=True)

    def get(self, program: str) -> ProgramInfo:
        """The program with this id. Raises NotFound."""
        info = _info(self._path(program))
        if info is None:
            raise NotFound(f"there is no program {program!r} in the store; nothing was changed")
        return info

    def has(self, program: str) -> bool:
        """Whether a program with this id is stored."""
        return _info(self._path(program)) is not None

    def manifest(self, program: str) -> Manifest:
        """The whole manifest of a program. Raises NotFound."""
        self.get(program)
        data = (self._path(program) / MANIFEST).read_bytes()
        return msgspec.json.decode(data, type=Manifest)

    def object_path(self, program: str) -> Path:
        """The shared object of a program. Raises NotFound."""
        self.get(program)
        return self._path(program) / OBJECT

    def upload_path(self, program: str) -> Path:
        """The upload a program was made from. Raises NotFound."""
        self.get(program)
        return self._path(program) / UPLOAD

    def add(self, manifest: Manifest, upload: Path, shared_object: Path) -> ProgramInfo:
        """Store a program; the two files are copied. One of the same id is replaced by a newer manifest only.

        Raises OSError; the store is then as it was.
        """
        final = self._path(manifest.id)
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        if _info(final) is not None:
            write_atomic(final / MANIFEST, data, 0o640)
            return self.get(manifest.id)
        temporary = self._root / f"{_TEMPORARY}{manifest.id}"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(mode=0o750)
            for source, name in ((upload, UPLOAD), (shared_object, OBJECT)):
                _copy(source, temporary / name)
            write_atomic(temporary / MANIFEST, data, 0o640)
            temporary.rename(final)
            sync_directory(self._root)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return self.get(manifest.id)

    def renew(self, program: str, name: str, user: str) -> ProgramInfo:
        """Note that a stored program was uploaded again. Raises NotFound, OSError."""
        manifest = msgspec.structs.replace(self.manifest(program), name=name, user=user, uploaded=time.time_ns())
        write_atomic(self._path(program) / MANIFEST, msgspec.json.encode(manifest), 0o640)
        return self.get(program)

    def prune(self, keep: int = 10) -> tuple[str, ...]:
        """Delete all but the `keep` newest programs and the active one; the ids of those deleted."""
        active = self.active
        old = tuple(info.id for info in self.list()[keep:] if info.id != active)
        for program in old:
            # Renamed first: a power cut leaves a whole program or a leftover, never a part of one.
            doomed = self._root / f"{_TEMPORARY}{program}"
            self._path(program).rename(doomed)
            shutil.rmtree(doomed)
        return old

    def _path(self, program: str) -> Path:
        if not program.isalnum() or not program.isascii() or len(program) > 64:
            raise NotFound("that is not the id of a program; nothing was changed")
        return self._root / program

    def _recover(self) -> None:
        """Remove what a power cut left over."""
        for path in self._root.iterdir():
            if path.is_dir() and (path.name.startswith(".") or _info(path) is None):
                log.warning(f"{path.name} in the program store is incomplete and is removed", event="store-leftover")
                shutil.rmtree(path)
        active = self.active
        if active is not None and _info(self._root / active) is None:
            log.error(
                f"the active program {active} is not in the store: none is active now; upload it again",
                event="store-active-lost",
            )
            self._active_file.save(_Active(None))


def _info(path: Path) -> ProgramInfo | None:
    """The program in a directory; None when it is not a complete one."""
    manifest = path / MANIFEST
    try:
        if path.name.startswith(".") or not (path / OBJECT).is_file() or not (path / UPLOAD).is_file():
            return None
        with manifest.open("rb") as file:
            info = msgspec.json.decode(file.read(_MANIFEST_MAX), type=ProgramInfo)
    except (OSError, msgspec.MsgspecError):
        return None
    return info if info.id == path.name and info.format == FORMAT else None


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(0o640)
