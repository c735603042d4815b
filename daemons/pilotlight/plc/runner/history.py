# SPDX-License-Identifier: Apache-2.0
"""Retained scans: what each changed, with the whole image now and then, within a budget of bytes."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.arithmetic import NOT_A_NUMBER
from pilotlight.plc.runner.inputs import Inputs
from pilotlight.plc.runner.state import SystemState
from pilotlight.tags import Type

BUDGET = 100 * 1024 * 1024
"""Bytes of history by default."""
CHECKPOINT_INTERVAL = 200
_SCAN_BYTES = 120
"""What a retained scan costs beside its changes: two objects and their places in lists."""


@dataclass(frozen=True)
class LabeledSnapshot:
    """A scan that a breakpoint marked."""

    label: str
    scan_id: int
    timestamp: float
    rtc_iso: str = ""
    rtc_offset_seconds: float = 0.0


@dataclass
class _Segment:
    """A checkpoint and the changes of the scans after it."""

    first: int
    image: array[float]
    times: list[int]
    changes: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def last(self) -> int:
        return self.first + len(self.changes)


class History:
    """States of past scans. `limit` bounds their number, `budget` their bytes; the newest is always there."""

    def __init__(
        self, make: Callable[[int], SystemState], cells: list[ir.Cell], *, limit: int | None = None,
        budget: int = BUDGET, interval: int = CHECKPOINT_INTERVAL,
    ) -> None:  # fmt: skip
        if limit is not None and limit < 1:
            raise ValueError("a history keeps at least one scan")
        if budget < 1 or interval < 1:
            raise ValueError("the budget and the interval of a history are at least 1")
        self._make = make
        self._cells = cells
        self._limit = limit
        self._budget = budget
        self._interval = interval if limit is None else max(1, min(interval, limit))
        self._segments: list[_Segment] = []
        self._labels: list[LabeledSnapshot] = []
        self._widths: list[tuple[int, int]] = []
        self.inputs = Inputs()
        self.size = 0
        self.newest_scan_id = 0
        """Number of the newest scan."""

    def restart(self, scan_id: int, time_ns: int, image: Sequence[Any]) -> None:
        """Forget all and begin with a state."""
        self._segments, self._labels, self.size = [], [], 0
        self._widths = [(scan_id, len(image))]
        self.inputs.clear()
        self.newest_scan_id = scan_id
        self._checkpoint(scan_id, time_ns, image)

    def _checkpoint(self, scan_id: int, time_ns: int, image: Sequence[Any]) -> None:
        segment = _Segment(scan_id, array("d", image), [time_ns])
        segment.size = 8 * len(image) + _SCAN_BYTES
        self._segments.append(segment)
        self.size += segment.size

    def append(self, time_ns: int, image: Sequence[Any], packed: bytes) -> None:
        """Retain the scan after the newest one; `packed` is what it changed: n slots as uint32, then n doubles."""
        segment = self._segments[-1]
        self.newest_scan_id += 1
        width = len(image)
        if width != self._widths[-1][1]:
            self._widths.append((self.newest_scan_id, width))
        if len(segment.changes) >= self._interval or segment.size > max(self._budget // 4, 16 * width):
            self._checkpoint(self.newest_scan_id, time_ns, image)
        else:
            segment.changes.append(packed)
            segment.times.append(time_ns)
            segment.size += len(packed) + _SCAN_BYTES
            self.size += len(packed) + _SCAN_BYTES
        while len(self._segments) > 1 and (self.size > self._budget or self._segments[1].first <= self.oldest_scan_id):
            self.size -= self._segments.pop(0).size
        if self._labels and self._labels[0].scan_id < self.oldest_scan_id:
            self._labels = [each for each in self._labels if each.scan_id >= self.oldest_scan_id]

    def cut(self, scan_id: int) -> None:
        """Forget the scans after one; KeyError when it is not retained."""
        if not self.contains(scan_id):
            raise KeyError(scan_id)
        while self._segments[-1].first > scan_id:
            self.size -= self._segments.pop().size
        segment = self._segments[-1]
        kept = scan_id - segment.first
        freed = sum(len(packed) + _SCAN_BYTES for packed in segment.changes[kept:])
        del segment.changes[kept:], segment.times[kept + 1 :]
        segment.size -= freed
        self.size -= freed
        self._labels = [each for each in self._labels if each.scan_id <= scan_id]
        self._widths = [each for each in self._widths if each[0] <= scan_id]
        self.newest_scan_id = scan_id
        self.inputs.cut(scan_id)

    def last_change(self, slot: int, scan_id: int) -> int | None:
        """Number of the newest retained scan, not after `scan_id`, that changed a slot; None when none did."""
        for place in range(len(self._segments) - 1, -1, -1):
            segment = self._segments[place]
            if segment.first > scan_id:
                continue
            for number in range(min(scan_id, segment.last), segment.first, -1):
                if number <= self.oldest_scan_id:
                    return None
                if slot in _slots(segment.changes[number - segment.first - 1]):
                    return number
            if segment.first > self.oldest_scan_id and self._differs(slot, place):
                return segment.first
        return None

    def _differs(self, slot: int, place: int) -> bool:
        """Whether a checkpoint has another number in a slot than the scan before it."""
        earlier, image = self._segments[place - 1], self._segments[place].image
        number = earlier.image[slot] if slot < len(earlier.image) else float(self._cells[slot].default)
        for packed in reversed(earlier.changes):
            slots = _slots(packed)
            if slot in slots:
                number = array("d", packed[4 * len(slots) :])[slots.index(slot)]
                break
        now = image[slot] if slot < len(image) else number
        return now != number and (now == now or number == number)

    @property
    def oldest_scan_id(self) -> int:
        """Number of the oldest retained scan."""
        first = self._segments[0].first
        return first if self._limit is None else max(first, self.newest_scan_id - self._limit + 1)

    def contains(self, scan_id: int) -> bool:
        """Whether a scan is retained."""
        return self.oldest_scan_id <= scan_id <= self.newest_scan_id

    def __len__(self) -> int:
        return self.newest_scan_id - self.oldest_scan_id + 1

    def image(self, scan_id: int) -> list[Any]:
        """The image at the end of a scan; a tag that came later has its default. KeyError when not retained."""
        if not self.contains(scan_id):
            raise KeyError(scan_id)
        segment = self._segment(scan_id)
        image = segment.image[:]
        image.extend(float(cell.default) for cell in self._cells[len(image) :])
        for packed in segment.changes[: scan_id - segment.first]:
            count = len(packed) // 12
            slots, numbers = array("I", packed[: 4 * count]), array("d", packed[4 * count :])
            for slot, number in zip(slots, numbers, strict=True):
                image[slot] = number
        return [self._number(slot, image[slot]) for slot in range(len(image))]

    def _segment(self, scan_id: int) -> _Segment:
        """The segment with a retained scan. Most often it is the newest."""
        newest = self._segments[-1]
        if scan_id >= newest.first:
            return newest
        return self._segments[bisect_right(self._segments, scan_id, key=lambda each: each.first) - 1]

    def _number(self, slot: int, number: float) -> int | float:
        if self._cells[slot].type is not Type.REAL:
            return int(number)
        return number if number == number else NOT_A_NUMBER

    def at(self, scan_id: int) -> SystemState:
        """The state at the end of a scan; KeyError when it is not retained."""
        if not self.contains(scan_id):
            raise KeyError(scan_id)
        return self._make(scan_id)

    def range(self, first: int, behind: int) -> list[SystemState]:
        """The retained states from one scan up to before another."""
        numbers = range(max(first, self.oldest_scan_id), min(behind, self.newest_scan_id + 1))
        return [self.at(scan_id) for scan_id in numbers]

    def latest(self, count: int) -> list[SystemState]:
        """The newest states, oldest first."""
        return self.range(self.newest_scan_id - count + 1, self.newest_scan_id + 1) if count > 0 else []

    def width(self, scan_id: int) -> int:
        """How many cells there were at the end of a scan; tags that came later are not among them."""
        return self._widths[bisect_right(self._widths, (scan_id, 1 << 62)) - 1][1]

    def time_of(self, scan_id: int) -> int:
        """Time of a retained scan in nanoseconds."""
        if not self.contains(scan_id):
            raise KeyError(scan_id)
        segment = self._segment(scan_id)
        return segment.times[scan_id - segment.first]

    @property
    def newest_time_ns(self) -> int:
        """Time of the newest scan in nanoseconds."""
        return self._segments[-1].times[-1]

    def at_or_before(self, time_ns: int) -> int:
        """Number of the newest scan not after a time; the oldest retained when all are after."""
        low, high = self.oldest_scan_id, self.newest_scan_id
        while low < high:
            middle = (low + high + 1) // 2
            if self.time_of(middle) <= time_ns:
                low = middle
            else:
                high = middle - 1
        return low

    def at_or_before_timestamp(self, timestamp: float) -> SystemState:
        """The newest state not after a time in seconds; the oldest retained when all are after."""
        return self.at(self.at_or_before(round(timestamp * 1e9)))

    def label(self, snapshot: LabeledSnapshot) -> None:
        """Mark a scan; once per label and scan."""
        if snapshot not in self._labels:
            self._labels.append(snapshot)

    def find_labeled(self, label: str) -> LabeledSnapshot | None:
        """The newest scan with a label, or None."""
        found = self.find_all_labeled(label)
        return found[-1] if found else None

    def find_all_labeled(self, label: str) -> list[LabeledSnapshot]:
        """All retained scans with a label, oldest first."""
        return [each for each in self._labels if each.label == label]

    def find(self, what: str | Callable[[SystemState], object]) -> SystemState | None:
        """The newest state with a label, or for which a function is true; None without one."""
        if isinstance(what, str):
            found = self.find_labeled(what)
            return None if found is None else self.at(found.scan_id)
        numbers = range(self.newest_scan_id, self.oldest_scan_id - 1, -1)
        return next((state for state in map(self.at, numbers) if what(state)), None)

    def find_all(self, what: str | Callable[[SystemState], object]) -> list[SystemState]:
        """All retained states with a label, or for which a function is true, oldest first."""
        if isinstance(what, str):
            return [self.at(each.scan_id) for each in self.find_all_labeled(what)]
        return [state for state in self if what(state)]

    def __iter__(self) -> Iterator[SystemState]:
        return (self.at(scan_id) for scan_id in range(self.oldest_scan_id, self.newest_scan_id + 1))


def _slots(packed: bytes) -> array[int]:
    """The slots of packed changes."""
    return array("I", packed[: 4 * (len(packed) // 12)])
