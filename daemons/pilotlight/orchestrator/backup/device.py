# SPDX-License-Identifier: Apache-2.0
"""What this device is, and what is told about a backup."""

from __future__ import annotations

import datetime
import socket
from pathlib import Path
from typing import IO, Any

from pilotlight import __version__

from ..core import os_release
from .create import PIECE, Device
from .manifest import BadBackup, Manifest, check_fits
from .reading import Backup

RELEASE = Path("/usr/lib/os-release")


def this_device() -> Device:
    """Version and board as the image says, and the host name."""
    release = os_release(RELEASE.read_text(encoding="utf-8")) if RELEASE.is_file() else {}
    ours = release.get("ID") == "pilotlight"
    version = release.get("VERSION_ID", __version__) if ours else __version__
    return Device(version, release.get("VARIANT_ID", "unknown") if ours else "unknown", socket.gethostname())


def now() -> str:
    """The time by the device's clock."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def summary(manifest: Manifest) -> dict[str, Any]:
    """What a person wants to know of a backup, with D-Bus's plain types."""
    return {
        "Version": manifest.version,
        "Board": manifest.board,
        "Hostname": manifest.hostname,
        "Created": manifest.created,
        "Sealed": manifest.secret is not None,
        "Files": sum(part.public + part.secret for part in manifest.parts.values()),
        "Parts": list(manifest.parts),
        "LeftOut": [f"{name}/{file}" for name, part in manifest.parts.items() for file in part.left_out],
    }


def inspected(file: IO[bytes], passphrase: str) -> dict[str, Any]:
    """Read a backup to its end and tell what it is, and why it does not fit here (empty: it does). Raises BadBackup."""
    backup = Backup(file)
    for _, content in backup.entries(passphrase):
        while content is not None and content.read(PIECE):
            continue
    device, refusal = this_device(), ""
    try:
        check_fits(backup.manifest, device.version, device.board)
    except BadBackup as error:
        refusal = str(error)
    return {**summary(backup.manifest), "Refusal": refusal}


def described(manifest: Manifest) -> str:
    """The same as lines for people."""
    told = summary(manifest)
    secrets = "sealed with the passphrase" if told["Sealed"] else "left out; they stay as they are on a restored device"
    lines = [
        f"Backup of {told['Hostname']} ({told['Board']}, version {told['Version']}), made {told['Created']}",
        f"files: {told['Files']} in {', '.join(told['Parts'])}",
        f"secrets (users, keys, enrolment): {secrets}",
    ]
    return "\n".join([*lines, *(f"left out: {name}" for name in told["LeftOut"])])
