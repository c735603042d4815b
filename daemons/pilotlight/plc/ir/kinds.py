# SPDX-License-Identifier: Apache-2.0
"""What follows from an expression without running it: its kind, and how many bits it can need."""

from __future__ import annotations

from collections.abc import Sequence

from pilotlight.plc.ir.expressions import FLOAT, INTEGER, OPERATORS, Apply, At, Constant, Expression, Load, Total
from pilotlight.plc.ir.storage import Cell, Table
from pilotlight.tags import Type

_BITS = {Type.BOOL: 1, Type.INT: 16, Type.WORD: 17, Type.DINT: 32, Type.LINT: 64, Type.CHAR: 9}
_ANY = 64


def kind_of(expression: Expression, cells: Sequence[Cell], tables: Sequence[Table]) -> str:
    """INTEGER or FLOAT."""
    match expression:
        case Constant(value):
            return FLOAT if isinstance(value, float) else INTEGER
        case Load(slot):
            return FLOAT if cells[slot].type is Type.REAL else INTEGER
        case At(table=table) | Total(table=table):
            return FLOAT if tables[table].type is Type.REAL else INTEGER
        case Apply(operator, operands):
            kind = OPERATORS[operator][1]
            if kind in (INTEGER, FLOAT):
                return kind
            return FLOAT if any(kind_of(each, cells, tables) is FLOAT for each in operands) else INTEGER


def bits_of(expression: Expression, cells: Sequence[Cell], tables: Sequence[Table]) -> int:
    """Bits of two's complement that hold every value of an integer expression; 64 when more might be needed.

    An operator whose operands give less than 64 cannot overflow, and an engine may leave out that check.
    """
    match expression:
        case Constant(value):
            return int(value).bit_length() + 1
        case Load(slot):
            return _BITS.get(cells[slot].type, _ANY)
        case At(table=table):
            return _BITS.get(tables[table].type, _ANY)
        case Total(table=table):
            members = tables[table]
            return min(_ANY, _BITS.get(members.type, _ANY) + len(members.slots).bit_length())
        case Apply(operator, operands):
            sizes = [bits_of(each, cells, tables) for each in operands]
            return min(_ANY, _grown(operator, sizes))


def _grown(operator: str, sizes: list[int]) -> int:
    if operator in ("add", "subtract"):
        return max(sizes) + 1
    if operator == "multiply":
        return sum(sizes)
    if operator in ("negate", "absolute", "quotient"):
        return sizes[0] + 1
    if operator in ("and", "or", "xor", "not", "remainder"):
        return max(sizes)
    if operator in ("shift_right",):
        return sizes[0]
    if operator in ("rotate_left", "rotate_right"):
        return 17
    return _ANY
