# SPDX-License-Identifier: Apache-2.0
"""What a host asks of an engine: the interpreter's interface, which the native engine has too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from typing import Any, Protocol

from pilotlight.plc import ir
from pilotlight.plc.engine.walking import Event


class Engine(Protocol):
    """One program and its image. Not for several threads at a time."""

    program: ir.Program

    @property
    def cells(self) -> MutableSequence[Any]:
        """The image, live: the number that each slot holds; the host may add cells of its own behind them."""

    def load(self, image: Sequence[Any]) -> None:
        """Take over an image, of as many cells at least as the program has."""

    def put(self, numbers: Mapping[int, Any]) -> None:
        """Store numbers by slot."""

    def holds(self, numbers: Mapping[int, Any]) -> bool:
        """Whether the image has these numbers in their slots."""

    def begin(self) -> None:
        """A scan starts: the transient faults are cleared."""

    def run(self, dt_ns: int) -> None:
        """Run the logic; `dt_ns` are the nanoseconds since the previous scan, 0 or more."""

    def finish(self) -> None:
        """A scan ends: what edges compare with is set to the present."""

    def changes(self) -> bytes:
        """The program's cells that have changed since the last call, or since the start: n slots as uint32, then their
        n numbers as doubles."""

    def rungs(self, dt_ns: int) -> Iterator[tuple[str, int]]:
        """Run the logic, pausing after each rung of the main program and of the tasks with its section and number."""

    def walk(self, dt_ns: int) -> Iterator[Event]:
        """Run the logic, pausing with an event before each rung, branch, subroutine and instruction."""

    def explain(self, condition: ir.Condition, *, asked: bool = True) -> tuple[tuple[str, str, str], ...]:
        """The parts of a condition as the image is now: text, status (true, false, skipped), and values seen."""
