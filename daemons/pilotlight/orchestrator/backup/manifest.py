# SPDX-License-Identifier: Apache-2.0
"""The manifest of a backup, and whether a backup is for this device. No I/O."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pilotlight.daemon import DaemonError

from ..update.versions import Step, step
from .content import is_part

PRODUCT = "pilotlight-backup"
FORMAT = 1
NAME = "manifest.json"
PUBLIC, SECRET = "public.tar.gz", "secret.sealed"
MANIFEST_LIMIT = 4 << 20
SEALED_LIMIT = 64 << 20
PLAIN_LIMIT = 1 << 30
FILES_LIMIT = 20_000

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class BadBackup(DaemonError):
    """The file is no backup that this device can take; nothing was changed."""

    dbus_name = "io.pilotlight.Error.BadBackup"


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in the archive."""

    size: Annotated[int, Meta(ge=0)]
    sha256: Digest


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed file: AES-256-GCM under a key that scrypt makes of the passphrase. Bytes are hexadecimal."""

    size: Annotated[int, Meta(ge=16, le=SEALED_LIMIT)]
    sha256: Digest
    salt: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    nonce: Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]
    n: Annotated[int, Meta(ge=1 << 14, le=1 << 17)]
    r: Annotated[int, Meta(ge=8, le=8)] = 8
    p: Annotated[int, Meta(ge=1, le=4)] = 1


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is saved of a part: how many files in clear and sealed; names of those left out because secret."""

    public: int = 0
    secret: int = 0
    left_out: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a backup says about itself. ``created`` is by the clock of the device."""

    product: str
    format: int
    version: str
    board: str
    hostname: str
    created: str
    parts: dict[str, Part]
    public: Member
    secret: Sealed | None = None

    def bound(self) -> bytes:
        """What the seal vouches for beside the secrets: everything here but the seal itself."""
        return msgspec.json.encode(msgspec.structs.replace(self, secret=None))


class _Head(msgspec.Struct):
    product: str = ""
    format: int = 0
    version: str = ""


def decode(data: bytes) -> Manifest:
    """The manifest in ``data``. Raises BadBackup: foreign, made by a newer Pilotlight, or damaged."""
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, ValueError):
        raise BadBackup("this is no backup of a Pilotlight device: its manifest cannot be read") from None
    if head.product != PRODUCT:
        raise BadBackup("this is no backup of a Pilotlight device")
    if head.format > FORMAT:
        raise BadBackup(f"a newer Pilotlight ({head.version[:32]}) made this backup; update this device first")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BadBackup(f"the manifest of the backup is damaged: {error}") from None
    wrong = [name for name in manifest.parts if not is_part(name)]
    if wrong or manifest.format < 1:
        raise BadBackup(f"the manifest of the backup is damaged: {wrong[0][:64] if wrong else 'format'}")
    return manifest


def check_fits(manifest: Manifest, version: str, board: str) -> None:
    """Raises BadBackup when the backup is of another kind of device or of a newer version than this one."""
    if manifest.board != board:
        raise BadBackup(
            f"the backup is of a device of board {manifest.board}, this one is {board}; nothing was changed"
        )
    if step(manifest.version, version) in (Step.NEWER, Step.UNKNOWN):
        raise BadBackup(
            f"the backup is of version {manifest.version}, this device runs {version}: update it first; "
            "nothing was changed"
        )
