# SPDX-License-Identifier: Apache-2.0
"""Conditions and expressions as people type them, in the language's words: `Motor & ~Stop`, `rise(Start)`, `Count + 1`.

The text is parsed, never run: names are tags, and only the operators and functions listed here do anything.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine.expressions import Expressions
from pilotlight.plc.engine.machine import Machine
from pilotlight.plc.language import functions
from pilotlight.plc.language.conditions import Condition, all_of, any_of, fall, lower_condition, rise
from pilotlight.plc.language.operands import Operand, lowered
from pilotlight.plc.language.points import POINTS
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.names import Names
from pilotlight.plc.values import from_cell
from pilotlight.tags import Type, Value

LONGEST = 1000
"""Characters of one text."""

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "rise": rise, "fall": fall, "any_of": any_of, "all_of": all_of, "Or": any_of, "And": all_of, "abs": abs,
    **{name: getattr(functions, name) for name in (
        "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "radians", "degrees", "log", "log10", "lsh", "rsh",
        "lro", "rro",
    )},
}  # fmt: skip


class AskingError(ValueError):
    """A text asks for nothing that there is; it was not run."""


class Question:
    """A condition or expression, ready to be asked of images."""

    def __init__(self, names: Names, text: str) -> None:
        self.text = text.strip()
        self._names = names
        parsed = _Reader(names).read(self.text)
        self.tag: Tag | None = parsed if isinstance(parsed, Tag) else None
        self._condition: ir.Condition | None = None
        self._expression: ir.Expression = ir.Constant(0)
        try:
            if isinstance(parsed, Condition):
                self._condition = lower_condition(names, parsed)
            else:
                self._expression = lowered(names, parsed)
        except (TypeError, ValueError, KeyError) as error:
            raise AskingError(_said(error)) from error
        self._of = Expressions(ir.Program(tuple(names.cells), (), tuple(names.tables)))

    def value(self, cells: list[Any], before: list[Any]) -> Value:
        """What it gives for an image; `before` is that at the end of the scan before. AskingError when it fails."""
        m = Machine(self._image(cells, before))
        m.failed = False
        if self._condition is not None:
            return self._of.test(self._condition).true(m)
        whole, real = self._of.either(self._expression)
        number: Any = whole.value(m) if whole is not None else 0
        if real is not None:
            number = real.value(m)
        if m.failed:
            raise AskingError(f"{self.text} cannot be computed: a division by zero, a wrong address or out of range")
        return number if self.tag is None else from_cell(self.tag.type, number)

    def holds(self, cells: list[Any], before: list[Any]) -> bool:
        """Whether it is true or not zero; a computation that fails is false."""
        try:
            return bool(self.value(cells, before))
        except AskingError:
            return False

    def _image(self, cells: list[Any], before: list[Any]) -> list[Any]:
        names = self._names
        image = [*cells, *(cell.default for cell in names.cells[len(cells) :])]
        for slot, previous in names.edges.items():
            image[previous] = 1 if slot < len(before) and before[slot] else 0
        return image


class _Reader:
    """From text to conditions and expressions of the language."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def read(self, text: str) -> Any:
        if len(text) > LONGEST:
            raise AskingError(f"the text has {len(text)} characters; at most {LONGEST} are taken")
        try:
            tree = ast.parse(text, mode="eval")
            return self._node(tree.body)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise AskingError(f"{text!r} is no condition or expression: {_said(error)}") from error
        except AskingError:
            raise
        except (TypeError, ValueError, KeyError, OverflowError, ArithmeticError) as error:
            raise AskingError(_said(error)) from error

    def _node(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int(number)) if number.bit_length() < 64:
                return number
            case ast.Constant(value=float() | str()):
                return node.value
            case ast.Name() | ast.Attribute():
                return self._tag(_dotted(node))
            case ast.Subscript(value=block, slice=ast.Constant(value=int(address))):
                return self._tag(_dotted(block), address)
            case ast.UnaryOp(op=ast.Invert() | ast.Not(), operand=operand):
                return ~self._node(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._node(operand)
            case ast.BoolOp(op=op, values=values):
                return (all_of if isinstance(op, ast.And) else any_of)(*map(self._node, values))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _calculated(_BINARY[type(op)], self._node(left), self._node(right))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                values = [self._node(each) for each in (left, *others)]
                pairs = zip(ops, values, values[1:], strict=False)
                found = [_compared(_COMPARISONS[type(op)], a, b) for op, a, b in pairs]
                return found[0] if len(found) == 1 else all_of(*found)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*map(self._node, arguments))
        raise AskingError(f"{ast.unparse(node)!r} is nothing that can be asked here")

    def _tag(self, name: str, address: int | None = None) -> Tag:
        wanted = (name,) if address is None else (f"{name}{address}", f"{name}[{address}]", f"{name}{address:03}")
        for each in wanted:
            slot = self._names.slots.get(each)
            if slot is not None and not self._names.cells[slot].internal and each in self._names.tags:
                return self._names.tags[each]
            if each in POINTS:
                return POINTS[each]
        raise AskingError(f"the program has no tag {wanted[0]!r}")


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise AskingError(f"{ast.unparse(node)!r} is no name of a tag")


def _calculated(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if not isinstance(left, (Operand, Condition)) and not isinstance(right, (Operand, Condition)):
        raise AskingError("an operator needs a tag on one side at least")
    return apply(left, right)


def _compared(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if not isinstance(left, Operand) and not isinstance(right, Operand):
        raise AskingError("a comparison needs a tag on one side at least")
    return apply(left, right)


def _said(error: BaseException) -> str:
    return str(error.args[0]) if error.args else type(error).__name__


_TRUTH: Mapping[str, bool] = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def value_of(kind: Type, text: str) -> Value:
    """A value that a person has typed, for a tag of this type; AskingError when it is none."""
    text = text.strip()
    if len(text) > LONGEST:
        raise AskingError("the value is too long")
    if kind is Type.BOOL:
        if text.lower() not in _TRUTH:
            raise AskingError(f"{text!r} is no BOOL: type true or false")
        return _TRUTH[text.lower()]
    if kind is Type.CHAR:
        quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
        return text[1:-1] if quoted else text
    try:
        return float(text) if kind is Type.REAL else int(text, 0)
    except ValueError as error:
        raise AskingError(f"{text!r} is no {kind.name}") from error


def shown(value: Value) -> str:
    """A value as it is shown to people."""
    return repr(value)
