# SPDX-License-Identifier: Apache-2.0
"""The schedule of jobs on the I2C bus: which is due, and when a device that fails is started anew.

Nothing here waits. A device that is stopped is asked again after its back-off, by the next due time.
"""

from __future__ import annotations

import enum

from pilotlight.runtime.control.samples import MS


class Order(enum.IntEnum):
    """What to do with a job's device after a poll."""

    GO_ON = 0
    STOP = 1
    """Stop it; the next poll is a start."""


class Job:
    """A device that is polled every `period_ms` (at least 1). A greater `priority` goes first."""

    def __init__(self, name: str, period_ms: int, priority: int, error_threshold: int, backoff_ms: int) -> None:
        self.name = name
        self.period_ns = max(1, period_ms) * MS
        self.priority = priority
        self.next_ns = 0
        self.errors = 0
        """Failures in a row."""
        self.recoveries = 0
        self.stopped = False
        """The device was stopped: the next poll starts it."""
        self._threshold = error_threshold
        self._backoff_ns = backoff_ms * MS

    def report(self, success: bool, now_ns: int) -> Order:
        """Take the outcome of a poll, or of a start, at `now_ns`, and set when the next is due."""
        self.next_ns += self.period_ns
        if self.next_ns <= now_ns:
            self.next_ns = now_ns + self.period_ns
        if success:
            if self.stopped:
                self.recoveries += 1
                self.stopped = False
            self.errors = 0
            return Order.GO_ON
        self.errors += 1
        if self.errors < self._threshold:
            return Order.GO_ON
        self.stopped = True
        self.next_ns = now_ns + max(self._backoff_ns, MS)
        return Order.STOP


class Hub:
    """The jobs of one bus."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = jobs

    def due(self, now_ns: int) -> list[Job]:
        """The jobs to run now: most important first, then the one that waits longest."""
        ready = [(-job.priority, job.next_ns, number) for number, job in enumerate(self.jobs) if job.next_ns <= now_ns]
        ready.sort()
        return [self.jobs[number] for _, _, number in ready]

    def next_ns(self) -> int:
        """When the next job is due."""
        return min(job.next_ns for job in self.jobs)
