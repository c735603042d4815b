# SPDX-License-Identifier: Apache-2.0
"""Live values, read straight from the segments in shared memory."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilotlight.tags import (
    Quality,
    SegmentError,
    SegmentMissing,
    SegmentReader,
    Snapshot,
    Tag,
    Type,
    segment_names,
)

MOST_ROWS = 500
_WIDE = frozenset({Type.LINT, Type.ULINT, Type.LWORD, Type.TIME, Type.DATE, Type.TOD, Type.DT})


def json_value(type_: Type, value: object) -> object:
    """A value as it is written in JSON. 64-bit numbers are decimal text, because most JSON readers round
    beyond 2^53; numbers that JSON does not have are `NaN`, `Infinity` and `-Infinity`."""
    if type_ in _WIDE:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def describe(index: int, tag: Tag) -> dict[str, Any]:
    """What does not change of a tag in this epoch."""
    return {
        "index": index,
        "name": tag.name,
        "type": tag.type.name,
        "unit": tag.unit,
        "description": tag.description,
    }


def current(snapshot: Snapshot, index: int, tag: Tag) -> dict[str, Any]:
    """Value, quality and the wall-clock time of the last change (ms since 1970; null before the first)."""
    stamp = snapshot.stamp(index)
    return {
        "index": index,
        "value": json_value(tag.type, snapshot.value(index)),
        "quality": snapshot.quality(index).name,
        "changed": (stamp + snapshot.wall_offset_ns) // 1_000_000 if stamp else None,
    }


@dataclass
class _Opened:
    reader: SegmentReader
    folded: list[str]
    """Tag names without regard to case, for the search."""


class LiveTags:
    """Readers of all segments that anyone asked for, reopened when their writer begins anew."""

    def __init__(self) -> None:
        self._opened: dict[str, _Opened] = {}

    def segments(self) -> list[str]:
        """The segments that exist now."""
        return segment_names()

    def open(self, segment: str) -> SegmentReader:
        """The reader of the present epoch; SegmentError when there is none, ValueError when it cannot be a
        name."""
        return self._open(segment).reader

    def _open(self, segment: str) -> _Opened:
        opened = self._opened.get(segment)
        try:
            if opened is None:
                opened = _Opened(SegmentReader.open(segment), [])
                self._opened[segment] = opened
            elif not opened.reader.current():
                opened.reader.reopen()
                opened.folded = []
        except SegmentError:
            if opened is not None:
                opened.reader.close()
                self._opened.pop(segment, None)
            raise
        if not opened.folded:
            opened.folded = [tag.name.casefold() for tag in opened.reader.directory]
        return opened

    def find(self, segment: str, search: str, limit: int) -> tuple[list[int], int]:
        """Indexes of the tags whose name holds every word of `search`, at most `limit`; and how many there
        are in all."""
        opened = self._open(segment)
        words = search.casefold().split()
        matching = [index for index, name in enumerate(opened.folded) if all(word in name for word in words)]
        return matching[:limit], len(matching)

    def close(self) -> None:
        """Lets go of all segments."""
        for opened in self._opened.values():
            opened.reader.close()
        self._opened.clear()


class Watch:
    """One person's view of a segment: the matching tags, then what changed of them."""

    def __init__(self, live: LiveTags, segment: str, search: str, limit: int) -> None:
        self._live = live
        self._segment, self._search, self._limit = segment, search, limit
        self._epoch: int | None = None
        self._indexes: list[int] = []
        self._seen: list[tuple[int, Quality]] = []
        self._missing = False

    def poll(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events since the last call: `tags` (everything, at first and in a new epoch), `changes`,
        `missing`."""
        try:
            reader = self._live.open(self._segment)
            snapshot = reader.snapshot()
        except SegmentError as error:
            if not self._missing:
                self._missing, self._epoch = True, None
                yield "missing", {"message": _absence(self._segment, error)}
            return
        self._missing = False
        if reader.epoch != self._epoch:
            self._epoch = reader.epoch
            self._indexes, total = self._live.find(self._segment, self._search, self._limit)
            self._seen = self._state(snapshot)
            yield "tags", {"total": total, "tags": rows(snapshot, self._indexes)}
            return
        state = self._state(snapshot)
        changed = [index for index, now, before in zip(self._indexes, state, self._seen, strict=True) if now != before]
        self._seen = state
        if changed:
            directory = snapshot.directory
            yield "changes", {"changes": [current(snapshot, index, directory[index]) for index in changed]}

    def _state(self, snapshot: Snapshot) -> list[tuple[int, Quality]]:
        return [(snapshot.stamp(index), snapshot.quality(index)) for index in self._indexes]


def rows(snapshot: Snapshot, indexes: list[int]) -> list[dict[str, Any]]:
    """Description and present value of each tag."""
    directory = snapshot.directory
    return [{**describe(i, directory[i]), **current(snapshot, i, directory[i])} for i in indexes]


def _absence(segment: str, error: SegmentError) -> str:
    if isinstance(error, SegmentMissing):
        return f"There are no values: the writer of segment {segment} is not running."
    return f"Segment {segment} cannot be read: {error}"
