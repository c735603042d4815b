# SPDX-License-Identifier: Apache-2.0
"""The reading side of a segment: consistent copies, what happened since, and waiting for more."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pilotlight.tags import _core
from pilotlight.tags.directory import Directory
from pilotlight.tags.errors import SegmentBusy, SegmentDamaged
from pilotlight.tags.files import open_for_reading, read_header, segment_path
from pilotlight.tags.layout import FURTHER_SLOT, SLOT_SIZE, Layout, further_slots
from pilotlight.tags.tag import Quality
from pilotlight.tags.values import Value, decode

PATIENCE_NS = 100_000_000
"""How long a snapshot tries for a consistent copy while the writer does not get on; ten times as long when it does."""
LONGEST_WAIT_S = 3600.0
MOST_AT_ONCE = 4096
"""Journal slots one call of `changes` looks at."""

_SLOT = struct.Struct("<QqIBBH8s")
_NUMBER = struct.Struct("<Q")


@dataclass(frozen=True)
class Reading:
    """One value as it is now; `stamp_ns` is the time of its last change (CLOCK_MONOTONIC)."""

    name: str
    value: Value
    quality: Quality
    stamp_ns: int


@dataclass(frozen=True)
class Change:
    """One change out of the journal; `sequence`, its place there, grows from change to change."""

    sequence: int
    index: int
    value: Value
    quality: Quality
    stamp_ns: int


@dataclass(frozen=True)
class Changes:
    """Changes in their order; `cursor` is where the next call goes on.

    `lost` is the number of journal slots that were overwritten before they could be read, or were not valid.
    A change takes one slot, and one more for every 24 bytes of a value beyond 8 bytes.
    """

    entries: list[Change]
    cursor: int
    lost: int


@dataclass(frozen=True)
class Beat:
    """The writer's heartbeats: how many, when the last was and when the next is due (CLOCK_MONOTONIC)."""

    count: int
    time_ns: int
    deadline_ns: int


class Snapshot:
    """A consistent copy of all values of a segment: what one publish left."""

    def __init__(
        self,
        layout: Layout,
        directory: Directory,
        data: bytes,
        sequence: int,
        time_ns: int,
        wall_offset_ns: int,
        cursor: int,
    ) -> None:
        self._data = data
        self._stamps = layout.stamps - layout.image
        self._qualities = layout.qualities - layout.image
        self.directory: Final = directory
        self.sequence: Final = sequence
        """Number of publishes so far in this epoch; 0 means that nothing was published yet."""
        self.time_ns: Final = time_ns
        """When it was published (CLOCK_MONOTONIC)."""
        self.wall_offset_ns: Final = wall_offset_ns
        self.cursor: Final = cursor
        """Where in the journal the changes after this snapshot begin."""

    @property
    def image(self) -> bytes:
        """The bytes of all values."""
        return self._data[: self.directory.image_size]

    def values(self) -> list[Value]:
        """All values, in the order of the directory."""
        return self.directory.values(self._data)

    def value(self, index: int) -> Value:
        tag = self.directory[index]
        offset = self.directory.offset(index)
        return decode(tag.type, self._data[offset : offset + tag.size])

    def quality(self, index: int) -> Quality:
        return _quality(self._data[self._qualities + range(len(self.directory))[index]])

    def stamp(self, index: int) -> int:
        """When the value or its quality last changed (CLOCK_MONOTONIC, ns)."""
        at = self._stamps + 8 * range(len(self.directory))[index]
        return int.from_bytes(self._data[at : at + 8], "little", signed=True)

    def wall_ns(self, monotonic_ns: int) -> int:
        """The wall-clock time (ns since 1970, UTC) of a stamp, as the clock was set at the publish."""
        return monotonic_ns + self.wall_offset_ns

    def reading(self, index: int) -> Reading:
        """Value, quality and stamp of one tag."""
        return Reading(self.directory[index].name, self.value(index), self.quality(index), self.stamp(index))


