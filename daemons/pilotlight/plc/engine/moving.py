# SPDX-License-Identifier: Apache-2.0
"""Instructions that copy, convert and pack."""

from __future__ import annotations

from typing import Any

from pilotlight.plc.arithmetic import bits_of_single, single_of_bits
from pilotlight.plc.engine.cells import Fit, Place, Several
from pilotlight.plc.engine.machine import Machine, Step, store
from pilotlight.plc.engine.numbers import Real, Whole
from pilotlight.plc.engine.texts import digit_of, integer_text, low_byte, number_of, real_text
from pilotlight.tags import Type


class WriteText(Step):
    """Write characters that the program knows."""

    def __init__(self, numbers: list[int], targets: Several) -> None:
        self.numbers: list[int] = numbers
        self.targets: Several = targets

    def run(self, m: Machine, on: bool) -> None:
        if on:
            put_all(m, self.targets, self.numbers)


def put_all(m: Machine, targets: Several, numbers: list[Any]) -> None:
    """Store numbers that fit, as many as there are cells, or nothing with out_of_range."""
    slots = targets.slots(m)
    if slots is None:
        return
    if len(slots) != len(numbers):
        m.cells[1] = 1
        return
    for place in range(len(slots)):
        m.cells[slots[place]] = numbers[place]


class Refused(Step):
    """An instruction that cannot work, whatever the values: it sets out_of_range."""

    def run(self, m: Machine, on: bool) -> None:
        if on:
            m.cells[1] = 1


class ConvertCells(Step):
    """Copy cell by cell."""

    def __init__(self, source: Several, targets: Several, conversion: str, fit: Fit) -> None:
        self.source: Several = source
        self.targets: Several = targets
        self.conversion: str = conversion
        self.fit: Fit = fit

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        slots = self.source.slots(m)
        if slots is None:
            return
        numbers: list[Any] = []
        for slot in slots:
            number = m.cells[slot]
            if self.conversion == "value":
                number = digit_of(number)
            elif self.conversion == "binary":
                number = low_byte(number)
            if number == -1 and self.conversion != "none":
                m.cells[1] = 1
                return
            numbers.append(self.fit.real(m, number) if isinstance(number, float) else self.fit.whole(m, number))
        put_all(m, self.targets, numbers)


class FillCells(Step):
    """Copy one value to all cells."""

    def __init__(self, whole: Whole | None, real: Real | None, targets: Several, fit: Fit) -> None:
        self.whole: Whole | None = whole
        self.real: Real | None = real
        self.targets: Several = targets
        self.fit: Fit = fit

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        m.failed = m.lost = False
        number: Any = 0
        if self.whole is not None:
            number = self.fit.whole(m, self.whole.value(m))
        elif self.real is not None:
            number = self.fit.real(m, self.real.value(m))
        if m.lost:
            return
        if m.failed:
            number = self.fit.whole(m, 0)
        slots = self.targets.slots(m)
        if slots is not None:
            for slot in slots:
                m.cells[slot] = number


class FormatNumber(Step):
    """Write a number as text."""

    def __init__(
        self, whole: Whole | None, real: Real | None, kind: Type, targets: Several, suppress_zero: bool,
        exponential: bool, termination: int,
    ) -> None:  # fmt: skip
        self.whole: Whole | None = whole
        self.real: Real | None = real
        self.kind: Type = kind
        self.targets: Several = targets
        self.suppress_zero: bool = suppress_zero
        self.exponential: bool = exponential
        self.termination: int = termination

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        m.failed = m.lost = False
        text: str | None = None
        if self.whole is not None:
            number = self.whole.value(m)
            text = integer_text(self.kind, 0 if m.failed else number, self.suppress_zero)
        elif self.real is not None:
            fraction = self.real.value(m)
            text = real_text(0.0 if m.failed else fraction, self.exponential)
        if m.lost:
            return
        slots = self.targets.slots(m)
        if slots is None:
            return
        if self.termination >= 0 and text is not None:
            text += chr(self.termination)
        if text is None or len(text) > len(slots):
            m.cells[1] = 1
            return
        for place in range(len(text)):
            m.cells[slots[place]] = ord(text[place])


class ParseNumber(Step):
    """Read a number from text."""

    def __init__(self, source: Several, place: Place, kind: Type, allow_whitespace: bool) -> None:
        self.source: Several = source
        self.place: Place = place
        self.kind: Type = kind
        self.allow_whitespace: bool = allow_whitespace

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        slots = self.source.slots(m)
        if slots is None:
            return
        text = "".join([chr(m.cells[slot]) for slot in slots if m.cells[slot]])
        number = number_of(self.kind, text, self.allow_whitespace)
        if number is None:
            m.cells[1] = 1
        else:
            store(m, self.place, number)


class PackCells(Step):
    """Join bits or words."""

    def __init__(self, source: Several, place: Place, kind: Type, width: int, bits: int) -> None:
        self.source: Several = source
        self.place: Place = place
        self.kind: Type = kind
        self.width: int = width
        self.bits: int = bits

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        slots = self.source.slots(m)
        if slots is None:
            return
        if len(slots) * self.width > self.bits:
            m.cells[1] = 1
            return
        joined, shift, mask = 0, 0, (1 << self.width) - 1
        for slot in slots:
            member: int = m.cells[slot]
            joined |= (member & mask) << shift
            shift += self.width
        if self.kind is Type.REAL:
            store(m, self.place, single_of_bits(joined))
        elif self.kind is not Type.WORD and joined >> (self.bits - 1):
            store(m, self.place, joined - (1 << self.bits))
        else:
            store(m, self.place, joined)


class UnpackCells(Step):
    """Part the bits of a value."""

    def __init__(self, source: Place, kind: Type, targets: Several, width: int, signed: bool, bits: int) -> None:
        self.source: Place = source
        self.kind: Type = kind
        self.targets: Several = targets
        self.width: int = width
        self.signed: bool = signed
        self.bits: int = bits

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        m.failed = False
        slot = self.source.slot(m)
        if m.failed:
            return
        bits: int = bits_of_single(m.cells[slot]) if self.kind is Type.REAL else m.cells[slot]
        slots = self.targets.slots(m)
        if slots is None:
            return
        if len(slots) * self.width > self.bits:
            m.cells[1] = 1
            return
        mask = (1 << self.width) - 1
        for target in slots:
            part = bits & mask
            if self.signed and part >> (self.width - 1):
                part -= 1 << self.width
            m.cells[target] = part
            bits >>= self.width
