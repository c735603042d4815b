# SPDX-License-Identifier: Apache-2.0
"""The instruction that searches cells."""

from __future__ import annotations

from typing import Any

from pilotlight.plc.engine.cells import Several
from pilotlight.plc.engine.machine import Machine, Step
from pilotlight.plc.engine.numbers import Real, Whole


class SearchCells(Step):
    """Find a cell, or a text."""

    def __init__(
        self, source: Several, operator: str, whole: Whole | None, real: Real | None, text: list[int], result: int,
        found: int, continuous: bool,
    ) -> None:  # fmt: skip
        self.source: Several = source
        self.operator: str = operator
        self.whole: Whole | None = whole
        self.real: Real | None = real
        self.text: list[int] = text
        self.result: int = result
        self.found: int = found
        self.continuous: bool = continuous

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        place = self._place(m)
        addresses = self.source.places(m) if place >= 0 else []
        m.cells[self.result] = addresses[place] if place >= 0 else -1
        m.cells[self.found] = 1 if place >= 0 else 0

    def _place(self, m: Machine) -> int:
        """Place in the range of the next hit, or −1."""
        slots = self.source.slots(m)
        if slots is None:
            return -1
        first = 0
        current: int = m.cells[self.result]
        if self.continuous and current != 0:
            if current == -1:
                return -1
            addresses = self.source.places(m)
            if current in addresses:
                first = addresses.index(current) + 1
        if self.text:
            return self._text_place(m, slots, first)
        m.failed = False
        wanted: Any = 0
        if self.whole is not None:
            wanted = self.whole.value(m)
        elif self.real is not None:
            wanted = self.real.value(m)
        if m.failed:
            return -1
        for place in range(first, len(slots)):
            if compared(self.operator, m.cells[slots[place]], wanted):
                return place
        return -1

    def _text_place(self, m: Machine, slots: list[int], first: int) -> int:
        size = len(self.text)
        for place in range(first, len(slots) - size + 1):
            same = [m.cells[slot] for slot in slots[place : place + size]] == self.text
            if same == (self.operator == "=="):
                return place
        return -1


def compared(operator: str, a: Any, b: Any) -> bool:
    """A comparison by its sign; an integer beside a float is turned into one."""
    if isinstance(a, float) or isinstance(b, float):
        a, b = float(a), float(b)
    if operator == "==":
        return bool(a == b)
    if operator == "!=":
        return bool(a != b)
    if operator == "<":
        return bool(a < b)
    if operator == "<=":
        return bool(a <= b)
    if operator == ">":
        return bool(a > b)
    return bool(a >= b)
