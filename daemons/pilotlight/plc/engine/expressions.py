# SPDX-License-Identifier: Apache-2.0
"""From expressions, places and conditions of the IR to nodes."""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.plc import arithmetic, ir
from pilotlight.plc.arithmetic import Faults
from pilotlight.plc.engine import cells, conditions, numbers
from pilotlight.plc.engine.numbers import Real, Whole

_PLAIN: dict[str, Callable[[Whole, Whole], Whole]] = {
    "add": numbers.Add, "subtract": numbers.Subtract, "multiply": numbers.Multiply, "and": numbers.BitAnd,
    "or": numbers.BitOr, "xor": numbers.BitXor,
}  # fmt: skip
_SINGLE: dict[str, Callable[[Whole], Whole]] = {
    "negate": numbers.Negate, "absolute": numbers.Absolute, "not": numbers.Invert,
}  # fmt: skip
_RULES: dict[str, Callable[[Faults, int, int], int]] = {
    "quotient": arithmetic.quotient, "remainder": arithmetic.remainder, "power": arithmetic.power,
    "shift_left": arithmetic.shift_left, "shift_right": arithmetic.shift_right,
    "rotate_left": arithmetic.rotate_left, "rotate_right": arithmetic.rotate_right,
}  # fmt: skip
_REAL_PLAIN: dict[str, Callable[[Real, Real], Real]] = {
    "add": numbers.RealAdd, "subtract": numbers.RealSubtract, "multiply": numbers.RealMultiply,
}  # fmt: skip
_REAL_SINGLE: dict[str, Callable[[Real], Real]] = {"negate": numbers.RealNegate, "absolute": numbers.RealAbsolute}
_REAL_RULES: dict[str, Callable[[Faults, float, float], float]] = {
    "divide": arithmetic.divide, "quotient": arithmetic.float_quotient, "remainder": arithmetic.float_remainder,
    "power": arithmetic.float_power,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Faults, float], float]] = {
    name: getattr(arithmetic, name)
    for name in (
        "square_root", "sine", "cosine", "tangent", "arc_sine", "arc_cosine", "arc_tangent", "radians", "degrees",
        "logarithm", "logarithm_10",
    )
}  # fmt: skip


class Expressions:
    """Compiles what instructions read, write and ask."""

    def __init__(self, program: ir.Program) -> None:
        self.program: ir.Program = program
        self.tables: list[list[int]] = [list(table.slots) for table in program.tables]

    def is_real(self, expression: ir.Expression) -> bool:
        """Whether an expression is a float."""
        return ir.kind_of(expression, self.program.cells, self.program.tables) == "float"

    def whole(self, expression: ir.Expression) -> Whole:
        """An integer, or a float truncated."""
        if self.is_real(expression):
            return numbers.Truncated(self.real(expression))
        if isinstance(expression, ir.Constant):
            return numbers.WholeConstant(int(expression.value))
        if isinstance(expression, ir.Load):
            return numbers.WholeCell(expression.slot)
        if isinstance(expression, ir.At):
            return numbers.WholeSelected(self.selected(expression))
        if isinstance(expression, ir.Total):
            return cells.WholeTotal(self.several(ir.Window(expression.table, expression.first, expression.last)))
        operands = [self.whole(each) for each in expression.operands]
        operator = expression.operator
        if operator in _RULES:
            return numbers.WholeRule(_RULES[operator], operands[0], operands[1])
        node = _SINGLE[operator](operands[0]) if len(operands) == 1 else _PLAIN[operator](operands[0], operands[1])
        exact = ir.bits_of(expression, self.program.cells, self.program.tables) < 64
        return node if exact else numbers.Wrapped(node)

    def real(self, expression: ir.Expression) -> Real:
        """A float, or an integer turned into one."""
        if not self.is_real(expression):
            return numbers.AsReal(self.whole(expression))
        if isinstance(expression, ir.Constant):
            return numbers.RealConstant(float(expression.value))
        if isinstance(expression, ir.Load):
            return numbers.RealCell(expression.slot)
        if isinstance(expression, ir.At):
            return numbers.RealSelected(self.selected(expression))
        if isinstance(expression, ir.Total):
            return cells.RealTotal(self.several(ir.Window(expression.table, expression.first, expression.last)))
        operands = [self.real(each) for each in expression.operands]
        operator = expression.operator
        if operator in _FUNCTIONS:
            return numbers.RealFunction(_FUNCTIONS[operator], operands[0])
        if operator in _REAL_RULES:
            return numbers.RealRule(_REAL_RULES[operator], operands[0], operands[1])
        if operator in _REAL_SINGLE:
            return _REAL_SINGLE[operator](operands[0])
        return _REAL_PLAIN[operator](operands[0], operands[1])

    def either(self, expression: ir.Expression) -> tuple[Whole | None, Real | None]:
        """The expression as what it is."""
        return (None, self.real(expression)) if self.is_real(expression) else (self.whole(expression), None)

    def selected(self, at: ir.At) -> numbers.Selected:
        """An address in a table."""
        return numbers.Selected(self.program.tables[at.table].first, self.tables[at.table], self.whole(at.index))

    def place(self, place: ir.Place) -> cells.Place:
        """A place for a number."""
        if isinstance(place, ir.Load):
            return cells.Place(place.slot, None)
        return cells.Place(-1, self.selected(place))

    def several(self, of: ir.Cells) -> cells.Several:
        """A range of cells."""
        if isinstance(of, ir.Range):
            return cells.Several(of.type, list(of.slots), list(of.addresses))
        table = self.program.tables[of.table]
        low, high = self.whole(of.first), self.whole(of.last)
        return cells.Window(table.type, table.first, self.tables[of.table], low, high, of.reverse)

    def test(self, condition: ir.Condition) -> conditions.Test:
        """A condition."""
        if isinstance(condition, ir.Truth):
            return self._truth(condition.value)
        if isinstance(condition, ir.Compare):
            return self._comparison(condition)
        if isinstance(condition, ir.Rise):
            return conditions.RisingEdge(condition.slot, condition.previous)
        if isinstance(condition, ir.Fall):
            return conditions.FallingEdge(condition.slot, condition.previous)
        if isinstance(condition, ir.Not):
            inner = condition.of
            if isinstance(inner, ir.Truth) and isinstance(inner.value, ir.Load) and not self.is_real(inner.value):
                return conditions.ClosedContact(inner.value.slot)
            return conditions.Opposite(self.test(inner))
        parts = [self.test(each) for each in condition.of]
        if isinstance(condition, ir.Any):
            return conditions.Either(parts)
        return conditions.Every(parts) if parts else conditions.Test()

    def _truth(self, value: ir.Expression) -> conditions.Test:
        if self.is_real(value):
            return conditions.RealTruth(self.real(value))
        if isinstance(value, ir.Load):
            return conditions.Contact(value.slot)
        return conditions.WholeTruth(self.whole(value))

    def _comparison(self, of: ir.Compare) -> conditions.Test:
        operator, left, right = of.operator, of.left, of.right
        if operator in (">", ">="):
            operator, left, right = operator.replace(">", "<"), right, left
        if self.is_real(left) or self.is_real(right):
            return conditions.REAL_COMPARISONS[operator](self.real(left), self.real(right))
        return conditions.WHOLE_COMPARISONS[operator](self.whole(left), self.whole(right))
