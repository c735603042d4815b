# SPDX-License-Identifier: Apache-2.0
"""Which values have a part in what a wire carries and in what an instruction does, for an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Machine

MOST_CELLS = 16
"""Cells of a range or table that are named one by one."""
_PINS = ("reset", "down", "clock", "jump", "jog")


@dataclass(frozen=True)
class Part:
    """A cell that had a part: as a `condition`, by a pin (`reset`, `clock`, …) or as an `operand`; and its text."""

    slot: int
    role: str
    text: str


class Contributions:
    """Finds parts in one image of a program."""

    def __init__(self, program: ir.Program, of: Expressions, image: Sequence[Any]) -> None:
        self._program = program
        self._of = of
        self._image = image
        self._m = Machine(list(image))

    def of_power(self, rung: ir.Rung, power: int, role: str = "condition") -> Iterator[Part]:
        """What makes a wire carry power; or what keeps it from it: the first condition in its way."""
        path: list[ir.Condition] = []
        while power >= 0:
            path.append(rung.powers[power].condition)
            power = rung.powers[power].parent
        for condition in reversed(path):
            if not self.holds(condition):
                yield from self.of_condition(condition, role)
                return
        for condition in reversed(path):
            yield from self.of_condition(condition, role)

    def holds(self, condition: ir.Condition) -> bool:
        """Whether a condition holds in the image."""
        count = len(ir.TRANSIENT_FAULTS)
        self._m.cells[:count] = self._image[:count]
        return self._of.test(condition).true(self._m)

    def of_condition(self, condition: ir.Condition, role: str) -> Iterator[Part]:
        """The contacts and comparisons that decide a condition, each alone or with the others."""
        match condition:
            case ir.All(of=parts) | ir.Any(of=parts):
                stopping = isinstance(condition, ir.Any)
                deciding = [each for each in parts if self.holds(each) is stopping]
                # One false part decides `all`, each true one `any`; without one, every part has its share.
                for each in (deciding if stopping else deciding[:1]) or parts:
                    yield from self.of_condition(each, role)
            case ir.Not(of=(ir.All() | ir.Any() | ir.Not()) as inner):
                yield from self.of_condition(inner, role)
            case _:
                text = ir.condition_text(self._program, condition)
                for slot in self._read(condition):
                    yield Part(slot, role, text)

    def _read(self, condition: ir.Condition) -> Iterator[int]:
        match condition:
            case ir.Truth(value=value):
                yield from self.cells_of(value)
            case ir.Compare(left=left, right=right):
                yield from self.cells_of(left)
                yield from self.cells_of(right)
            case ir.Rise(slot=slot) | ir.Fall(slot=slot):
                yield slot
            case ir.Not(of=inner):
                yield from self._read(inner)

    def cells_of(self, expression: ir.Expression) -> Iterator[int]:
        """The cells that an expression reads."""
        match expression:
            case ir.Load(slot=slot):
                yield slot
            case ir.At(index=index):
                yield from self.cells_of(index)
                self._m.failed = False
                slot = self._of.selected(expression).slot(self._m)
                if not self._m.failed:
                    yield slot
            case ir.Apply(operands=operands):
                for each in operands:
                    yield from self.cells_of(each)
            case ir.Total(table=table, first=first, last=last):
                yield from self._window(table, (first, last))

    def _window(self, table: int, ends: Iterable[ir.Expression]) -> Iterator[int]:
        for each in ends:
            yield from self.cells_of(each)
        yield from [slot for slot in self._program.tables[table].slots if slot >= 0][:MOST_CELLS]

    def of_pins(self, rung: ir.Rung, step: ir.Instruction, powers: Sequence[bool]) -> Iterator[Part]:
        """What gives power to the pins of an instruction that have it."""
        pins = [(name, getattr(step, name, ir.NONE)) for name in _PINS]
        pins.extend(("event", number) for number in getattr(step, "events", ()))
        for name, number in pins:
            if isinstance(number, int) and number >= 0 and powers[number]:
                yield from self.of_power(rung, number, name)

    def of_operands(self, step: ir.Instruction) -> Iterator[Part]:
        """The values that an instruction reads."""
        text = ir.instruction_text(self._program, step)
        for slot in self._operands(step):
            yield Part(slot, "operand", text)

    def _operands(self, step: ir.Instruction) -> Iterator[int]:
        match step:
            case ir.Loop(count=count, body=body):
                yield from self.cells_of(count)
                for each in body:
                    yield from self._operands(each)
                return
            case ir.Python(inputs=inputs):
                for _name, value, _kind in inputs:
                    yield from self.cells_of(value)
                return
        for name in ("source", "value", "preset", "jump_step", "target"):
            found = getattr(step, name, None)
            if isinstance(found, ir.Range):
                yield from found.slots[:MOST_CELLS]
            elif isinstance(found, ir.Window):
                yield from self._window(found.table, (found.first, found.last))
            elif isinstance(found, ir.At) and name == "target":
                yield from self.cells_of(found.index)
            elif isinstance(found, (ir.Load, ir.At, ir.Apply, ir.Total)) and name != "target":
                yield from self.cells_of(found)
