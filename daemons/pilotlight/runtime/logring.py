# SPDX-License-Identifier: Apache-2.0
"""The runtime's log as clients read it: a bounded ring of records with ids that only grow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MESSAGE_MAX = 2048
"""Longest message kept, in characters; the rest is cut and marked."""


@dataclass(frozen=True, slots=True)
class Record:
    """One log record. `id` starts at 1 with each start of the runtime; a lower one tells a client it restarted."""

    id: int
    level: str
    message: str
    timestamp: str


class LogRing:
    """The newest `capacity` records. Safe to use from any thread."""

    def __init__(self, capacity: int = 1000, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if capacity < 1:
            raise ValueError(f"a log ring holds at least one record, not {capacity}")
        self._records: deque[Record] = deque(maxlen=capacity)
        self._next = 1
        self._clock = clock
        self._lock = threading.Lock()

    def add(self, level: str, message: str) -> int:
        """Append a record and return its id. `level` is one of LEVELS; an over-long message is cut."""
        if level not in LEVELS:
            raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
        if len(message) > MESSAGE_MAX:
            message = message[: MESSAGE_MAX - 1] + "…"
        stamp = self._clock().strftime("%Y-%m-%dT%H:%M:%S%z")
        with self._lock:
            record = Record(self._next, level, message, stamp)
            self._next += 1
            self._records.append(record)
        return record.id

    def since(self, minimum_id: int = 0, level: str = "") -> list[Record]:
        """Records whose id is at least `minimum_id`, oldest first; with `level`, only those of that level."""
        with self._lock:
            records = list(self._records)
        return [r for r in records if r.id >= minimum_id and (not level or r.level == level)]
