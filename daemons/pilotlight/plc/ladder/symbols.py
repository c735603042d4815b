# SPDX-License-Identifier: Apache-2.0
"""Instructions as symbols: coils, and boxes with a title, rows and pins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pilotlight.plc import ir
from pilotlight.plc.ir.text import cells_text
from pilotlight.plc.ladder.circuits import shortened, text_of
from pilotlight.plc.ladder.flow import Flow
from pilotlight.tags import Type

_UNITS = (("day", 86_400_000_000_000), ("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000),
          ("ms", 1_000_000), ("us", 1_000), ("ns", 1))  # fmt: skip
_ON, _OFF = "■", "·"


@dataclass(frozen=True)
class Coil:
    """A coil: `label` above, `mark` inside; `on` is what its tag holds (None: not known)."""

    label: str
    mark: str
    on: bool | None = None


@dataclass(frozen=True)
class Box:
    """A box: a title, rows of text, and pins: a name and the number of the power that leads to it."""

    title: str
    rows: tuple[str, ...]
    pins: tuple[tuple[str, int], ...] = ()


Symbol = Coil | Box


class Symbols:
    """Makes the symbols of one program, with values when there is a flow."""

    def __init__(self, program: ir.Program, flow: Flow | None) -> None:
        self.program = program
        self.flow = flow

    def symbol(self, step: ir.Instruction) -> Symbol:
        """The symbol of an instruction."""
        if isinstance(step, (ir.Out, ir.Latch, ir.Reset)):
            return self._coil(step)
        once = " once" if getattr(step, "once", ir.NONE) != ir.NONE else ""
        title, rows, pins = self._box(step)
        return Box(title + once, tuple(rows), tuple((name, power) for name, power in pins if power != ir.NONE))

    def seen(self, expression: ir.Expression) -> str:
        """`name=value` of each tag in an expression; "" without a flow."""
        flow = self.flow
        if flow is None:
            return ""
        names = {slot: self.program.cells[slot] for slot in _loads(expression)}
        return shortened(", ".join(f"{cell.name}={flow.value_text(cell, slot)}" for slot, cell in names.items()))

    def _coil(self, step: ir.Out | ir.Latch | ir.Reset) -> Symbol:
        mark = {"Out": "P" if step.once != ir.NONE else " ", "Latch": "L", "Reset": "R"}[type(step).__name__]
        once = " once" if step.once != ir.NONE and mark != "P" else ""
        on: bool | None = None
        targets = step.targets
        if self.flow is not None and isinstance(targets, ir.Range) and len(targets.slots) == 1:
            on = self.flow.image[targets.slots[0]] != 0
        return Coil(shortened(cells_text(self.program, targets)) + once, mark, on)

    def _slot(self, slot: int) -> str:
        cell = self.program.cells[slot]
        return cell.name if self.flow is None else f"{cell.name} = {self.flow.value_text(cell, slot)}"

    def _value(self, expression: ir.Expression) -> str:
        """An operand: its text, and its value when it is one tag."""
        if isinstance(expression, ir.Load):
            return self._slot(expression.slot)
        return text_of(self.program, expression)

    def _cells(self, cells: ir.Cells) -> str:
        if isinstance(cells, ir.Range) and len(cells.slots) == 1:
            return self._slot(cells.slots[0])
        return shortened(cells_text(self.program, cells))

    def _box(self, step: ir.Instruction) -> tuple[str, list[str], list[tuple[str, int]]]:
        match step:
            case ir.Move():
                return "copy", [self._value(step.source), f"→ {self._value(step.target)}"], []
            case ir.Calculate():
                return "calc", [text_of(self.program, step.source), f"→ {self._value(step.target)}"], []
            case ir.Text():
                text = "".join(chr(code) if 32 <= code < 127 else f"${code:02X}" for code in step.codes)
                rows = [shortened(f"“{text}”"), f"→ {self._cells(step.targets)}"]
                return "copy" + _converted(step.conversion), rows, []
            case ir.Convert():
                rows = [self._cells(step.source), f"→ {self._cells(step.targets)}"]
                return "blockcopy" + _converted(step.conversion), rows, []
            case ir.Fill():
                return "fill", [self._value(step.source), f"→ {self._cells(step.targets)}"], []
            case ir.Format():
                how = [Type(step.type).name, *(["zeros"] if not step.suppress_zero else [])]
                how += ["exponent"] if step.exponential else []
                how += [f"end ${step.termination:02X}"] if step.termination != ir.NONE else []
                rows = [self._value(step.source), f"as {', '.join(how)}", f"→ {self._cells(step.targets)}"]
                return "copy to text", rows, []
            case ir.Parse():
                spaces = ["spaces allowed"] if step.allow_whitespace else []
                return "pack_text", [self._cells(step.source), f"→ {self._value(step.target)}", *spaces], []
            case ir.Pack():
                name = "pack_bits" if step.width == 1 else "pack_words"
                return name, [self._cells(step.source), f"→ {self._value(step.target)}"], []
            case ir.Unpack():
                name = "unpack_to_bits" if step.width == 1 else "unpack_to_words"
                return name, [self._value(step.source), f"→ {self._cells(step.targets)}"], []
            case ir.Search():
                wanted = "".join(map(chr, step.text))
                value = repr(wanted) if wanted else self._value(step.value)
                rows = [f"{self._cells(step.source)} {step.operator} {value}"]
                rows += [f"result → {self._slot(step.result)}", f"found → {self._slot(step.found)}"]
                return "search", rows + (["continuous"] if step.continuous else []), []
            case ir.Call():
                return "call", [self.program.subroutines[step.subroutine].name], []
            case ir.Return():
                return "return", ["leaves the subroutine"], []
            case ir.Loop():
                rows = [f"{self._value(step.count)} times", f"index {self._slot(step.index)}"]
                return "forloop", rows + [shortened(f"  {self._line(each)}") for each in step.body], []
            case ir.Python():
                rows = [f"{name} ← {self._value(value)}" for name, value, _kind in step.inputs]
                rows += [f"{name} → {self._value(place)}" for name, place in step.outputs]
                title = "run_enabled_function" if step.always else "run_function"
                return title, [shortened(step.function), *rows], []
            case ir.Timer() | ir.Counter() | ir.Shift() | ir.Drum():
                return self._block(step)
            case ir.Out() | ir.Latch() | ir.Reset():
                raise TypeError("a coil is no box")

    def _block(self, step: ir.Timer | ir.Counter | ir.Shift | ir.Drum) -> tuple[str, list[str], list[tuple[str, int]]]:
        """Instructions with pins."""
        match step:
            case ir.Timer():
                preset = f"preset {_timed(self._value(step.preset), step.unit_ns)}"
                rows = [f"done {self._slot(step.done)}", f"acc {self._slot(step.elapsed)}", preset]
                return "off_delay" if step.off else "on_delay", rows, [("reset", step.reset)]
            case ir.Counter():
                rows = [f"done {self._slot(step.done)}", f"acc {self._slot(step.count)}"]
                rows.append(f"preset {self._value(step.preset)}")
                pins = [("down", step.down), ("reset", step.reset)]
                return "count_down" if step.backward else "count_up", rows, pins
            case ir.Shift():
                return "shift", [self._cells(step.targets)], [("clock", step.clock), ("reset", step.reset)]
            case ir.Drum():
                return self._drum(step)

    def _drum(self, step: ir.Drum) -> tuple[str, list[str], list[tuple[str, int]]]:
        rows = [f"step {self._slot(step.step)}", f"completed {self._slot(step.completed)}"]
        if step.elapsed != ir.NONE:
            rows.append(f"acc {self._slot(step.elapsed)}")
        rows += [f"output {number}: {self._slot(slot)}" for number, slot in enumerate(step.outputs, 1)]
        current = None if self.flow is None else self.flow.image[step.step]
        for number, row in enumerate(step.pattern, 1):
            preset = ""
            if number <= len(step.presets):
                preset = f" for {_timed(self._value(step.presets[number - 1]), step.unit_ns)}"
            here = "▸" if number == current else " "
            rows.append(f"{here}{number:>2}: {' '.join(_ON if on else _OFF for on in row)}{preset}")
        pins = [(f"event {number}", power) for number, power in enumerate(step.events, 1)]
        pins += [("reset", step.reset), ("jump", step.jump), ("jog", step.jog)]
        if step.jump_step is not None:
            rows.append(f"jump to {self._value(step.jump_step)}")
        return "event_drum" if step.events else "time_drum", rows, pins

    def _line(self, step: ir.Instruction) -> str:
        """An instruction in one line: for the body of a loop."""
        symbol = self.symbol(step)
        if isinstance(symbol, Coil):
            name = {"Out": "out", "Latch": "latch", "Reset": "reset"}[type(step).__name__]
            return f"{name} {symbol.label}"
        return f"{symbol.title} {' '.join(symbol.rows)}"


def _loads(expression: ir.Expression) -> Iterator[int]:
    """Slots that an expression names."""
    match expression:
        case ir.Load(slot):
            yield slot
        case ir.At(_table, index):
            yield from _loads(index)
        case ir.Total(_table, first, last):
            yield from _loads(first)
            yield from _loads(last)
        case ir.Apply(_operator, operands):
            for each in operands:
                yield from _loads(each)
        case ir.Constant():
            return


def _converted(conversion: str) -> str:
    return "" if conversion == "none" else f" to {conversion}"


def _timed(value: str, unit_ns: int) -> str:
    name, size = next((name, size) for name, size in _UNITS if unit_ns % size == 0) if unit_ns else ("ns", 1)
    return f"{value} {name}" if unit_ns == size else f"{value} × {unit_ns // size} {name}"
