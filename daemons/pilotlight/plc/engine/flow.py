# SPDX-License-Identifier: Apache-2.0
"""Rungs, calls, loops and Python functions, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine.cells import Fit, Place
from pilotlight.plc.engine.coils import value_or_zero
from pilotlight.plc.engine.conditions import Test
from pilotlight.plc.engine.machine import Machine, Step
from pilotlight.plc.engine.numbers import Real, Whole
from pilotlight.plc.values import from_cell
from pilotlight.tags import Type

LONGEST_LOOP = 65535


class RungNode:
    """A rung: decides its powers, then runs its steps."""

    def __init__(self, source: ir.Rung, section: str, number: int, powers: list[bool]) -> None:
        self.source: ir.Rung = source
        self.section: str = section
        self.number: int = number
        self.powers: list[bool] = powers
        self.tests: list[Test] = []
        self.parents: list[int] = []
        self.steps: list[Step] = []
        self.enables: list[int] = []

    def decide(self, m: Machine) -> None:
        """Decide all powers from what the image holds now."""
        powers, tests, parents = self.powers, self.tests, self.parents
        for number in range(len(tests)):
            parent = parents[number]
            powers[number] = (parent < 0 or powers[parent]) and tests[number].true(m)

    def act(self, m: Machine) -> None:
        """Run the steps, up to one that leaves the subroutine."""
        powers, steps, enables = self.powers, self.steps, self.enables
        for number in range(len(steps)):
            steps[number].run(m, powers[enables[number]])
            if m.leaving:
                return


class Network:
    """Rungs that decide together: one, and those that continue it."""

    def __init__(self, rungs: list[RungNode]) -> None:
        self.rungs: list[RungNode] = rungs

    def run(self, m: Machine) -> None:
        """Decide, then act."""
        for rung in self.rungs:
            rung.decide(m)
        for rung in self.rungs:
            rung.act(m)
            if m.leaving:
                return


class Section:
    """The main program, a task or a subroutine."""

    def __init__(self, name: str) -> None:
        self.name: str = name
        self.networks: list[Network] = []

    def run(self, m: Machine) -> None:
        """Run all rungs, up to one that leaves."""
        for network in self.networks:
            network.run(m)
            if m.leaving:
                m.leaving = False
                return


class CallSection(Step):
    """Run a subroutine with power."""

    def __init__(self, section: Section) -> None:
        self.section: Section = section

    def run(self, m: Machine, on: bool) -> None:
        if on:
            self.section.run(m)


class Leave(Step):
    """Leave the subroutine with power."""

    def run(self, m: Machine, on: bool) -> None:
        if on:
            m.leaving = True


class Repeat(Step):
    """Run steps several times."""

    def __init__(self, count: Whole, index: int, powers: list[bool]) -> None:
        self.count: Whole = count
        self.index: int = index
        self.powers: list[bool] = powers
        self.steps: list[Step] = []
        self.enables: list[int] = []

    def run(self, m: Machine, on: bool) -> None:
        if not on:
            for step in self.steps:
                step.run(m, False)
            return
        count = value_or_zero(m, self.count)
        if count > LONGEST_LOOP:
            m.cells[1] = 1
            count = LONGEST_LOOP
        for turn in range(count):
            m.cells[self.index] = turn
            for number in range(len(self.steps)):
                self.steps[number].run(m, self.powers[self.enables[number]])
                if m.leaving:
                    return


class Input:
    """An argument of a Python function."""

    def __init__(self, name: str, kind: Type, whole: Whole | None, real: Real | None) -> None:
        self.name: str = name
        self.kind: Type = kind
        self.whole: Whole | None = whole
        self.real: Real | None = real

    def value(self, m: Machine) -> Any:
        """The value as Python functions see it; 0 when it fails."""
        m.failed = False
        number: Any = 0
        if self.whole is not None:
            number = self.whole.value(m)
        elif self.real is not None:
            number = self.real.value(m)
        return from_cell(self.kind, 0 if m.failed else number)


class PythonCall(Step):
    """Call a Python function; what it raises sets `fault.plc_error` and is remembered as text."""

    def __init__(
        self, name: str, function: Callable[..., Any], inputs: list[Input], outputs: list[tuple[str, Place, Fit, Type]],
        always: bool, error: int,
    ) -> None:  # fmt: skip
        self.name: str = name
        self.function: Callable[..., Any] = function
        self.inputs: list[Input] = inputs
        self.outputs: list[tuple[str, Place, Fit, Type]] = outputs
        self.always: bool = always
        self.error: int = error

    def run(self, m: Machine, on: bool) -> None:
        if not (on or self.always):
            return
        arguments = {each.name: each.value(m) for each in self.inputs}
        try:
            results = self.function(on, **arguments) if self.always else self.function(**arguments)
            numbers = [self._number(m, results[name], fit, kind) for name, _place, fit, kind in self.outputs]
        except Exception as error:  # noqa: BLE001 — the user's code may raise anything, and a scan goes on
            m.errors.append(f"{self.name}: {type(error).__name__}: {error}")
            if self.error >= 0:
                m.cells[self.error] = 1
            return
        for place in range(len(numbers)):
            m.failed = False
            slot = self.outputs[place][1].slot(m)
            if not m.failed:
                m.cells[slot] = numbers[place]

    def _number(self, m: Machine, value: Any, fit: Fit, kind: Type) -> Any:
        if isinstance(value, str):
            if kind is not Type.CHAR or len(value) > 1:
                raise TypeError(f"{value!r} does not fit {kind.name}")
            value = ord(value) if value else 0
        if isinstance(value, float):
            return fit.real(m, value)
        if isinstance(value, int):
            return fit.whole(m, int(value))
        raise TypeError(f"{value!r} is no value of a tag")
