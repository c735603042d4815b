# SPDX-License-Identifier: Apache-2.0
"""Durations of scans in fixed memory: last, least, greatest, mean and percentiles.

Percentiles come from a histogram whose buckets are a sixteenth of a power of two wide: a percentile is at most 6.25 %
above the true value and never above the greatest one. Recording a duration touches one bucket and five numbers.
"""

from __future__ import annotations

from array import array

_SHIFT = 10
"""Durations are counted in steps of 1024 ns."""
_SUB = 16
_OCTAVES = 26
BUCKETS = _SUB * (_OCTAVES + 1)
"""Up to 2^40 ns, 18 minutes; what is longer falls into the last bucket."""


def bucket(duration_ns: int) -> int:
    """The bucket of a duration; a negative one counts as 0."""
    steps = duration_ns >> _SHIFT
    if steps < _SUB:
        return max(steps, 0)
    octave = steps.bit_length() - 5
    return min(_SUB * octave + (steps >> octave), BUCKETS - 1)


def ceiling(place: int) -> int:
    """The longest duration, in nanoseconds, that falls into bucket `place`."""
    if place < 2 * _SUB:
        return ((place + 1) << _SHIFT) - 1
    octave = place // _SUB - 1
    return ((place - _SUB * octave + 1) << octave << _SHIFT) - 1


class Durations:
    """Statistics of one kind of duration, all in nanoseconds. Before the first record everything is 0."""

    def __init__(self) -> None:
        self._buckets = array("Q", bytes(8 * BUCKETS))
        self._zeros = bytes(8 * BUCKETS)
        self.count = 0
        self.last = 0
        self.least = 0
        self.greatest = 0
        self._sum = 0

    def record(self, duration_ns: int) -> None:
        """Count one duration."""
        self.last = duration_ns
        if self.count == 0 or duration_ns < self.least:
            self.least = duration_ns
        if self.count == 0 or duration_ns > self.greatest:
            self.greatest = duration_ns
        self.count += 1
        self._sum += duration_ns
        self._buckets[bucket(duration_ns)] += 1

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return self._sum / self.count if self.count else 0.0

    def percentiles(self) -> tuple[int, int, int]:
        """The 50th, 99th and 99.9th percentile: the least bucket ceiling that so many durations do not exceed."""
        if self.count == 0:
            return (0, 0, 0)
        wanted = (self.count * 500, self.count * 990, self.count * 999)
        found = [self.greatest] * 3
        reached = 0
        rank = 0
        for place in range(BUCKETS):
            number = self._buckets[place]
            if number:
                reached += number * 1000
                while rank < 3 and reached >= wanted[rank]:
                    found[rank] = min(ceiling(place), self.greatest)
                    rank += 1
                if rank == 3:
                    break
        return (found[0], found[1], found[2])

    def percentile(self, permille: int) -> int:
        """The least bucket ceiling that `permille` thousandths of the durations do not exceed."""
        wanted, reached = self.count * permille, 0
        for place in range(BUCKETS):
            reached += self._buckets[place] * 1000
            if reached >= wanted:
                return min(ceiling(place), self.greatest)
        return self.greatest

    def reset(self) -> None:
        """Forget everything."""
        self.count = self.last = self.least = self.greatest = self._sum = 0
        memoryview(self._buckets).cast("B")[:] = self._zeros
