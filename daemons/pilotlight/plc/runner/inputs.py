# SPDX-License-Identifier: Apache-2.0
"""What went into each retained scan from outside: patches, forces, the mode, the clock.

With the image before it, that is all a scan needs to be run again exactly.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BUDGET = 32 * 1024 * 1024
"""Bytes of patches that are kept; beyond it those of the oldest scans go."""
_ENTRY_BYTES = 200
"""What the patches of one scan cost beside their slots and numbers."""

Numbers = dict[int, int | float]
_Packed = tuple["array[int]", "array[float]"]
_NONE = array("d")


@dataclass(frozen=True)
class Conditions:
    """What holds for a scan and mostly for the next: forces before and after the logic, the mode, the clock."""

    before: Numbers
    after: Numbers
    running: bool
    clock: tuple[datetime, int]


class Inputs:
    """Patches by scan, and conditions by the first scan they hold for."""

    def __init__(self) -> None:
        self._patches: OrderedDict[int, _Packed] = OrderedDict()
        self._conditions: list[Conditions] = []
        self._firsts: list[int] = []
        self._oldest = 0
        self.size = 0

    def clear(self) -> None:
        """Forget all."""
        self._patches.clear()
        self._conditions, self._firsts = [], []
        self._oldest = self.size = 0

    def record(
        self, scan_id: int, patches: Mapping[int, int | float], conditions: Conditions, *, stand: bool, oldest: int
    ) -> None:
        """Keep what the newest scan was given. `stand`: it has left all patches as they were given; `oldest` is the
        oldest scan retained."""
        last = self._conditions[-1] if self._conditions else None
        if last is not conditions and last != conditions:
            self._conditions.append(conditions)
            self._firsts.append(scan_id)
            passed = bisect_right(self._firsts, oldest) - 1
            if passed > 0:
                del self._conditions[:passed], self._firsts[:passed]
        if patches:
            # Numbers that nothing has overwritten are in the image; only others are kept.
            numbers = _NONE if stand else array("d", patches.values())
            self._patches[scan_id] = array("I", patches), numbers
            self.size += 4 * len(patches) + 8 * len(numbers) + _ENTRY_BYTES
            while self.size > BUDGET or next(iter(self._patches)) <= oldest:
                self._oldest, gone = self._patches.popitem(last=False)
                self._oldest += 1
                self.size -= _size(gone)
                if not self._patches:
                    break

    def cut(self, scan_id: int) -> None:
        """Forget what the scans after one were given."""
        while self._patches and next(reversed(self._patches)) > scan_id:
            self.size -= _size(self._patches.popitem()[1])
        keep = bisect_right(self._firsts, scan_id)
        del self._conditions[keep:], self._firsts[keep:]

    def patches(self, scan_id: int, image: Sequence[Any]) -> Numbers:
        """The patches of a scan that left `image`; KeyError when they are no longer kept."""
        if scan_id < self._oldest:
            raise KeyError(scan_id)
        slots, numbers = self._patches.get(scan_id, (array("I"), _NONE))
        if not numbers:
            return {slot: image[slot] for slot in slots}
        return {slot: _as(image[slot], number) for slot, number in zip(slots, numbers, strict=True)}

    def covers(self, scan_id: int) -> bool:
        """Whether all that a recorded scan was given is still kept."""
        return scan_id >= self._oldest and bool(self._firsts) and self._firsts[0] <= scan_id

    def conditions(self, scan_id: int) -> Conditions:
        """The conditions of a scan; KeyError when it was not recorded."""
        place = bisect_right(self._firsts, scan_id) - 1
        if place < 0:
            raise KeyError(scan_id)
        return self._conditions[place]


def _size(packed: _Packed) -> int:
    return 4 * len(packed[0]) + 8 * len(packed[1]) + _ENTRY_BYTES


def _as(sample: int | float, number: float) -> int | float:
    return number if isinstance(sample, float) else int(number)
