# SPDX-License-Identifier: Apache-2.0
"""What an instruction works on, and what an instruction is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from pilotlight.plc.arithmetic import Faults
from pilotlight.plc.engine.cells import Fit, Place
from pilotlight.plc.engine.numbers import Real, Whole

MOST_ERRORS = 100
"""Exceptions of Python functions that a machine remembers."""


class Machine(Faults):
    """The image and the state of a scan that is under way."""

    def __init__(self, cells: list[Any]) -> None:
        super().__init__(cells)
        self.dt_ns: int = 0
        self.leaving: bool = False
        self.errors: deque[str] = deque(maxlen=MOST_ERRORS)


class Step(ABC):
    """An instruction, compiled."""

    @abstractmethod
    def run(self, m: Machine, on: bool) -> None:
        """Do it, with power or without."""


class Once(Step):
    """An instruction that gets power in the first scan with power only."""

    def __init__(self, of: Step, memory: int) -> None:
        self.of: Step = of
        self.memory: int = memory

    def run(self, m: Machine, on: bool) -> None:
        fresh = on and not m.cells[self.memory]
        m.cells[self.memory] = 1 if on else 0
        self.of.run(m, fresh)


class WholeMove(Step):
    """Store an integer."""

    def __init__(self, source: Whole, place: Place, fit: Fit) -> None:
        self.source: Whole = source
        self.place: Place = place
        self.fit: Fit = fit

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        m.failed = m.lost = False
        value = self.source.value(m)
        if m.failed:
            if m.lost:
                return
            value = 0
            m.failed = False
        slot = self.place.slot(m)
        if not m.failed:
            m.cells[slot] = self.fit.whole(m, value)


class RealMove(Step):
    """Store a float."""

    def __init__(self, source: Real, place: Place, fit: Fit) -> None:
        self.source: Real = source
        self.place: Place = place
        self.fit: Fit = fit

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            return
        m.failed = m.lost = False
        value = self.source.value(m)
        if m.failed:
            if m.lost:
                return
            value = 0.0
            m.failed = False
        slot = self.place.slot(m)
        if not m.failed:
            m.cells[slot] = self.fit.real(m, value)


def store(m: Machine, place: Place, number: Any) -> None:
    """Store a number that fits; nothing when the place is not there."""
    m.failed = False
    slot = place.slot(m)
    if not m.failed:
        m.cells[slot] = number
