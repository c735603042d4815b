# SPDX-License-Identifier: Apache-2.0
"""The absolute schedule of scans: slots one base period apart, and the tasks due in each.

A scan that ends after the next slot has begun is an overrun: the slots it has missed are skipped and counted, never
caught up. Slot times therefore stay on one grid and do not drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PERIOD_MIN_NS = 100_000
"""Shortest period: 100 µs."""
PERIOD_MAX_NS = 3_600_000_000_000
"""Longest period: one hour."""
TASKS_MAX = 64


@dataclass(frozen=True)
class Task:
    """A task of the program: run every `period_ns`; a smaller `priority` runs first in its slot."""

    name: str
    period_ns: int
    priority: int


class ScheduleError(ValueError):
    """Tasks that cannot be scheduled. The message names the task and the allowed range."""


def base_period(tasks: Sequence[Task]) -> int:
    """The time from slot to slot in nanoseconds: the greatest common divisor of all periods. ScheduleError."""
    if not 1 <= len(tasks) <= TASKS_MAX:
        raise ScheduleError(f"a program has 1 to {TASKS_MAX} tasks, not {len(tasks)}")
    for task in tasks:
        if not PERIOD_MIN_NS <= task.period_ns <= PERIOD_MAX_NS:
            raise ScheduleError(f"task {task.name}: its period of {task.period_ns} ns is not within 100 µs to 1 h")
    base = math.gcd(*(task.period_ns for task in tasks))
    if base < PERIOD_MIN_NS:
        raise ScheduleError(f"the periods of the tasks have a common step of {base} ns; at least 100 µs is needed")
    return base


class Schedule:
    """Slots on the grid `first_ns + n * period_ns`, and the tasks due in them.

    `slot_ns` is the time of the slot that is next or under way. `overruns` counts skipped slots.
    """

    def __init__(self, tasks: Sequence[Task], first_ns: int, now_ns: int) -> None:
        """Begin with the first slot that is not before `now_ns` on the grid through `first_ns`."""
        self.period_ns = base_period(tasks)
        self.slot_ns = first_ns + max(0, -((first_ns - now_ns) // self.period_ns)) * self.period_ns
        self.overruns = 0
        self._slot = 0
        order = sorted(range(len(tasks)), key=lambda number: (tasks[number].priority, number))
        self._order = order
        self._every = [tasks[number].period_ns // self.period_ns for number in order]
        self._next = [0] * len(order)

    def due(self) -> list[int]:
        """Numbers of the tasks to run in this slot, most urgent first. Call it once a slot.

        A task whose slot was skipped runs in the first slot that is not, and then on its own grid again.
        """
        slot = self._slot
        numbers = []
        for place, number in enumerate(self._order):
            if slot >= self._next[place]:
                every = self._every[place]
                self._next[place] = (slot // every + 1) * every
                numbers.append(number)
        return numbers

    def advance(self, now_ns: int) -> int:
        """End this slot at `now_ns` and go to the first slot after it; returns how many slots were skipped."""
        steps = 1
        late = now_ns - (self.slot_ns + self.period_ns)
        if late >= 0:
            steps += late // self.period_ns + 1
        self._slot += steps
        self.slot_ns += steps * self.period_ns
        self.overruns += steps - 1
        return steps - 1
