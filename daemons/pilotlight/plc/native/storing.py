# SPDX-License-Identifier: Apache-2.0
"""Instructions that compute, copy, convert, pack and search, as C.

The function of an instruction writes what happens with power `on`, a C expression without effects; it is inside a
block of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.plc import ir
from pilotlight.plc.arithmetic import Faults
from pilotlight.plc.engine.cells import fit_for
from pilotlight.plc.native.expressions import (
    REAL,
    WHOLE,
    array,
    integer,
    is_real,
    real,
    selected_place,
    several,
    type_of,
    whole,
)
from pilotlight.plc.native.layout import array_of
from pilotlight.plc.native.scope import EmitError, Scope
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

FEW = 4
"""Cells that are written one by one; more get a loop."""
BITS = {Type.INT: 16, Type.WORD: 16, Type.DINT: 32, Type.REAL: 32}
_OPERATORS = {
    "==": "PLC_EQUAL", "!=": "PLC_UNEQUAL", "<": "PLC_LESS", "<=": "PLC_AT_MOST", ">": "PLC_MORE", ">=": "PLC_AT_LEAST",
}  # fmt: skip
_DIGITS = {Type.WORD: 4, Type.INT: 5, Type.DINT: 10, Type.LINT: 10}
_NO_FAULTS = Faults([])


def cells_type(scope: Scope, cells: ir.Cells) -> Type:
    """The type of the cells that a range or a window names."""
    return cells.type if isinstance(cells, ir.Range) else scope.source.program.tables[cells.table].type


def to_each(scope: Scope, targets: ir.Cells, value: Callable[[int | None, str], str]) -> None:
    """Store to each target what `value` gives, called with its slot (None: not known) and its place as C."""
    if isinstance(targets, ir.Range) and len(targets.slots) <= FEW:
        for slot in targets.slots:
            scope.line(f"{scope.source.layout.name(slot)} = {value(slot, str(scope.source.layout.places[slot]))};")
        return
    cells, place = several(scope, targets), scope.fresh()
    target = f"{array(scope, cells_type(scope, targets))}[{place}]"
    scope.line(f"PLC_EACH({place}, &{cells}) {target} = {value(None, place)};")


def evaluated(scope: Scope, source: ir.Expression) -> tuple[str, bool]:
    """An expression evaluated, 0 when it failed, and whether it is a float. `f` says how it failed."""
    before, is_float = len(scope.lines), is_real(scope, source)
    text = real(scope, source) if is_float else whole(scope, source)
    ctype = REAL if is_float else WHOLE
    if len(scope.lines) == before:
        return scope.keep(ctype, text), is_float
    scope.line_at(before, "f.failed = 0;")
    return scope.keep(ctype, f"f.failed ? 0 : {text}"), is_float


def whole_or_zero(scope: Scope, source: ir.Expression) -> str:
    """An integer that counts as 0 when it fails."""
    before = len(scope.lines)
    text = whole(scope, source)
    if len(scope.lines) == before:
        return text if isinstance(source, ir.Constant) else scope.keep(WHOLE, text)
    scope.line_at(before, "f.failed = 0;")
    return scope.keep(WHOLE, f"f.failed ? 0 : {text}")


def fitted(kind: Type, text: str, is_float: bool) -> str:
    """What a cell holds for a number, saturating."""
    if kind is Type.BOOL:
        return f"plc_bool({text})" if is_float else f"{text} != 0"
    if kind is Type.REAL:
        return f"plc_real({text})" if is_float else f"plc_single((double){text})"
    low, high = map(integer, bounds(kind))
    return f"({array_of(kind).ctype})plc_saturated{'_float' if is_float else ''}({text}, {low}, {high})"


def calculated(kind: Type, text: str, is_float: bool, silent: bool) -> str:
    """What a cell holds for the result of a calculation: wrapping."""
    if kind is Type.BOOL:
        return f"plc_bool_checked(&f, {text})" if is_float else f"{text} != 0"
    if kind is Type.REAL:
        return f"plc_real_checked(&f, {text})" if is_float else f"plc_single((double){text})"
    if is_float:
        text = f"plc_whole_checked(&f, {text})"
    ctype = array_of(kind).ctype
    if silent or kind is Type.LINT:
        return f"({ctype}){text}"
    low, high = map(integer, bounds(kind))
    return f"({ctype})plc_wrapped(&f, {text}, {low}, {high})"


def to_place(scope: Scope, place: ir.Place, value: str) -> None:
    """Store to a place; nothing, with address_error, when it is not there."""
    if isinstance(place, ir.Load):
        scope.line(f"{scope.source.layout.name(place.slot)} = {value};")
        return
    scope.line("f.failed = 0;")
    selected = selected_place(scope, place)
    scope.line(f"if (!f.failed) {array(scope, type_of(scope, place))}[{selected}] = {value};")


def move(scope: Scope, step: ir.Move | ir.Calculate, on: str) -> None:
    """Move and Calculate."""
    with scope.faults(f"if ({on})"):
        before = len(scope.lines)
        value, is_float = evaluated(scope, step.source)
        kind = type_of(scope, step.target)
        if isinstance(step, ir.Calculate):
            text = calculated(kind, value, is_float, step.word)
        else:
            text = fitted(kind, value, is_float)
        if len(scope.lines) == before + 1:
            to_place(scope, step.target, text)
        else:
            with scope.block("if (!(f.failed & PLC_LOST))"):
                to_place(scope, step.target, text)


def fill(scope: Scope, step: ir.Fill, on: str) -> None:
    """Fill."""
    with scope.faults(f"if ({on})"):
        value, is_float = evaluated(scope, step.source)
        kind = cells_type(scope, step.targets)
        number = scope.keep(array_of(kind).ctype, fitted(kind, value, is_float))
        with scope.block("if (!(f.failed & PLC_LOST))"):
            to_each(scope, step.targets, lambda _slot, _place: number)


def text(scope: Scope, step: ir.Text, on: str) -> None:
    """Text."""
    codes = [code - 48 if step.conversion == "value" else code for code in step.codes]
    with scope.faults(f"if ({on})"):
        if step.conversion == "value" and not all(0 <= code <= 9 for code in codes):
            scope.line("plc_out_of_range(&f);")
            return
        kind = cells_type(scope, step.targets)
        fit = fit_for(kind)
        member = "real" if kind is Type.REAL else "whole"
        numbers = scope.source.constant(
            "plc_number %s[] = {"
            + ", ".join(f"{{.{member} = {fit.whole(_NO_FAULTS, code)}}}" for code in codes or [0])
            + "}"
        )
        targets = several(scope, step.targets)
        scope.line(f"plc_put_all(&f, &{targets}, {numbers}, {len(codes)});")


def convert(scope: Scope, step: ir.Convert, on: str) -> None:
    """Convert."""
    kind = cells_type(scope, step.targets)
    with scope.faults(f"if ({on})"):
        source = several(scope, step.source)
        numbers = scope.fresh()
        scope.line(f"plc_number {numbers}[{source}.count > 0 ? {source}.count : 1];")
        count = scope.keep(
            "int32_t", f"plc_read_all(&f, &{source}, '{step.conversion[0]}', {int(kind)}, {numbers})"
        )
        with scope.block(f"if ({count} >= 0)"):
            targets = several(scope, step.targets)
            scope.line(f"plc_put_all(&f, &{targets}, {numbers}, {count});")


def format_number(scope: Scope, step: ir.Format, on: str) -> None:
    """Format."""
    with scope.faults(f"if ({on})"):
        value, is_float = evaluated(scope, step.source)
        with scope.block("if (!(f.failed & PLC_LOST))"):
            characters, suppress = scope.fresh(), "true" if step.suppress_zero else "false"
            scope.line(f"char {characters}[PLC_TEXT_MAX];")
            if is_float:
                exponential = "true" if step.exponential else "false"
                written = f"plc_real_text({characters}, {value}, {exponential})"
            else:
                digits = _DIGITS.get(Type(step.type), 1)
                written = f"plc_whole_text({characters}, {step.type}, {value}, {digits}, {suppress})"
            length = scope.keep("int32_t", written)
            targets = several(scope, step.targets)
            scope.line(f"plc_write_text(&f, &{targets}, {characters}, {length}, {step.termination});")


def parse(scope: Scope, step: ir.Parse, on: str) -> None:
    """Parse."""
    kind = type_of(scope, step.target)
    with scope.faults(f"if ({on})"):
        source = several(scope, step.source)
        with scope.block(f"if ({source}.count >= 0)"):
            characters, number = scope.fresh(), scope.fresh()
            scope.line(f"char {characters}[{source}.count + 1];")
            scope.line(f"plc_number {number};")
            blanks = "true" if step.allow_whitespace else "false"
            low, high = map(integer, (0, 0) if kind is Type.REAL else bounds(kind))
            shown = f"plc_read_text(&{source}, {characters}, {blanks})"
            with scope.block(f"if (plc_parse({int(kind)}, {shown}, {low}, {high}, &{number}))"):
                member = "real" if kind is Type.REAL else "whole"
                to_place(scope, step.target, f"({array_of(kind).ctype}){number}.{member}")
            with scope.block("else"):
                scope.line("plc_out_of_range(&f);")


def _packable(scope: Scope, place: ir.Place) -> tuple[Type, int]:
    kind = type_of(scope, place)
    if kind not in BITS:
        raise EmitError(f"{kind.name} cells have no bits to pack; the program is not sound")
    return kind, BITS[kind]


def pack(scope: Scope, step: ir.Pack, on: str) -> None:
    """Pack."""
    kind, size = _packable(scope, step.target)
    with scope.faults(f"if ({on})"):
        source, bits = several(scope, step.source), scope.fresh()
        scope.line(f"uint32_t {bits};")
        with scope.block(f"if (plc_pack(&f, &{source}, {step.width}, {size}, &{bits}))"):
            value = f"plc_single_of_bits({bits})" if kind is Type.REAL else f"({array_of(kind).ctype}){bits}"
            to_place(scope, step.target, value)


def unpack(scope: Scope, step: ir.Unpack, on: str) -> None:
    """Unpack."""
    kind, size = _packable(scope, step.source)
    with scope.faults(f"if ({on})"):
        if isinstance(step.source, ir.Load):
            cell = scope.source.layout.name(step.source.slot)
        else:
            place = selected_place(scope, step.source)
            cell = f"{array(scope, kind)}[{place}]"
        with scope.block("if (!f.failed)"):
            bits = scope.keep("uint32_t", f"plc_bits_of_single({cell})" if kind is Type.REAL else f"(uint32_t){cell}")
            targets = several(scope, step.targets)
            scope.line(f"plc_unpack(&f, &{targets}, {step.width}, {size}, {bits});")


def search(scope: Scope, step: ir.Search, on: str) -> None:
    """Search."""
    layout = scope.source.layout
    result, found = layout.name(step.result), layout.name(step.found)
    with scope.faults(f"if ({on})"):
        source, cursor, hit = several(scope, step.source), scope.fresh(), scope.fresh()
        scope.line(f"plc_cursor {cursor};")
        scope.line(f"bool {hit} = false;")
        continuous = "true" if step.continuous else "false"
        with scope.block(f"if (plc_search_from(&{source}, {continuous}, {result}, &{cursor}))"):
            if step.text:
                characters = scope.source.array("uint8_t", step.text)
                equal = "true" if step.operator == "==" else "false"
                scope.line(f"{hit} = plc_search_text(&{cursor}, {equal}, {characters}, {len(step.text)});")
            else:
                value, is_float = evaluated(scope, step.value)
                wanted = f"(plc_number){{.{'real' if is_float else 'whole'} = {value}}}"
                real_flag = "true" if is_float else "false"
                searched = f"plc_search(&{cursor}, {_OPERATORS[step.operator]}, {real_flag}, {wanted})"
                scope.line(f"{hit} = !f.failed && {searched};")
        ctype = array_of(layout.cells[step.result].type).ctype
        scope.line(f"{result} = {hit} ? ({ctype}){cursor}.address : -1;")
        scope.line(f"{found} = {hit};")


def constant(kind: Type, value: int | float) -> str:
    """A default as C."""
    return f"{float(value).hex()}f" if kind is Type.REAL else integer(int(value))
