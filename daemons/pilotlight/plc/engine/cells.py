# SPDX-License-Identifier: Apache-2.0
"""Where numbers are stored, and what of them a cell of a type holds."""

from __future__ import annotations

import math

from pilotlight.plc.arithmetic import LARGEST_SINGLE, Faults, single, truncated
from pilotlight.plc.engine.numbers import Number, Real, Selected, Whole
from pilotlight.tags import Type
from pilotlight.tags.values import bounds


class Fit:
    """What a cell holds for a number. This one: a BOOL."""

    def whole(self, m: Faults, value: int) -> Number:
        """For an integer."""
        return 1 if value else 0

    def real(self, m: Faults, value: float) -> Number:
        """For a float."""
        return 1 if value == value and value != 0.0 and not math.isinf(value) else 0


class Saturating(Fit):
    """An integer type; what is beyond it becomes the nearest."""

    def __init__(self, low: int, high: int) -> None:
        self.low: int = low
        self.high: int = high

    def whole(self, m: Faults, value: int) -> Number:
        if value < self.low:
            return self.low
        return self.high if value > self.high else value

    def real(self, m: Faults, value: float) -> Number:
        if math.isinf(value):
            return 0
        return self.whole(m, truncated(value))


class Wrapping(Fit):
    """An integer type; what is beyond it keeps its low bits, with out_of_range unless `silent`."""

    def __init__(self, low: int, high: int, silent: bool) -> None:
        self.low: int = low
        self.high: int = high
        self.silent: bool = silent

    def whole(self, m: Faults, value: int) -> Number:
        if self.low <= value <= self.high:
            return value
        if not self.silent:
            m.cells[1] = 1
        return ((value - self.low) & (self.high - self.low)) + self.low

    def real(self, m: Faults, value: float) -> Number:
        if value != value or math.isinf(value):
            return m.division_error()
        return self.whole(m, truncated(value))


class WrappingBool(Fit):
    """A BOOL that an infinite number or a NaN cannot be stored to without a fault."""

    def real(self, m: Faults, value: float) -> Number:
        if value != value or math.isinf(value):
            return m.division_error()
        return 1 if value != 0.0 else 0


class Rounding(Fit):
    """A REAL; `checked` sets the faults of a calculation."""

    def __init__(self, checked: bool) -> None:
        self.checked: bool = checked

    def whole(self, m: Faults, value: int) -> Number:
        return single(float(value))

    def real(self, m: Faults, value: float) -> Number:
        if value != value or math.isinf(value):
            if self.checked:
                m.division_error()
            return 0.0
        if self.checked and not -LARGEST_SINGLE <= value <= LARGEST_SINGLE:
            m.cells[1] = 1
        return single(value)


def fit_for(kind: Type, *, wrap: bool = False, silent: bool = False) -> Fit:
    """How numbers become what a cell of a type holds: saturating, or as a calculation does."""
    if kind is Type.BOOL:
        return WrappingBool() if wrap else Fit()
    if kind is Type.REAL:
        return Rounding(wrap)
    low, high = bounds(kind)
    return Wrapping(low, high, silent) if wrap else Saturating(low, high)


class Place:
    """A place for one number."""

    def __init__(self, slot: int, at: Selected | None) -> None:
        self.fixed: int = slot
        self.at: Selected | None = at

    def slot(self, m: Faults) -> int:
        """The slot now, or −1 with address_error."""
        at = self.at
        return self.fixed if at is None else at.slot(m)


class Several:
    """Cells of a fixed range."""

    def __init__(self, kind: Type, slots: list[int], addresses: list[int]) -> None:
        self.kind: Type = kind
        self.fixed: list[int] = slots
        self.addresses: list[int] = addresses

    def slots(self, m: Faults) -> list[int] | None:
        """The slots now, or None with address_error."""
        return self.fixed

    def places(self, m: Faults) -> list[int]:
        """The addresses of what slots() gave last."""
        return self.addresses


class Window(Several):
    """Cells of a range that is resolved when it is used."""

    def __init__(self, kind: Type, first: int, slots: list[int], low: Whole, high: Whole, reverse: bool) -> None:
        super().__init__(kind, [], [])
        self.first: int = first
        self.table: list[int] = slots
        self.low: Whole = low
        self.high: Whole = high
        self.reverse: bool = reverse

    def slots(self, m: Faults) -> list[int] | None:
        m.failed = False
        low, high = self.low.value(m) - self.first, self.high.value(m) - self.first
        if m.failed or low < 0 or high >= len(self.table) or low > high:
            m.address_error()
            return None
        window = self.table[low : high + 1]
        if -1 not in window and not self.reverse:
            return window
        kept = [slot for slot in window if slot >= 0]
        if self.reverse:
            kept.reverse()
        return kept

    def places(self, m: Faults) -> list[int]:
        low, high = self.low.value(m) - self.first, self.high.value(m) - self.first
        kept = [self.first + place for place in range(low, high + 1) if self.table[place] >= 0]
        if self.reverse:
            kept.reverse()
        return kept


class WholeTotal(Whole):
    """The sum of integers; the window's cells are at most 65 536 of 32 bits."""

    def __init__(self, of: Several) -> None:
        self.of: Several = of

    def value(self, m: Faults) -> int:
        failed = m.failed
        slots = self.of.slots(m)
        m.failed = m.failed or failed
        total = 0
        for slot in slots or []:
            number: int = m.cells[slot]
            total += number
        return total


class RealTotal(Real):
    """The sum of floats, from left to right."""

    def __init__(self, of: Several) -> None:
        self.of: Several = of

    def value(self, m: Faults) -> float:
        failed = m.failed
        slots = self.of.slots(m)
        m.failed = m.failed or failed
        total = 0.0
        for slot in slots or []:
            number: float = m.cells[slot]
            total += number
        return total
