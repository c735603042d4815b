# SPDX-License-Identifier: Apache-2.0
"""Following the values of a segment through its journal, over losses and new epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from pilotlight.tags.errors import SegmentError
from pilotlight.tags.formats import Event
from pilotlight.tags.reader import SegmentReader, Snapshot

MOST_ROUNDS = 64
"""Calls of `changes` in one look: a writer that is always faster must not keep a look from ending."""


class Follower:
    """The chosen tags of one segment: first their values, then every change.

    `chosen` tells by its full name whether a tag is wanted. What is lost is told through `warn`, and the present values
    are given in its place; the same when the segment's writer begins a new epoch.
    """

    def __init__(self, name: str, chosen: Callable[[str], bool], warn: Callable[[str], None]) -> None:
        self._name = name
        self._chosen = chosen
        self._warn = warn
        self._reader = SegmentReader.open(name)
        self._wanted = self._choose()
        self._cursor: int | None = None
        self._wall_offset_ns = 0
        self._trouble = ""

    @property
    def wanted(self) -> list[str]:
        """The full names of the chosen tags of the present epoch."""
        return list(self._wanted.values())

    def _choose(self) -> dict[int, str]:
        names = ((index, f"{self._name}.{tag.name}") for index, tag in enumerate(self._reader.directory))
        return {index: name for index, name in names if self._chosen(name)}

    def wait(self, timeout_s: float) -> None:
        """Wait for the next publish; while the segment cannot be read, for the time."""
        try:
            self._reader.wait(timeout_s)
        except SegmentError:
            time.sleep(timeout_s)

    def look(self) -> Iterator[Event]:
        """What there is to tell since the last look."""
        try:
            if not self._reader.current():
                self._reader.reopen()
                self._warn(f"{self._name}: a new epoch began; here are its values")
                self._wanted = self._choose()
                self._cursor = None
            if self._cursor is None:
                yield from self._values()
            yield from self._changes()
            self._trouble = ""
        except SegmentError as error:
            self._cursor = None
            if self._trouble != str(error):
                self._trouble = str(error)
                self._warn(f"{error}; trying again")

    def _values(self) -> Iterator[Event]:
        snapshot = self._reader.snapshot()
        self._cursor = snapshot.cursor
        self._wall_offset_ns = snapshot.wall_offset_ns
        for index, name in self._wanted.items():
            yield self._event(snapshot, index, name)

    def _event(self, snapshot: Snapshot, index: int, name: str) -> Event:
        reading = snapshot.reading(index)
        time_ns = snapshot.wall_ns(reading.stamp_ns)
        return Event(time_ns, name, snapshot.directory[index], reading.value, reading.quality)

    def _changes(self) -> Iterator[Event]:
        for _ in range(MOST_ROUNDS):
            before = self._cursor
            changes = self._reader.changes(before)
            self._cursor = changes.cursor
            if changes.lost:
                self._warn(f"{self._name}: {changes.lost} changes came faster than they were read and are lost")
                yield from self._values()
                return
            for change in changes.entries:
                name = self._wanted.get(change.index)
                if name is not None:
                    time_ns = change.stamp_ns + self._wall_offset_ns
                    yield Event(time_ns, name, self._reader.directory[change.index], change.value, change.quality)
            if changes.cursor == before:
                return

    def close(self) -> None:
        """Let go of the segment."""
        self._reader.close()
