# SPDX-License-Identifier: Apache-2.0
"""Expressions, places, ranges and conditions of the IR as C.

Each function gives the C text of a value and writes what must happen before into the scope. What can set a fault is
written as a line of its own, so that faults come, and cells are read, in the order of the interpreter. The
surrounding block has a `plc_faults f`.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.plc import ir
from pilotlight.plc.ir.expressions import FLOAT
from pilotlight.plc.native.layout import array_of
from pilotlight.plc.native.scope import Scope
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

WHOLE, REAL = "int64_t", "double"
_PLAIN = {"add": "+", "subtract": "-", "multiply": "*", "and": "&", "or": "|", "xor": "^"}
_BITS = {"and", "or", "xor"}
_FLOAT_RULES = {"quotient": "float_quotient", "remainder": "float_remainder", "power": "float_power"}
_TURNED = {">": "<", ">=": "<="}


def is_real(scope: Scope, expression: ir.Expression) -> bool:
    """Whether an expression is a float."""
    return ir.kind_of(expression, scope.source.program.cells, scope.source.program.tables) == FLOAT


def type_of(scope: Scope, place: ir.Place) -> Type:
    """The type of the cell that a place names."""
    if isinstance(place, ir.Load):
        return scope.source.program.cells[place.slot].type
    return scope.source.program.tables[place.table].type


def integer(value: int) -> str:
    """An integer constant."""
    if value == bounds(Type.LINT)[0]:
        return "INT64_MIN"
    return f"INT64_C({value})" if value >= 0 else f"(-INT64_C({-value}))"


def floating(value: float) -> str:
    """A float constant, exact."""
    return f"({value.hex()})" if value.hex().startswith("-") else value.hex()


def whole(scope: Scope, expression: ir.Expression) -> str:
    """An integer, or a float truncated."""
    if is_real(scope, expression):
        return f"plc_truncated({real(scope, expression)})"
    match expression:
        case ir.Constant(value):
            return integer(int(value))
        case ir.Load(slot):
            return f"(int64_t){scope.source.layout.name(slot)}"
        case ir.At():
            return _selected(scope, expression, WHOLE)
        case ir.Total(table, first, last):
            return _total(scope, ir.Window(table, first, last), WHOLE)
        case ir.Apply(operator, operands):
            return _whole_apply(scope, expression, operator, operands)


def _whole_apply(scope: Scope, expression: ir.Expression, operator: str, operands: tuple[ir.Expression, ...]) -> str:
    texts = _in_order(scope, operands, WHOLE)
    program = scope.source.program
    exact = ir.bits_of(expression, program.cells, program.tables) < 64
    if operator == "not":
        return f"~{texts[0]}"
    if operator in _BITS or (exact and operator in _PLAIN):
        return f"({texts[0]} {_PLAIN[operator]} {texts[1]})"
    if exact and operator == "negate":
        return f"(-{texts[0]})"
    return scope.keep(WHOLE, f"plc_{operator}(&f, {', '.join(texts)})")


def real(scope: Scope, expression: ir.Expression) -> str:
    """A float, or an integer turned into one."""
    if not is_real(scope, expression):
        return f"(double){whole(scope, expression)}"
    match expression:
        case ir.Constant(value):
            return floating(float(value))
        case ir.Load(slot):
            return f"(double){scope.source.layout.name(slot)}"
        case ir.At():
            return _selected(scope, expression, REAL)
        case ir.Total(table, first, last):
            return _total(scope, ir.Window(table, first, last), REAL)
        case ir.Apply(operator, operands):
            texts = _in_order(scope, operands, REAL)
            if operator in ("add", "subtract", "multiply"):
                return f"({texts[0]} {_PLAIN[operator]} {texts[1]})"
            if operator == "negate":
                return f"(-{texts[0]})"
            if operator == "absolute":
                return f"fabs({texts[0]})"
            return scope.keep(REAL, f"plc_{_FLOAT_RULES.get(operator, operator)}(&f, {', '.join(texts)})")


def _in_order(scope: Scope, operands: tuple[ir.Expression, ...], ctype: str) -> list[str]:
    """The operands, the first read before anything of the second happens."""
    value = whole if ctype == WHOLE else real
    texts: list[str] = []
    for operand in operands:
        before = len(scope.lines)
        texts_before = texts
        text = value(scope, operand)
        if len(scope.lines) > before:
            texts = [scope.keep_at(before, ctype, each) for each in texts_before]
        texts.append(text)
    return texts


def array(scope: Scope, kind: Type) -> str:
    """The image's array of a type."""
    return f"m->{array_of(kind).member}"


def table(scope: Scope, number: int) -> str:
    """The name of a table's data."""
    source = scope.source
    of = source.program.tables[number]
    places = source.array("int32_t", tuple(source.layout.places[slot] if slot >= 0 else -1 for slot in of.slots))
    return source.constant(f"plc_table %s = {{{places}, {integer(of.first)}, {len(of.slots)}, {int(of.type)}}}")


