# SPDX-License-Identifier: Apache-2.0
"""What belongs into a backup, and what of it is secret. No I/O.

A *part* is a folder below /data that is saved and restored as a whole: one a daemon, the settings, what is set for this
device alone, and its SSH keys. What is in none of them (journal, identity, state of the slots) belongs to the device
and not to its backup.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

SYSTEM_PARTS = ("system/site", "system/ssh")
DAEMONS = "pilotlight"
SETTINGS = "pilotlight/etc"
PROGRAMS = "pilotlight/runtime"
# Of the slots of this device and no other.
NO_PARTS = frozenset({"boot", "lost+found"})

_PART = re.compile(r"pilotlight/[a-z][a-z0-9-]{0,31}|system/(site|ssh)")
# Temporary files, write-ahead logs of a database that is saved as one file, and the key of sessions.
_LEFT = re.compile(r"\..*|.*\.(new|corrupt|provision)|.*-(wal|shm|journal)|token\.key|first-admin\.json")
_PUBLIC = frozenset({"system/site", PROGRAMS})
# Where all is of this device: history and bundles of its updates, the order of its fleet server it is at.
_OF_DEVICE = frozenset({"pilotlight/orchestrator", "pilotlight/hawkbit"})


class Kind(enum.Enum):
    """How a file is saved, and what becomes of it when its part is restored: LEFT goes, DEVICE stays as it is."""

    PUBLIC = "public"
    SECRET = "secret"  # noqa: S105 - a word, not a secret
    LEFT = "left"
    DEVICE = "device"


def is_part(name: str) -> bool:
    """Whether a backup can have a part of this name."""
    return _PART.fullmatch(name) is not None and name.rpartition("/")[2] not in NO_PARTS


def kind(part: str, path: Sequence[str], mode: int) -> Kind:
    """How the file at ``path`` in a part is saved. What is not known to be public is secret."""
    if any(_LEFT.fullmatch(step) for step in path):
        return Kind.LEFT
    if part in _OF_DEVICE:
        return Kind.DEVICE
    if part in _PUBLIC or (part == SETTINGS and mode & 0o004):
        return Kind.PUBLIC
    return Kind.PUBLIC if (part, *path) == ("system/ssh", "authorized_keys") else Kind.SECRET
