# SPDX-License-Identifier: Apache-2.0
"""A clock that tests set, and polling of a sensor against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MILLISECOND = 1_000_000
T = TypeVar("T")


class Clock:
    """Time in nanoseconds that only moves when told to."""

    def __init__(self) -> None:
        self.ns = 10**9

    def __call__(self) -> int:
        return self.ns

    def polls(self, poll: Callable[[int], T | None], count: int, period_ns: int = 2 * MILLISECOND) -> list[T]:
        """The samples of `count` polls at equal distances."""
        found = []
        for _ in range(count):
            self.ns += period_ns
            sample = poll(self.ns)
            if sample is not None:
                found.append(sample)
        return found
