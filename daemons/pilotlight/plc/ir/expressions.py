# SPDX-License-Identifier: Apache-2.0
"""Expressions of the IR: numbers that a scan computes.

An expression is an *integer* (64-bit two's complement) or a *float* (binary64); `kind_of` says which. The rules
of every operator are in `pilotlight.plc.arithmetic`; the table below names operators and says their kinds.
"""

from __future__ import annotations

import msgspec


class Constant(msgspec.Struct, frozen=True, tag_field="is", tag="constant"):
    """A number of the program text; a float must be finite."""

    value: int | float


class Load(msgspec.Struct, frozen=True, tag_field="is", tag="load"):
    """The value of a cell."""

    slot: int


class At(msgspec.Struct, frozen=True, tag_field="is", tag="at"):
    """The value of the cell that `index` selects in a table; an address the table lacks is an address error."""

    table: int
    index: Expression


class Apply(msgspec.Struct, frozen=True, tag_field="is", tag="apply"):
    """An operator of `OPERATORS` applied to its operands."""

    operator: str
    operands: tuple[Expression, ...]


class Total(msgspec.Struct, frozen=True, tag_field="is", tag="total"):
    """The sum, in order, of a table's window; see `storage.Window`."""

    table: int
    first: Expression
    last: Expression


Expression = Constant | Load | At | Apply | Total

INTEGER = "integer"
FLOAT = "float"
WIDER = "wider"
"""Result kind of an operator that is an integer when all its operands are, and else a float."""

OPERATORS: dict[str, tuple[int, str, bool]] = {
    # name: operands, kind of the result, whether the operands must be integers
    "add": (2, WIDER, False),
    "subtract": (2, WIDER, False),
    "multiply": (2, WIDER, False),
    "divide": (2, FLOAT, False),
    "quotient": (2, WIDER, False),
    "remainder": (2, WIDER, False),
    "power": (2, WIDER, False),
    "negate": (1, WIDER, False),
    "absolute": (1, WIDER, False),
    "and": (2, INTEGER, True),
    "or": (2, INTEGER, True),
    "xor": (2, INTEGER, True),
    "not": (1, INTEGER, True),
    "shift_left": (2, INTEGER, True),
    "shift_right": (2, INTEGER, True),
    "rotate_left": (2, INTEGER, True),
    "rotate_right": (2, INTEGER, True),
    "square_root": (1, FLOAT, False),
    "sine": (1, FLOAT, False),
    "cosine": (1, FLOAT, False),
    "tangent": (1, FLOAT, False),
    "arc_sine": (1, FLOAT, False),
    "arc_cosine": (1, FLOAT, False),
    "arc_tangent": (1, FLOAT, False),
    "radians": (1, FLOAT, False),
    "degrees": (1, FLOAT, False),
    "logarithm": (1, FLOAT, False),
    "logarithm_10": (1, FLOAT, False),
}

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
