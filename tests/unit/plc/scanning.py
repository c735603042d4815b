# SPDX-License-Identifier: Apache-2.0
"""A program and an interpreter, to scan by the names of tags."""

from __future__ import annotations

from pilotlight.plc import Program
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.values import from_cell, to_cell
from pilotlight.tags import Value

from tests.unit.plc.replaying import RECORDER

MS = 1_000_000


class Machine:
    """Scans a program; `machine["X"]` is the value of a tag."""

    def __init__(self, program: Program) -> None:
        self.ir = program.ir
        self.engine = Interpreter(program.ir, program.functions)
        self.slots = {cell.name: slot for slot, cell in enumerate(program.ir.cells)}

    def __getitem__(self, name: str) -> Value:
        slot = self.slots[name]
        return from_cell(self.ir.cells[slot].type, self.engine.cells[slot])

    def __setitem__(self, name: str, value: Value) -> None:
        slot = self.slots[name]
        self.engine.cells[slot] = to_cell(self.ir.cells[slot].type, value)

    def scan(self, count: int = 1, ms: int = 100, **values: Value) -> Machine:
        """Set tags, then scan."""
        for name, value in values.items():
            self[name] = value
        for _ in range(count):
            before = self.engine.cells.copy()
            self.engine.begin()
            self.engine.run(ms * MS)
            self.engine.finish()
            RECORDER.record(self.ir, before, ms * MS, self.engine.cells.copy())
        return self

    @property
    def faults(self) -> set[str]:
        """Faults of the last scan."""
        names = ("division_error", "out_of_range", "address_error")
        return {name for name in names if self[f"fault.{name}"]}
