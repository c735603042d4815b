# SPDX-License-Identifier: Apache-2.0
"""The IR printed for people: one line a power and one line a step."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pilotlight.plc.ir.conditions import All, Any, Compare, Condition, Fall, Not, Rise, Truth
from pilotlight.plc.ir.expressions import Apply, At, Constant, Expression, Load, Total
from pilotlight.plc.ir.instructions import NONE, Call, Instruction, Loop
from pilotlight.plc.ir.program import MAIN, Program, Rung, Task, sections
from pilotlight.plc.ir.storage import Range, Window

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "quotient": "//", "remainder": "%", "power": "**",
    "and": "&", "or": "|", "xor": "^", "shift_left": "<<", "shift_right": ">>",
}  # fmt: skip
_SLOTS = {"result", "found", "done", "elapsed", "count", "step", "completed", "index"}
_POWERS = {"reset", "down", "clock", "jump", "jog"}


def expression_text(program: Program, expression: Expression) -> str:
    """An expression with the names of its tags."""
    match expression:
        case Constant(value):
            return str(value)
        case Load(slot):
            return program.cells[slot].name
        case At(table, index):
            return f"{program.tables[table].name}[{expression_text(program, index)}]"
        case Total(table, first, last):
            return f"sum({cells_text(program, Window(table, first, last))})"
        case Apply(operator, operands):
            parts = [expression_text(program, each) for each in operands]
            if operator in _INFIX:
                return f"({parts[0]} {_INFIX[operator]} {parts[1]})"
            return f"{operator}({', '.join(parts)})"


def cells_text(program: Program, cells: Range | Window) -> str:
    """A range of cells by its first and last name."""
    if isinstance(cells, Window):
        name = program.tables[cells.table].name
        first, last = expression_text(program, cells.first), expression_text(program, cells.last)
        return f"{name}[{first}..{last}]{' reversed' if cells.reverse else ''}"
    names = [program.cells[slot].name for slot in cells.slots]
    return ", ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]} ({len(names)})"


def condition_text(program: Program, condition: Condition) -> str:
    """A condition with the names of its tags."""
    match condition:
        case Truth(value):
            return expression_text(program, value)
        case Compare(operator, left, right):
            return f"{expression_text(program, left)} {operator} {expression_text(program, right)}"
        case Rise(slot):
            return f"rise({program.cells[slot].name})"
        case Fall(slot):
            return f"fall({program.cells[slot].name})"
        case Not(of):
            return f"~{condition_text(program, of)}"
        case All(()):
            return "always"
        case All(of):
            return " and ".join(condition_text(program, each) for each in of)
        case Any(of):
            return f"({' or '.join(condition_text(program, each) for each in of)})"


def instruction_text(program: Program, step: Instruction) -> str:
    """An instruction as `name(field=value, …)`; internal cells and fields at their default are left out."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(step)}
    parts: list[str] = []
    for field in step.__struct_fields__:
        value = getattr(step, field)
        if field in ("enable", "line", "body") or field.endswith("_memory") or defaults[field] == value:
            continue
        if field == "once":
            parts.append("once")
        elif isinstance(step, Call):
            parts.append(program.subroutines[step.subroutine].name)
        else:
            parts.append(f"{field}={_field_text(program, field, value)}")
    return f"{type(step).__name__.lower()}({', '.join(parts)})"


def _field_text(program: Program, field: str, value: object) -> str:
    if isinstance(value, (Range, Window)):
        return cells_text(program, value)
    if isinstance(value, (Constant, Load, At, Apply, Total)):
        return expression_text(program, value)
    if field in _SLOTS and isinstance(value, int):
        return program.cells[value].name
    if field in _POWERS:
        return f"p{value}"
    if isinstance(value, tuple) and value and all(isinstance(each, msgspec.Struct) for each in value):
        return f"[{', '.join(_field_text(program, '', each) for each in value)}]"
    return repr(value)


def rung_lines(program: Program, rung: Rung) -> Iterator[str]:
    """A rung: its powers as `p0 = …`, then its steps as `p0: …`."""
    for number, power in enumerate(rung.powers):
        parent = "" if power.parent == NONE else f"p{power.parent} and "
        yield f"p{number} = {parent}{condition_text(program, power.condition)}"
    for step in rung.steps:
        yield f"p{step.enable}: {instruction_text(program, step)}"
        if isinstance(step, Loop):
            for each in step.body:
                yield f"    p{each.enable}: {instruction_text(program, each)}"


def period_text(period_ns: int) -> str:
    """A time as people write it, in the largest unit that gives a whole number: 10 ms, 0.5 ms, 90 s, 1 h."""
    for unit, size in (("h", 3_600 * 10**9), ("min", 60 * 10**9), ("s", 10**9)):
        if period_ns % size == 0:
            return f"{period_ns // size} {unit}"
    return f"{Decimal(period_ns) / 10**6:f} ms"


def task_title(task: Task) -> str:
    """Name, period and priority of a task."""
    return f"task {task.name}, every {period_text(task.period_ns)}, priority {task.priority}"


def program_text(program: Program) -> str:
    """The whole program; for people and for tests, not to be read back."""
    lines = [f"IR version {program.version}"]
    for cell in program.cells:
        flags = "".join(f" {name}" for name in ("retentive", "readonly", "internal") if getattr(cell, name))
        lines.append(f"cell {cell.name} {cell.type.name} = {cell.default}{flags}")
    titles = {each.name: task_title(each) for each in program.tasks}
    for name, rungs in sections(program).items():
        lines.append(f"{titles.get(name, name or MAIN)}:")
        for number, rung in enumerate(rungs):
            title = f" # {rung.comment}" if rung.comment else ""
            lines.append(f"  rung {number}{' continued' if rung.continued else ''}{title}")
            lines.extend(f"    {line}" for line in rung_lines(program, rung))
    return "\n".join(lines) + "\n"
