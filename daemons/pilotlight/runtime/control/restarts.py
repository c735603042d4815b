# SPDX-License-Identifier: Apache-2.0
"""How soon, and how often, the control loop is started again after it failed."""

from __future__ import annotations

from collections import deque

WITHIN_S = 60.0
"""Faults longer ago than this do not count."""
FIRST_S = 0.1
LONGEST_S = 10.0


class Restarts:
    """Remembers the faults of the last minute. `most` is how many of them are followed by a start."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._faults: deque[float] = deque(maxlen=most + 1)

    def after_fault(self, now_s: float) -> float | None:
        """There was a fault: how long to wait until the next start, twice as long each time; None for no start."""
        self._faults.append(now_s)
        recent = sum(1 for fault in self._faults if now_s - fault < WITHIN_S)
        if recent > self._most:
            return None
        return float(min(FIRST_S * 2 ** (recent - 1), LONGEST_S))

    def forget(self) -> None:
        """Somebody looked after it: the faults so far count no more."""
        self._faults.clear()
