# SPDX-License-Identifier: Apache-2.0
"""Conditions as circuits of contacts: in series, in parallel, negated down to the contact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pilotlight.plc import ir
from pilotlight.tags import Type

LONGEST_TEXT = 60
"""Characters of an operand that are drawn; the rest is left out, marked by an ellipsis."""


@dataclass(frozen=True)
class Contact:
    """One contact: `label` above, `mark` inside, and whether it conducts (None: not known)."""

    label: str
    mark: str
    closed: bool | None = None


@dataclass(frozen=True)
class Series:
    """One behind the other; without any it is a wire."""

    parts: tuple[Circuit, ...]


@dataclass(frozen=True)
class Parallel:
    """One beside the other, at least two."""

    parts: tuple[Circuit, ...]


Circuit = Contact | Series | Parallel
Leaf = ir.Truth | ir.Compare | ir.Rise | ir.Fall
WIRE = Series(())


def leaves(condition: ir.Condition) -> Iterator[Leaf]:
    """The contacts of a condition, from left to right and from top to bottom."""
    if isinstance(condition, ir.Not):
        yield from leaves(condition.of)
    elif isinstance(condition, (ir.All, ir.Any)):
        for each in condition.of:
            yield from leaves(each)
    else:
        yield condition


def circuit(
    program: ir.Program, condition: ir.Condition, truths: Iterator[bool] | None = None,
    seen: Callable[[ir.Expression], str] | None = None,
) -> Circuit:  # fmt: skip
    """The circuit of a condition. `truths` has the truth of each of its leaves; `seen` tells values of operands."""
    return _circuit(program, condition, False, truths, seen or (lambda _expression: ""))


def _circuit(
    program: ir.Program, condition: ir.Condition, negated: bool, truths: Iterator[bool] | None,
    seen: Callable[[ir.Expression], str],
) -> Circuit:  # fmt: skip
    if isinstance(condition, ir.Not):
        return _circuit(program, condition.of, not negated, truths, seen)
    if isinstance(condition, (ir.All, ir.Any)):
        parts = [_circuit(program, each, negated, truths, seen) for each in condition.of]
        # Neither … nor is a series of opposites, and not both is one opposite beside the other.
        return series(parts) if isinstance(condition, ir.All) is not negated else _parallel(parts)
    closed = None if truths is None else next(truths) is not negated
    label, mark = _symbol(program, condition, negated, seen)
    return Contact(label, mark, closed)


def series(parts: list[Circuit]) -> Circuit:
    """Circuits one behind the other."""
    flat: list[Circuit] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Series) else (part,))
    return flat[0] if len(flat) == 1 else Series(tuple(flat))


def _parallel(parts: list[Circuit]) -> Circuit:
    flat: list[Circuit] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Parallel) else (part,))
    if not flat:
        return Contact("never", " ", False)
    return flat[0] if len(flat) == 1 else Parallel(tuple(flat))


def conducts(of: Circuit, power: bool) -> bool:
    """Whether power that comes in from the left goes out on the right."""
    if isinstance(of, Contact):
        return power and of.closed is True
    if isinstance(of, Series):
        for part in of.parts:
            power = conducts(part, power)
        return power
    return any(conducts(part, power) for part in of.parts)


def _symbol(
    program: ir.Program, leaf: Leaf, negated: bool, seen: Callable[[ir.Expression], str]
) -> tuple[str, str]:
    """Label and mark of a contact."""
    bar = "/" if negated else ""
    match leaf:
        case ir.Rise(slot):
            return program.cells[slot].name, f"{bar}P"
        case ir.Fall(slot):
            return program.cells[slot].name, f"{bar}N"
        case ir.Compare(operator, left, right):
            values = ", ".join(dict.fromkeys(filter(None, (seen(left), seen(right)))))
            return values, f"{bar} {text_of(program, left)} {operator} {text_of(program, right)} "
        case ir.Truth(ir.Load(slot)) if program.cells[slot].type is Type.BOOL:
            return program.cells[slot].name, bar or " "
        case ir.Truth(value):
            label = text_of(program, value)
            return seen(value) or label, "=0" if negated else "≠0"


def text_of(program: ir.Program, expression: ir.Expression) -> str:
    """An expression without the parentheses around all of it, at most `LONGEST_TEXT` characters."""
    text = ir.expression_text(program, expression)
    if isinstance(expression, ir.Apply) and text.startswith("("):
        text = text[1:-1]
    return shortened(text)


def shortened(text: str) -> str:
    """A text of at most `LONGEST_TEXT` characters."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
