# SPDX-License-Identifier: Apache-2.0
"""Tags in shared memory: one writer, many readers, no locks.

A program that has values makes a `SegmentWriter`, stages values and publishes; any other program opens a
`SegmentReader` and takes consistent snapshots, follows the journal of changes, or waits for the next publish.
docs/segments.md has the byte layout.
"""

import importlib
from typing import TYPE_CHECKING

from pilotlight.tags.directory import Directory
from pilotlight.tags.errors import (
    SegmentBusy,
    SegmentDamaged,
    SegmentError,
    SegmentMissing,
    SegmentSilent,
    TagValueError,
)
from pilotlight.tags.files import segment_names, segment_path
from pilotlight.tags.tag import Flags, Quality, Tag
from pilotlight.tags.values import Type, Value, decode, encode

if TYPE_CHECKING:
    from pilotlight.tags.clock import now_ns, sleep_until, wall_ns
    from pilotlight.tags.reader import Beat, Change, Changes, Reading, SegmentReader, Snapshot
    from pilotlight.tags.readers import Readers
    from pilotlight.tags.ring import CommandRing
    from pilotlight.tags.writer import SegmentWriter

__all__ = [
    "Beat",
    "Change",
    "Changes",
    "CommandRing",
    "Directory",
    "Flags",
    "Quality",
    "Readers",
    "Reading",
    "SegmentBusy",
    "SegmentDamaged",
    "SegmentError",
    "SegmentMissing",
    "SegmentReader",
    "SegmentSilent",
    "SegmentWriter",
    "Snapshot",
    "Tag",
    "TagValueError",
    "Type",
    "Value",
    "decode",
    "encode",
    "now_ns",
    "segment_names",
    "segment_path",
    "sleep_until",
    "wall_ns",
]

# What needs the C core is imported when it is asked for: the PLC language runs where no compiler is.
_WITH_CORE = {
    **dict.fromkeys(("now_ns", "sleep_until", "wall_ns"), "clock"),
    **dict.fromkeys(("Beat", "Change", "Changes", "Reading", "SegmentReader", "Snapshot"), "reader"),
    "CommandRing": "ring",
    "Readers": "readers",
    "SegmentWriter": "writer",
}


def __getattr__(name: str) -> object:
    if name not in _WITH_CORE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"pilotlight.tags.{_WITH_CORE[name]}"), name)
    globals()[name] = found
    return found