class SegmentReader:
    """Reads one epoch of a segment through a read-only mapping; the writer never notices.

    Whatever the file holds, the worst that happens is an exception derived from SegmentError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._attach()

    @classmethod
    def open(cls, name: str, *, path: Path | None = None) -> SegmentReader:
        """Open the present epoch of the segment `name`, or of the segment at `path`.

        Raises SegmentMissing when there is none, SegmentDamaged when the file is not a sound segment.
        """
        return cls(segment_path(name) if path is None else path)

    def _attach(self) -> None:
        fd = open_for_reading(self._path)
        try:
            layout, epoch, directory = read_header(fd)
            core = _core.Reader(fd, *layout.areas, directory.extents())
            status = os.fstat(fd)
        except (ValueError, OSError) as error:
            raise SegmentDamaged(f"{self._path}: {error}") from error
        finally:
            os.close(fd)
        self._layout = layout
        self._core = core
        self._file = (status.st_dev, status.st_ino)
        self.epoch: int = epoch
        self.directory: Directory = directory
        # Slots of the longest change there can be: a call that looks at fewer might not get on.
        self._longest: int = 1 + further_slots(max((tag.size for tag in directory), default=0))
        self._seen: int = self._state()[0]

    def _state(self) -> tuple[int, bool]:
        try:
            return self._core.state()
        except OSError as error:
            raise self._cut_short() from error

    def _cut_short(self) -> SegmentDamaged:
        return SegmentDamaged(f"{self._path} was cut short while it was read; reopen it later")

    def snapshot(self) -> Snapshot:
        """A consistent copy of all values.

        Raises SegmentBusy when the writer stopped in the middle of a publish, 100 ms long, or none is to be had within
        a second.
        """
        try:
            copy = self._core.snapshot(PATIENCE_NS)
        except OSError as error:
            raise self._cut_short() from error
        if copy is None:
            raise SegmentBusy(
                f"{self._path}: the writer stopped in the middle of a publish, so no values are given; "
                "wait for its next epoch and reopen"
            )
        data, sequence, time_ns, wall_offset_ns, cursor, self._seen = copy
        return Snapshot(self._layout, self.directory, data, sequence // 2, time_ns, wall_offset_ns, cursor)

    def read(self, *names: str) -> list[Reading]:
        """The named tags, from one snapshot; raises KeyError for a name that the segment does not have."""
        indexes = [self.directory.index(name) for name in names]
        snapshot = self.snapshot()
        return [snapshot.reading(index) for index in indexes]

    def changes(self, cursor: int | None, limit: int = MOST_AT_ONCE) -> Changes:
        """What changed since `cursor`; with None nothing, and the cursor from which later changes are found.

        At most `limit` journal slots are looked at, so call again while the cursor moves. A cursor belongs to
        one epoch. After a loss, take a snapshot to be up to date again.
        """
        try:
            slots, first, lost, self._seen = self._core.journal(cursor, max(limit, self._longest))
        except OSError as error:
            raise self._cut_short() from error
        entries: list[Change] = []
        at, end = 0, len(slots)
        while at < end:
            number = first + at // SLOT_SIZE
            size = self._change_size(slots, at, number)
            if at + size > end:  # the rest of this change is beyond the limit: the next call begins with it
                break
            if size:
                entries.append(self._change(slots, at, number))
                at += size
            else:
                lost += 1
                at += SLOT_SIZE
        return Changes(entries, first + at // SLOT_SIZE, lost)

    def _change_size(self, slots: bytes, at: int, number: int) -> int:
        """Bytes of slots the change at `at` takes; 0 when no valid change begins there."""
        found: int
        index: int
        further: int
        found, _, index, _, _, further, _ = _SLOT.unpack_from(slots, at)
        if found != number or index >= len(self.directory):
            return 0
        size = self.directory[index].size
        if further != further_slots(size):
            return 0
        for extra in range(1, further + 1):
            place = at + extra * SLOT_SIZE
            expected = number + extra | FURTHER_SLOT
            if place < len(slots) and _NUMBER.unpack_from(slots, place)[0] != expected:
                return 0
        return (1 + further) * SLOT_SIZE

    def _change(self, slots: bytes, at: int, number: int) -> Change:
        _, stamp, index, quality, _, further, data = _SLOT.unpack_from(slots, at)
        for extra in range(1, further + 1):
            place = at + extra * SLOT_SIZE
            data += slots[place + 8 : place + SLOT_SIZE]
        tag = self.directory[index]
        return Change(number, index, decode(tag.type, data[: tag.size]), _quality(quality), stamp)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a publish, or a newer epoch, after the last call of `snapshot`, `changes` or `wait`.

        Returns False when none came in `timeout_s` seconds (0 to 3600). Other threads go on meanwhile.
        """
        if not 0 <= timeout_s <= LONGEST_WAIT_S:
            raise ValueError(f"wait 0 to {LONGEST_WAIT_S:g} seconds, not {timeout_s}")
        try:
            woken = self._core.wait(self._seen, _core.now_ns() + int(timeout_s * 1e9))
        except OSError as error:
            raise self._cut_short() from error
        if woken:
            self._seen = self._state()[0]
        return woken

    def current(self) -> bool:
        """Whether this is still the present epoch; when not, `reopen`. Never raises, whatever the segment holds."""
        try:
            if self._core.state()[1]:
                return False
            status = self._path.stat()
        except OSError:  # removed, or cut short: then only another epoch helps
            return False
        return (status.st_dev, status.st_ino) == self._file

    def reopen(self) -> None:
        """Attach to the present epoch. Indexes and cursors of the old one have no meaning in it.

        Raises as `open` does; this reader then stays on the epoch it had.
        """
        old = self._core
        self._attach()
        old.close()

    def beat(self) -> Beat:
        """The writer's last heartbeat; `count` 0 means that there was none."""
        try:
            beat = self._core.beat()
        except OSError as error:
            raise self._cut_short() from error
        if beat is None:
            raise SegmentBusy(f"{self._path}: the writer stopped in the middle of a heartbeat")
        return Beat(*beat)

    def close(self) -> None:
        """Let go of the segment."""
        self._core.close()


def _quality(stored: int) -> Quality:
    """A stored quality; a byte that means nothing is taken as BAD."""
    return Quality(stored) if stored <= Quality.STALE else Quality.BAD
