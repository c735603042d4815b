# SPDX-License-Identifier: Apache-2.0
"""Rate groups in one thread: each has its own grid of times, and what is late is skipped and counted, never caught up.

Groups run in the order they are listed in, so that in a common slot data flows from the sensors to the actuators.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotlight.runtime.statistics import Durations

SECOND: int = 1_000_000_000


class Group:
    """Steps at a fixed rate. `overruns` counts slots that were skipped, `misses` steps later than half a period."""

    def __init__(self, name: str, hz: int) -> None:
        self.name = name
        self.period_ns: int = SECOND // hz
        self.next_ns = 0
        self.runs = 0
        self.overruns = 0
        self.misses = 0
        self.jitter = Durations()
        """How late steps began."""

    def begin(self, now_ns: int) -> None:
        """A step begins at `now_ns`: account for how late that is, and set the next time on the grid."""
        late = now_ns - self.next_ns
        self.jitter.record(late)
        if late > self.period_ns // 2:
            self.misses += 1
        self.runs += 1
        skipped = late // self.period_ns
        self.overruns += skipped
        self.next_ns += (skipped + 1) * self.period_ns


class Groups:
    """The groups of a loop."""

    def __init__(self, groups: Sequence[Group], start_ns: int) -> None:
        """All groups have their first slot at `start_ns`."""
        self.groups = list(groups)
        for group in self.groups:
            group.next_ns = start_ns

    def due(self, now_ns: int, first: int = 0) -> int:
        """The number of the first group, from `first` on, whose time has come; -1 for none."""
        for number in range(first, len(self.groups)):
            if self.groups[number].next_ns <= now_ns:
                return number
        return -1

    def wake_ns(self) -> int:
        """When the next group is due."""
        earliest = self.groups[0].next_ns
        for group in self.groups:
            if group.next_ns < earliest:
                earliest = group.next_ns
        return earliest
