# SPDX-License-Identifier: Apache-2.0
"""Conditions: what stands in Rung() and branch()."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pilotlight.plc import ir
from pilotlight.plc.language.operands import Immediate, Operand, is_text, lowered
from pilotlight.tags import Type

if TYPE_CHECKING:
    from pilotlight.plc.language.builder import Builder
    from pilotlight.plc.language.tag import Tag

_TRUTHFUL = (Type.BOOL, Type.INT, Type.DINT)


class Condition(ABC):
    """Something a rung asks for. `&` and `|` join conditions."""

    __slots__ = ()

    @abstractmethod
    def lower(self, builder: Builder) -> ir.Condition:
        """The condition in the IR."""

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} has no truth while the program is built: use any_of(), all_of() or ~ instead of or, and, not"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Operand, int, float, str)):
            raise TypeError(f"{self!r} is compared with {other!r}: set parentheses around comparisons beside & and |")
        return self is other

    def __and__(self, other: object) -> Condition:
        return all_of(self, other)

    def __rand__(self, other: object) -> Condition:
        return all_of(other, self)

    def __or__(self, other: object) -> Condition:
        return any_of(self, other)

    def __ror__(self, other: object) -> Condition:
        return any_of(other, self)


class Comparison(Condition):
    """Two values compared."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: object, right: object) -> None:
        self.operator = operator
        self.left = left
        self.right = right

    def __bool__(self) -> bool:
        """Sets, dictionaries and `in` ask whether two tags are equal: they are when their names are."""
        from pilotlight.plc.language.tag import Tag

        if self.operator in ("==", "!=") and isinstance(self.left, Tag) and isinstance(self.right, Tag):
            return (self.left.name == self.right.name) is (self.operator == "==")
        return super().__bool__()

    def lower(self, builder: Builder) -> ir.Condition:
        if is_text(self.left) != is_text(self.right):
            raise TypeError(f"{self!r} compares text with a number")
        return ir.Compare(self.operator, lowered(builder, self.left), lowered(builder, self.right))

    def __repr__(self) -> str:
        return f"({self.left!r} {self.operator} {self.right!r})"


class NormallyClosed(Condition):
    """A contact that conducts while its BOOL is false."""

    __slots__ = ("of",)

    def __init__(self, of: Operand) -> None:
        self.of = of

    def lower(self, builder: Builder) -> ir.Condition:
        return ir.Not(ir.Truth(self.of.lower(builder)))

    def __invert__(self) -> Operand:
        return self.of

    def __repr__(self) -> str:
        return f"~{self.of!r}"


class Change(Condition):
    """An edge of a tag."""

    __slots__ = ("rising", "tag")

    def __init__(self, tag: Tag, rising: bool) -> None:
        self.tag = tag
        self.rising = rising

    def lower(self, builder: Builder) -> ir.Condition:
        slot = builder.slot(self.tag)
        return (ir.Rise if self.rising else ir.Fall)(slot, builder.previous(slot))

    def __repr__(self) -> str:
        return f"{'rise' if self.rising else 'fall'}({self.tag!r})"


class Group(Condition):
    """Several conditions, of which all or any must hold."""

    __slots__ = ("every", "of")

    def __init__(self, every: bool, of: tuple[object, ...]) -> None:
        for each in of:
            refuse_unless_condition(each)
        self.every = every
        self.of = of

    def lower(self, builder: Builder) -> ir.Condition:
        parts = tuple(lower_condition(builder, each) for each in self.of)
        return ir.All(parts) if self.every else ir.Any(parts)

    def __repr__(self) -> str:
        return f"{'all_of' if self.every else 'any_of'}({', '.join(map(repr, self.of))})"


def refuse_unless_condition(value: object) -> None:
    """Raises TypeError unless the value can be asked by a rung."""
    if isinstance(value, Condition):
        return
    if isinstance(value, Immediate):
        refuse_unless_condition(value.of)
    elif not isinstance(value, Operand) or value.type is None:
        raise TypeError(f"{value!r} is no condition: use a BOOL, ~BOOL, a comparison, rise(), any_of() and the like")
    elif value.type not in _TRUTHFUL:
        raise TypeError(f"{value!r} is {value.type.name}, which is no condition by itself: compare it")


def lower_condition(builder: Builder, value: object) -> ir.Condition:
    """One condition in the IR; raises TypeError for what is none."""
    refuse_unless_condition(value)
    if isinstance(value, Condition):
        return value.lower(builder)
    return ir.Truth(lowered(builder, value))


def lower_all(builder: Builder, values: tuple[object, ...]) -> ir.Condition:
    """Conditions that must all hold; none always does."""
    parts = tuple(lower_condition(builder, each) for each in values)
    return parts[0] if len(parts) == 1 else ir.All(parts)


def all_of(*conditions: object) -> Group:
    """True when each condition is. A tuple or list among them counts as its members."""
    flat: list[object] = []
    for each in conditions:
        flat.extend(each if isinstance(each, (tuple, list)) else (each,))
    if not flat:
        raise ValueError("all_of() needs at least one condition")
    return Group(True, tuple(flat))


def any_of(*conditions: object) -> Group:
    """True when one of the conditions is; use all_of() for members that must hold together."""
    if not conditions:
        raise ValueError("any_of() needs at least one condition")
    return Group(False, conditions)


def rise(tag: Tag | Immediate) -> Change:
    """True in the scan in which the tag has become true."""
    return Change(_edge_tag(tag), True)


def fall(tag: Tag | Immediate) -> Change:
    """True in the scan in which the tag has become false."""
    return Change(_edge_tag(tag), False)


def _edge_tag(tag: object) -> Tag:
    from pilotlight.plc.language.tag import Tag

    of = tag.of if isinstance(tag, Immediate) else tag
    if not isinstance(of, Tag):
        raise TypeError(f"{tag!r} is no tag: an edge is that of one tag")
    if of.type not in _TRUTHFUL:
        raise TypeError(f"{of!r} is {of.type.name}; an edge needs a BOOL, INT or DINT")
    return of


And = all_of
Or = any_of
