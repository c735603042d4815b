# SPDX-License-Identifier: Apache-2.0
"""Where segments are in the file system, and opening one."""

from __future__ import annotations

import os
from pathlib import Path

from pilotlight.tags.directory import Directory
from pilotlight.tags.errors import SegmentDamaged, SegmentError, SegmentMissing
from pilotlight.tags.layout import HEADER_SIZE, Layout, parse_identity, verify

LONGEST_SEGMENT_NAME = 64
FILE_MODE = 0o640
DIRECTORY_MODE = 0o2750


def segments_folder() -> Path:
    """The folder with one directory a segment: `segments` in /run/pilotlight, or in `PILOTLIGHT_RUN`."""
    return Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "segments"


def segment_path(name: str) -> Path:
    """The file of the segment `name` (letters, digits, `-` and `_`); raises ValueError for any other name."""
    plain = name.replace("-", "").replace("_", "")
    if not plain.isascii() or not plain.isalnum() or len(name) > LONGEST_SEGMENT_NAME:
        raise ValueError(f"{name!r} is not a segment name (letters, digits, - and _)")
    return segments_folder() / name / "segment"


def segment_names() -> list[str]:
    """The names of the segments that are there now, sorted."""
    return sorted(path.parent.name for path in segments_folder().glob("*/segment"))


def open_for_reading(path: Path) -> int:
    """A descriptor of a segment's file; raises SegmentMissing, or SegmentError when it is kept from us."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SegmentMissing(f"there is no segment at {path}: its writer has not started yet") from error
    except OSError as error:
        raise SegmentError(f"the segment at {path} cannot be opened: {error.strerror}") from error


def read_header(fd: int) -> tuple[Layout, int, Directory]:
    """Layout, epoch and directory of an open segment, all checked; raises SegmentDamaged."""
    header = os.pread(fd, HEADER_SIZE, 0)
    layout, epoch, check = parse_identity(header, os.fstat(fd).st_size)
    packed = os.pread(fd, layout.directory_size, layout.directory)
    if len(packed) != layout.directory_size:
        raise SegmentDamaged("the file ends inside the directory")
    verify(header, packed, check)
    return layout, epoch, Directory.parse(packed, layout.tags, layout.image_size)