def _selected(scope: Scope, at: ir.At, ctype: str) -> str:
    place = selected_place(scope, at)
    cell = f"{array(scope, type_of(scope, at))}[{place}]"
    return scope.keep(ctype, f"{place} < 0 ? 0 : ({ctype}){cell}")


def selected_place(scope: Scope, at: ir.At) -> str:
    """The place in its array that an address selects, −1 when it is not there."""
    index = whole(scope, at.index)
    return scope.keep("int32_t", f"plc_at(&f, &{table(scope, at.table)}, {index})")


def _total(scope: Scope, window: ir.Window, ctype: str) -> str:
    cells, name, place = several(scope, window), scope.fresh(), scope.fresh()
    kind = scope.source.program.tables[window.table].type
    scope.line(f"{ctype} {name} = 0;")
    scope.line(f"PLC_EACH({place}, &{cells}) {name} += {array(scope, kind)}[{place}];")
    return name


def several(scope: Scope, cells: ir.Cells) -> str:
    """The name of a `plc_cells`; its count is −1 when an address failed, and address_error is set."""
    source = scope.source
    if isinstance(cells, ir.Range):
        places = source.array("int32_t", tuple(source.layout.places[slot] for slot in cells.slots))
        addresses = source.array("int32_t", cells.addresses)
        of = f"{{{array(scope, cells.type)}, {places}, {addresses}, 0, {len(cells.slots)}, 1, {int(cells.type)}}}"
        name = scope.fresh()
        scope.line(f"const plc_cells {name} = {of};")
        return name
    kind = source.program.tables[cells.table].type
    outer = scope.keep("unsigned", "f.failed")
    scope.line("f.failed = 0;")
    low, high = _in_order(scope, (cells.first, cells.last), WHOLE)
    reverse = "true" if cells.reverse else "false"
    name = scope.keep(
        "plc_cells",
        f"plc_window(&f, &{table(scope, cells.table)}, {array(scope, kind)}, {low}, {high}, f.failed, {reverse})",
    )
    scope.line(f"f.failed |= {outer};")
    return name


# ---- conditions ------------------------------------------------------------------------------------------------------


def test(scope: Scope, condition: ir.Condition) -> str:
    """A condition. Where it can set a fault, the scope is inside a block that has a `plc_faults f`."""
    match condition:
        case ir.Truth(value):
            if isinstance(value, ir.Load):
                return f"{scope.source.layout.name(value.slot)} != 0"
            zero = "0.0" if is_real(scope, value) else "0"
            return _decided(scope, (value,), lambda texts: f"{texts[0]} != {zero}")
        case ir.Compare(operator, left, right):
            pair = (right, left) if operator in _TURNED else (left, right)
            sign = _TURNED.get(operator, operator)
            return _decided(scope, pair, lambda texts: f"{texts[0]} {sign} {texts[1]}")
        case ir.Rise(slot, previous):
            return f"({_cell(scope, slot)} != 0 && !{_cell(scope, previous)})"
        case ir.Fall(slot, previous):
            return f"({_cell(scope, previous)} && !{_cell(scope, slot)})"
        case ir.Not(of):
            return f"!({test(scope, of)})"
        case ir.All(of):
            return _joined(scope, of, "true", "&&")
        case ir.Any(of):
            return _joined(scope, of, "false", "||")


def _cell(scope: Scope, slot: int) -> str:
    return scope.source.layout.name(slot)


def _decided(scope: Scope, operands: tuple[ir.Expression, ...], compared: Callable[[list[str]], str]) -> str:
    before = len(scope.lines)
    texts = _in_order(scope, operands, REAL if any(is_real(scope, each) for each in operands) else WHOLE)
    text = f"({compared(texts)})"
    if len(scope.lines) == before:
        return text
    scope.line_at(before, "f.failed = 0;")
    return scope.keep("bool", f"{text} && !f.failed")


def _joined(scope: Scope, of: tuple[ir.Condition, ...], neutral: str, sign: str) -> str:
    text = ""
    for each in of:
        text = joined(scope, text, each, sign)
    return f"({text})" if text else neutral


def joined(scope: Scope, text: str, condition: ir.Condition, sign: str = "&&") -> str:
    """`text` and then, unless it decides, a condition; no text: the condition."""
    before = len(scope.lines)
    part = test(scope, condition)
    if len(scope.lines) == before or not text:
        return f"{text} {sign} {part}" if text else part
    name = scope.fresh()
    asked = name if sign == "&&" else f"!{name}"
    scope.wrap(before, f"bool {name} = {text};", f"if ({asked}) {{", f"    {name} = {part};")
    return name
