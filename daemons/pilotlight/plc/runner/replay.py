# SPDX-License-Identifier: Apache-2.0
"""Retained scans, run again beside the runner: nothing of the runner changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pilotlight.plc.engine import Event, Interpreter
from pilotlight.plc.runner.inputs import Conditions, Numbers
from pilotlight.plc.runner.scanner import Scanner


class Replay:
    """Runs retained scans of a runner again, from the image before each and what it was given.

    Python functions of the program are called again; a scan whose function answers otherwise now is not `exact`.
    """

    def __init__(self, runner: Scanner) -> None:
        self._runner = runner
        self._engine = Interpreter(runner.logic.ir, runner.logic.functions)
        self.scan_id = 0
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.patches: Numbers = {}
        self.conditions: Conditions | None = None
        self.logic_left: list[Any] = []
        self._dt_ns = 0

    @property
    def cells(self) -> list[Any]:
        """The image, live."""
        return self._engine.cells

    def begin(self, scan_id: int) -> Conditions:
        """Get ready to run a scan, up to before its logic; gives what held for it.

        KeyError when it is not retained, with the one before it and all it was given.
        """
        history = self._runner.history
        before, after = history.image(scan_id - 1), history.image(scan_id)
        patches, conditions = history.inputs.patches(scan_id, after), history.inputs.conditions(scan_id)
        self.scan_id, self.before, self.after = scan_id, before, after
        self.patches, self.conditions = patches, conditions
        self._dt_ns = history.time_of(scan_id) - history.time_of(scan_id - 1)
        cells = self._engine.cells
        cells[:] = before
        self._engine.begin()
        for slot, number in patches.items():
            cells[slot] = number
        self._runner.points.recall(cells, after)
        for slot, number in conditions.before.items():
            cells[slot] = number
        return conditions

    def walk(self) -> Iterator[Event]:
        """Run the scan that is ready, pausing as Interpreter.walk() does; afterwards `cells` is what it left, and
        `logic_left` what its logic left before the last forces."""
        if self.conditions is None:
            raise RuntimeError("begin() comes before walk()")
        if self.conditions.running:
            yield from self._engine.walk(self._dt_ns)
        self.logic_left = self.cells.copy()
        for slot, number in self.conditions.after.items():
            self.cells[slot] = number
        self._engine.finish()

    @property
    def exact(self) -> bool:
        """Whether the image is what the scan left: true behind walk() unless a Python function answered otherwise."""
        return all(now == was or (now != now and was != was) for now, was in zip(self.cells, self.after, strict=True))
