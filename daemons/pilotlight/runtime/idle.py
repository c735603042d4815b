# SPDX-License-Identifier: Apache-2.0
"""The program of a scan process that has none: lines are read and published, and no output is driven."""

from __future__ import annotations

from collections.abc import Sequence
from mmap import mmap

from pilotlight.runtime.native import Variable
from pilotlight.runtime.schedule import Task


class EmptyProgram:
    """No program: lines are still read and published."""

    identity = ""
    variables: Sequence[Variable] = ()
    cells = 0

    def __init__(self, period_ns: int) -> None:
        self.tasks: Sequence[Task] = (Task("idle", period_ns, 0),)

    def prepare(self, image: memoryview, offsets: Sequence[int]) -> None:
        """Nothing to initialise."""

    def bind(self, direction: int, points: Sequence[tuple[int, int]]) -> None:
        """No variable stands behind a line."""

    def inputs(self, bits: int) -> None:
        """Inputs are not used."""

    def outputs(self, otherwise: int = 0) -> int:
        """No output is driven."""
        return otherwise

    def run(self, task: int, tick: int, now_ns: int) -> None:
        """No logic."""

    def asks_stop(self) -> bool:
        """Nothing is asked."""
        return False

    def capture(self) -> None:
        """No variables."""

    def save(self, memory: mmap) -> None:
        """Nothing is remembered."""

    def restore(self, memory: mmap) -> None:
        """Nothing is taken over."""

    def write(self, variable: int, value: bytes) -> int:
        """There is no variable."""
        return -2

    def force(self, variable: int, value: bytes) -> int:
        """There is no variable."""
        return -2

    def unforce(self, variable: int) -> int:
        """There is no variable."""
        return -2
