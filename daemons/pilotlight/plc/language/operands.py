# SPDX-License-Identifier: Apache-2.0
"""What can stand in an expression, and the Python operators that make expressions and comparisons of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn

from pilotlight.plc import ir
from pilotlight.tags import Type

if TYPE_CHECKING:
    from pilotlight.plc.language.builder import Builder
    from pilotlight.plc.language.conditions import Comparison, Condition

Literal = bool | int | float | str


class Operand(ABC):
    """A number that a scan knows: a tag, an indirect address, an expression. Operators make larger expressions."""

    __slots__ = ()

    @property
    def type(self) -> Type | None:
        """The type of a tag or of what an address selects; None for an expression."""
        return None

    @abstractmethod
    def lower(self, builder: Builder) -> ir.Expression:
        """The operand in the IR."""

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no truth while the program is built: use it as a condition of Rung(), "
            "and any_of(), all_of() or ~ instead of or, and, not"
        )

    def __hash__(self) -> int:
        return id(self)

    def __add__(self, other: Operand | Literal) -> Formula:
        return Formula("add", self, other)

    def __radd__(self, other: Literal) -> Formula:
        return Formula("add", other, self)

    def __sub__(self, other: Operand | Literal) -> Formula:
        return Formula("subtract", self, other)

    def __rsub__(self, other: Literal) -> Formula:
        return Formula("subtract", other, self)

    def __mul__(self, other: Operand | Literal) -> Formula:
        return Formula("multiply", self, other)

    def __rmul__(self, other: Literal) -> Formula:
        return Formula("multiply", other, self)

    def __truediv__(self, other: Operand | Literal) -> Formula:
        return Formula("divide", self, other)

    def __rtruediv__(self, other: Literal) -> Formula:
        return Formula("divide", other, self)

    def __floordiv__(self, other: Operand | Literal) -> Formula:
        return Formula("quotient", self, other)

    def __rfloordiv__(self, other: Literal) -> Formula:
        return Formula("quotient", other, self)

    def __mod__(self, other: Operand | Literal) -> Formula:
        return Formula("remainder", self, other)

    def __rmod__(self, other: Literal) -> Formula:
        return Formula("remainder", other, self)

    def __pow__(self, other: Operand | Literal) -> Formula:
        return Formula("power", self, other)

    def __rpow__(self, other: Literal) -> Formula:
        return Formula("power", other, self)

    def __lshift__(self, other: Operand | Literal) -> Formula:
        return Formula("shift_left", self, other)

    def __rlshift__(self, other: Literal) -> Formula:
        return Formula("shift_left", other, self)

    def __rshift__(self, other: Operand | Literal) -> Formula:
        return Formula("shift_right", self, other)

    def __rrshift__(self, other: Literal) -> Formula:
        return Formula("shift_right", other, self)

    def __xor__(self, other: Operand | Literal) -> Formula:
        return Formula("xor", self, other)

    def __rxor__(self, other: Literal) -> Formula:
        return Formula("xor", other, self)

    def __neg__(self) -> Formula:
        return Formula("negate", self)

    def __pos__(self) -> Operand:
        return self

    def __abs__(self) -> Formula:
        return Formula("absolute", self)

    def __invert__(self) -> Condition | Formula:
        from pilotlight.plc.language.conditions import NormallyClosed

        return NormallyClosed(self) if self.type is Type.BOOL else Formula("not", self)

    def __and__(self, other: object) -> Condition | Formula:
        return self._joined("and", other)

    def __rand__(self, other: object) -> Condition | Formula:
        return self._joined("and", other)

    def __or__(self, other: object) -> Condition | Formula:
        return self._joined("or", other)

    def __ror__(self, other: object) -> Condition | Formula:
        return self._joined("or", other)

    def _joined(self, operator: str, other: object) -> Condition | Formula:
        from pilotlight.plc.language.conditions import Condition, all_of, any_of

        if isinstance(other, Condition) or self.type is Type.BOOL:
            return all_of(self, other) if operator == "and" else any_of(self, other)
        return Formula(operator, self, other)

    def __eq__(self, other: object) -> Comparison:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Comparison:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: object) -> Comparison:
        return self._compared("<", other)

    def __le__(self, other: object) -> Comparison:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> Comparison:
        return self._compared(">", other)

    def __ge__(self, other: object) -> Comparison:
        return self._compared(">=", other)

    def _compared(self, operator: str, other: object) -> Comparison:
        from pilotlight.plc.language.conditions import Comparison

        return Comparison(operator, self, other)


class Formula(Operand):
    """An operator of the IR and what it is applied to."""

    __slots__ = ("operands", "operator")

    def __init__(self, operator: str, *operands: object) -> None:
        for each in operands:
            if not isinstance(each, (Operand, int, float)):
                raise TypeError(f"{each!r} cannot stand in an expression: use tags, numbers and expressions")
            if isinstance(each, Operand) and each.type is Type.CHAR:
                raise TypeError(f"{each!r} is a CHAR, which has no arithmetic: copy it with to_value or to_ascii")
        self.operator = operator
        self.operands = operands

    def lower(self, builder: Builder) -> ir.Expression:
        operands = tuple(lowered(builder, each) for each in self.operands)
        whole = ir.OPERATORS[self.operator][2]
        if whole and any(builder.kind(each) == "float" for each in operands):
            raise TypeError(f"{self!r}: {self.operator} works on integers only")
        if self.operator == "power" and isinstance(operands[1], ir.Constant) and operands[1].value < 0:
            operands = (operands[0], ir.Constant(float(operands[1].value)))
        return ir.Apply(self.operator, operands)

    def __repr__(self) -> str:
        return f"{self.operator}({', '.join(map(repr, self.operands))})"


class Immediate(Operand):
    """A tag or range read or written past the image. In simulation it is the tag or range itself."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    @property
    def tag(self) -> object:
        """The tag."""
        return self.of

    @property
    def value(self) -> object:
        """The tag or range."""
        return self.of

    @property
    def type(self) -> Type | None:
        return self.of.type if isinstance(self.of, Operand) else None

    def lower(self, builder: Builder) -> ir.Expression:
        return lowered(builder, self.of)

    def __repr__(self) -> str:
        return f"immediate({self.of!r})"


def immediate(of: object) -> Immediate:
    """Read or write a tag or range at once instead of with the scan's image; the same value in simulation."""
    return Immediate(of)


def lowered(builder: Builder, value: object) -> ir.Expression:
    """An operand or a number in the IR; a text of one character is its code. Raises TypeError for the rest."""
    if isinstance(value, Operand):
        return value.lower(builder)
    if isinstance(value, bool):
        return ir.Constant(int(value))
    if isinstance(value, (int, float)):
        return ir.Constant(value)
    if isinstance(value, str) and len(value) <= 1 and value.isascii() | (value <= "\xff"):
        return ir.Constant(ord(value) if value else 0)
    raise TypeError(f"{value!r} is no value of a tag: use tags, expressions, numbers or one character")


def is_text(value: object) -> bool:
    """Whether an operand is text: a CHAR or a literal."""
    return isinstance(value, str) or (isinstance(value, Operand) and value.type is Type.CHAR)
