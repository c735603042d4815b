# SPDX-License-Identifier: Apache-2.0
"""Whether a program of the IR is sound, so that an engine need not ask while it runs.

A checked program names only cells, tables, powers and subroutines that exist, of types its instructions can
work with, and its calls and expressions have an end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from pilotlight.plc.ir.conditions import Condition, Fall, Rise
from pilotlight.plc.ir.expressions import COMPARISONS, OPERATORS, Apply, Constant
from pilotlight.plc.ir.fits import check_fit
from pilotlight.plc.ir.instructions import Call, Instruction, Loop, Return
from pilotlight.plc.ir.kinds import kind_of
from pilotlight.plc.ir.program import MAIN, VERSION, IRError, Program, Rung, Task
from pilotlight.plc.ir.storage import CELL_TYPES, TRANSIENT_FAULTS, Edge, Range
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

DEEPEST = 100
"""Levels an expression or a condition may have, and calls that may be under way."""
MOST_TASKS = 64
"""Tasks of one program, the main program not counted."""
LONGEST_PERIOD_NS = 100 * 86_400 * 10**9
"""A hundred days: a history keeps the times of tasks as binary64, which has every nanosecond of 104 days."""
LEAST_URGENT = 255
"""The largest priority of a task."""
_WHOLE = (Type.INT, Type.DINT)
_ANY = CELL_TYPES
_SLOTS: dict[str, tuple[Type, ...]] = {
    "slot": _ANY, "previous": (Type.BOOL,), "once": (Type.BOOL,), "result": _WHOLE, "found": (Type.BOOL,),
    "done": (Type.BOOL,), "elapsed": _WHOLE, "count": _WHOLE, "completed": (Type.BOOL,), "index": (Type.DINT,),
    "step": _WHOLE, "fraction_memory": (Type.LINT,), "armed_memory": (Type.BOOL,), "clock_memory": (Type.BOOL,),
    "event_memory": (Type.BOOL,), "step_memory": (Type.DINT,), "jump_memory": (Type.BOOL,),
    "jog_memory": (Type.BOOL,),
}  # fmt: skip
_OPTIONAL = {"once", "elapsed", "armed_memory", "event_memory", "step_memory", "fraction_memory", "jump_memory",
             "jog_memory"}  # fmt: skip
_POWERS = {"enable", "reset", "down", "clock", "jump", "jog"}


def check(program: Program) -> None:
    """Raises IRError with the first thing that is wrong."""
    if program.version != VERSION:
        raise IRError(f"the program has IR version {program.version}; this is version {VERSION}: build it again")
    _check_cells(program)
    for table in program.tables:
        if table.type not in CELL_TYPES:
            raise IRError(f"table {table.name}: a cell cannot be {table.type.name}")
        for slot in table.slots:
            if slot != -1:
                _check_slot(program, slot, (table.type,), f"table {table.name}")
    _check_edges(program, program.edges)
    _check_sections(program)
    blocks = [("main program", program.rungs, False), *((each.name, each.rungs, False) for each in program.tasks)]
    for name, rungs, inside in [*blocks, *((each.name, each.rungs, True) for each in program.subroutines)]:
        for number, rung in enumerate(rungs):
            try:
                _check_rung(program, rung, subroutine=inside)
            except IRError as error:
                raise IRError(f"{name}, rung {number}: {error}") from error
    _check_calls(program)


def _check_edges(program: Program, edges: Sequence[Edge]) -> None:
    for edge in edges:
        _check_slot(program, edge.slot, _ANY, "an edge")
        _check_slot(program, edge.previous, (Type.BOOL,), "an edge")


def _check_sections(program: Program) -> None:
    if len(program.tasks) > MOST_TASKS:
        raise IRError(f"the program has {len(program.tasks)} tasks; it can have {MOST_TASKS}")
    taken = {""}
    for each in program.subroutines:
        if each.name in taken:
            raise IRError(f"a subroutine cannot be named {each.name!r}: each has a name of its own")
        taken.add(each.name)
    for task in program.tasks:
        if task.name in taken or task.name == MAIN:
            raise IRError(f"a task cannot be named {task.name!r}: tasks and subroutines have names of their own")
        taken.add(task.name)
        try:
            _check_task(program, task)
        except IRError as error:
            raise IRError(f"task {task.name}: {error}") from error


def _check_task(program: Program, task: Task) -> None:
    if not 1 <= task.period_ns <= LONGEST_PERIOD_NS:
        raise IRError(f"a period of {task.period_ns} ns: it is above 0 and at most a hundred days")
    if not 0 <= task.priority <= LEAST_URGENT:
        raise IRError(f"priority {task.priority}: it is 0, the most urgent, to {LEAST_URGENT}")
    memory = (task.wait_memory, Type.LINT), (task.since_memory, Type.LINT), (task.due_memory, Type.BOOL)
    for slot, kind in memory:
        _check_slot(program, slot, (kind,), "its memory")
        if not program.cells[slot].internal:
            raise IRError(f"its memory: {program.cells[slot].name} is a tag")
    _check_edges(program, task.edges)


def _check_cells(program: Program) -> None:
    names = tuple(cell.name for cell in program.cells[: len(TRANSIENT_FAULTS)])
    if names != TRANSIENT_FAULTS:
        raise IRError("the first three cells are not the transient faults")
    if len({cell.name for cell in program.cells}) != len(program.cells):
        raise IRError("two cells have the same name")
    for cell in program.cells:
        if cell.type not in CELL_TYPES:
            raise IRError(f"{cell.name}: a cell cannot be {cell.type.name}")
        if cell.type is Type.REAL:
            sound = isinstance(cell.default, float) and math.isfinite(cell.default)
        elif isinstance(cell.default, float):
            sound = False
        else:
            low, high = (0, 1) if cell.type is Type.BOOL else bounds(cell.type)
            sound = low <= cell.default <= high
        if not sound:
            raise IRError(f"{cell.name}: {cell.default!r} is no {cell.type.name}")


def _check_slot(program: Program, slot: int, types: Sequence[Type], what: str) -> None:
    if not 0 <= slot < len(program.cells):
        raise IRError(f"{what} names slot {slot}, and there are {len(program.cells)}")
    if program.cells[slot].type not in types:
        raise IRError(f"{what}: {program.cells[slot].name} is {program.cells[slot].type.name}")


def _check_rung(program: Program, rung: Rung, *, subroutine: bool) -> None:
    if not rung.powers or rung.powers[0].parent != -1:
        raise IRError("a rung has at least one power, and the first comes from the rail")
    for number, power in enumerate(rung.powers):
        if not -1 <= power.parent < number:
            raise IRError(f"power {number} comes from power {power.parent}, which is not before it")
        _check_condition(program, power.condition, 0)
    for step in rung.steps:
        _check_instruction(program, rung, step, subroutine=subroutine, nested=False)


def _check_condition(program: Program, condition: Condition, depth: int) -> None:
    if depth > DEEPEST:
        raise IRError(f"a condition has more than {DEEPEST} levels")
    if isinstance(condition, (Rise, Fall)):
        _check_fields(program, condition, 0)
        return
    for field in condition.__struct_fields__:
        value = getattr(condition, field)
        if field == "operator":
            if value not in COMPARISONS:
                raise IRError(f"there is no comparison {value!r}")
        elif field == "of":
            for each in value if isinstance(value, tuple) else (value,):
                _check_condition(program, each, depth + 1)
        else:
            _check_node(program, value, depth + 1)


def _check_instruction(program: Program, rung: Rung, step: Instruction, *, subroutine: bool, nested: bool) -> None:
    name = type(step).__name__
    for field, power in _powers(step):
        if not -1 <= power < len(rung.powers) or (power == -1 and field == "enable"):
            raise IRError(f"{name}: power {power} is not one of the rung's {len(rung.powers)}")
    if isinstance(step, Loop):
        if nested:
            raise IRError("a loop in a loop")
        for each in step.body:
            _check_instruction(program, rung, each, subroutine=subroutine, nested=True)
    elif isinstance(step, Call):
        if not 0 <= step.subroutine < len(program.subroutines):
            raise IRError(f"there is no subroutine {step.subroutine}")
    elif isinstance(step, Return) and not subroutine:
        raise IRError("only a subroutine can be left")
    _check_fields(program, step, 0)
    check_fit(program, step)


def _powers(step: Instruction) -> Iterator[tuple[str, int]]:
    for field in step.__struct_fields__:
        value = getattr(step, field)
        if field in _POWERS:
            yield field, value
        elif field == "events":
            for each in value:
                yield "enable", each


def _check_fields(program: Program, node: msgspec.Struct, depth: int) -> None:
    for field in node.__struct_fields__:
        value = getattr(node, field)
        if field in _SLOTS and isinstance(value, int):
            if value == -1 and field in _OPTIONAL:
                continue
            _check_slot(program, value, _SLOTS[field], type(node).__name__)
        elif field == "table":
            if not 0 <= value < len(program.tables):
                raise IRError(f"there is no table {value}")
        elif field == "outputs" and all(isinstance(each, int) for each in value):
            for slot in value:
                _check_slot(program, slot, (Type.BOOL,), "a drum")
        elif field in ("codes", "text") and not all(0 <= code <= 255 for code in value):
            raise IRError("a character has a code above 255")
        elif field != "body":
            _check_node(program, value, depth + 1)


def _check_node(program: Program, node: object, depth: int) -> None:
    """Check what an instruction holds: an expression, a place, cells, or a tuple of them."""
    if depth > DEEPEST:
        raise IRError(f"an expression has more than {DEEPEST} levels")
    if isinstance(node, tuple):
        for each in node:
            _check_node(program, each, depth + 1)
    elif isinstance(node, Range):
        if len(node.slots) != len(node.addresses):
            raise IRError("a range has not one address for each cell")
        for slot in node.slots:
            _check_slot(program, slot, (node.type,), "a range")
    elif isinstance(node, Constant):
        low, high = bounds(Type.LINT)
        if not (math.isfinite(node.value) if isinstance(node.value, float) else low <= node.value <= high):
            raise IRError(f"the constant {node.value} does not fit 64 bits")
    elif isinstance(node, msgspec.Struct):
        _check_fields(program, node, depth)
        if isinstance(node, Apply):
            _check_operator(program, node)


def _check_operator(program: Program, node: Apply) -> None:
    if node.operator not in OPERATORS:
        raise IRError(f"there is no operator {node.operator!r}")
    count, _kind, whole = OPERATORS[node.operator]
    if len(node.operands) != count:
        raise IRError(f"{node.operator} takes {count} operands, not {len(node.operands)}")
    if whole and any(kind_of(each, program.cells, program.tables) == "float" for each in node.operands):
        raise IRError(f"{node.operator} takes integers")


def calls_of(rungs: tuple[Rung, ...]) -> set[int]:
    """Numbers of the subroutines that the rungs call."""
    found: set[int] = set()
    for rung in rungs:
        for step in rung.steps:
            for each in step.body if isinstance(step, Loop) else (step,):
                if isinstance(each, Call):
                    found.add(each.subroutine)
    return found


def _check_calls(program: Program) -> None:
    calls = [calls_of(each.rungs) for each in program.subroutines]
    ended: set[int] = set()
    while len(ended) < len(calls):
        ending = {number for number, called in enumerate(calls) if number not in ended and called <= ended}
        if not ending:
            names = ", ".join(program.subroutines[number].name for number in range(len(calls)) if number not in ended)
            raise IRError(f"subroutines call each other without an end: {names}")
        ended |= ending
