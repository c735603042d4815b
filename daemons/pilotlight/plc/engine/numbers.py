# SPDX-License-Identifier: Apache-2.0
"""Expressions as trees of nodes: `Whole` gives an integer of 64 bits, `Real` a binary64."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from pilotlight.plc.arithmetic import Faults, truncated, wrapped


class Whole(ABC):
    """An integer expression."""

    @abstractmethod
    def value(self, m: Faults) -> int:
        """The value now; a failure is noted in the machine and gives 0."""


class Real(ABC):
    """A float expression."""

    @abstractmethod
    def value(self, m: Faults) -> float:
        """The value now; a failure is noted in the machine and gives 0."""


class WholeConstant(Whole):
    def __init__(self, number: int) -> None:
        self.number: int = number

    def value(self, m: Faults) -> int:
        return self.number


class RealConstant(Real):
    def __init__(self, number: float) -> None:
        self.number: float = number

    def value(self, m: Faults) -> float:
        return self.number


class WholeCell(Whole):
    def __init__(self, slot: int) -> None:
        self.slot: int = slot

    def value(self, m: Faults) -> int:
        number: int = m.cells[self.slot]
        return number


class RealCell(Real):
    def __init__(self, slot: int) -> None:
        self.slot: int = slot

    def value(self, m: Faults) -> float:
        number: float = m.cells[self.slot]
        return number


class AsReal(Real):
    """An integer where a float is needed."""

    def __init__(self, of: Whole) -> None:
        self.of: Whole = of

    def value(self, m: Faults) -> float:
        return float(self.of.value(m))


class Truncated(Whole):
    """A float where an integer is needed: an address."""

    def __init__(self, of: Real) -> None:
        self.of: Real = of

    def value(self, m: Faults) -> int:
        return truncated(self.of.value(m))


class Selected:
    """Where an address in a table leads to."""

    def __init__(self, first: int, slots: list[int], index: Whole) -> None:
        self.first: int = first
        self.slots: list[int] = slots
        self.index: Whole = index

    def slot(self, m: Faults) -> int:
        """The slot, or −1 with address_error."""
        place = self.index.value(m) - self.first
        if 0 <= place < len(self.slots):
            slot = self.slots[place]
            if slot >= 0:
                return slot
        m.address_error()
        return -1


class WholeSelected(Whole):
    def __init__(self, at: Selected) -> None:
        self.at: Selected = at

    def value(self, m: Faults) -> int:
        slot = self.at.slot(m)
        if slot < 0:
            return 0
        number: int = m.cells[slot]
        return number


class RealSelected(Real):
    def __init__(self, at: Selected) -> None:
        self.at: Selected = at

    def value(self, m: Faults) -> float:
        slot = self.at.slot(m)
        if slot < 0:
            return 0.0
        number: float = m.cells[slot]
        return number


class Add(Whole):
    """A sum that 64 bits hold for certain; so are Subtract and Multiply."""

    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) + self.b.value(m)


class Subtract(Whole):
    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) - self.b.value(m)


class Multiply(Whole):
    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) * self.b.value(m)


class Wrapped(Whole):
    """An operation whose result may need more than 64 bits."""

    def __init__(self, of: Whole) -> None:
        self.of: Whole = of

    def value(self, m: Faults) -> int:
        return wrapped(m, self.of.value(m))


class Negate(Whole):
    def __init__(self, a: Whole) -> None:
        self.a: Whole = a

    def value(self, m: Faults) -> int:
        return -self.a.value(m)


class Absolute(Whole):
    def __init__(self, a: Whole) -> None:
        self.a: Whole = a

    def value(self, m: Faults) -> int:
        return abs(self.a.value(m))


class Invert(Whole):
    def __init__(self, a: Whole) -> None:
        self.a: Whole = a

    def value(self, m: Faults) -> int:
        return ~self.a.value(m)


class BitAnd(Whole):
    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) & self.b.value(m)


class BitOr(Whole):
    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) | self.b.value(m)


class BitXor(Whole):
    def __init__(self, a: Whole, b: Whole) -> None:
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        return self.a.value(m) ^ self.b.value(m)


class WholeRule(Whole):
    """An operator of two integers that can fail, by its rule in `arithmetic`."""

    def __init__(self, rule: Callable[[Faults, int, int], int], a: Whole, b: Whole) -> None:
        self.rule: Callable[[Faults, int, int], int] = rule
        self.a: Whole = a
        self.b: Whole = b

    def value(self, m: Faults) -> int:
        a = self.a.value(m)
        return self.rule(m, a, self.b.value(m))


class RealAdd(Real):
    def __init__(self, a: Real, b: Real) -> None:
        self.a: Real = a
        self.b: Real = b

    def value(self, m: Faults) -> float:
        return self.a.value(m) + self.b.value(m)


class RealSubtract(Real):
    def __init__(self, a: Real, b: Real) -> None:
        self.a: Real = a
        self.b: Real = b

    def value(self, m: Faults) -> float:
        return self.a.value(m) - self.b.value(m)


class RealMultiply(Real):
    def __init__(self, a: Real, b: Real) -> None:
        self.a: Real = a
        self.b: Real = b

    def value(self, m: Faults) -> float:
        return self.a.value(m) * self.b.value(m)


class RealNegate(Real):
    def __init__(self, a: Real) -> None:
        self.a: Real = a

    def value(self, m: Faults) -> float:
        return -self.a.value(m)


class RealAbsolute(Real):
    def __init__(self, a: Real) -> None:
        self.a: Real = a

    def value(self, m: Faults) -> float:
        return abs(self.a.value(m))


class RealRule(Real):
    """An operator of two floats that can fail, by its rule in `arithmetic`."""

    def __init__(self, rule: Callable[[Faults, float, float], float], a: Real, b: Real) -> None:
        self.rule: Callable[[Faults, float, float], float] = rule
        self.a: Real = a
        self.b: Real = b

    def value(self, m: Faults) -> float:
        a = self.a.value(m)
        return self.rule(m, a, self.b.value(m))


class RealFunction(Real):
    """A function of one float, by its rule in `arithmetic`."""

    def __init__(self, rule: Callable[[Faults, float], float], a: Real) -> None:
        self.rule: Callable[[Faults, float], float] = rule
        self.a: Real = a

    def value(self, m: Faults) -> float:
        return self.rule(m, self.a.value(m))


Number = Any
"""What a cell holds: an int, or a float in a REAL."""
