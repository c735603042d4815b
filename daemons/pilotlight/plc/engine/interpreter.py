# SPDX-License-Identifier: Apache-2.0
"""The interpreter: it runs programs of the IR, and what it does is what they mean.

    interpreter = Interpreter(program.ir, program.functions)
    interpreter.begin(); interpreter.run(dt_ns); interpreter.finish()

is a scan; between the three calls the host writes inputs, forces and system points into `cells`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine.compiler import Compiler
from pilotlight.plc.engine.explaining import explained
from pilotlight.plc.engine.flow import CallSection, Network, RungNode
from pilotlight.plc.engine.machine import Machine
from pilotlight.plc.engine.tasks import Turn
from pilotlight.plc.engine.walking import Event

_CHUNK = 64
"""Cells that are compared at a time."""


def initial_cells(program: ir.Program) -> list[Any]:
    """The image of a program that has never run."""
    return [cell.default for cell in program.cells]


class Interpreter:
    """One program and its image. Not for several threads at a time.

    Raises KeyError when the program calls a Python function that `functions` does not have. The program must have
    passed `ir.check`.
    """

    def __init__(self, program: ir.Program, functions: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.program: ir.Program = program
        self.machine: Machine = Machine(initial_cells(program))
        self._compiler: Compiler = Compiler(program, functions or {})
        self.turns: list[Turn] = self._compiler.compiled()
        self._kept: list[Any] = initial_cells(program)

    @property
    def cells(self) -> list[Any]:
        """The image, live: the number that each slot holds."""
        return self.machine.cells

    def load(self, image: Sequence[Any]) -> None:
        """Take over an image, of as many cells at least as the program has."""
        if len(image) < len(self.program.cells):
            raise ValueError(f"the image has {len(image)} cells; the program needs {len(self.program.cells)}")
        self.machine.cells[:] = image

    def put(self, numbers: Mapping[int, Any]) -> None:
        """Store numbers by slot."""
        cells = self.machine.cells
        for slot, number in numbers.items():
            cells[slot] = number

    def holds(self, numbers: Mapping[int, Any]) -> bool:
        """Whether the image has these numbers in their slots."""
        return list(map(self.machine.cells.__getitem__, numbers)) == list(numbers.values())

    def begin(self) -> None:
        """A scan starts: the transient faults are cleared."""
        cells = self.machine.cells
        cells[ir.DIVISION_ERROR] = cells[ir.OUT_OF_RANGE] = cells[ir.ADDRESS_ERROR] = 0

    def run(self, dt_ns: int) -> None:
        """Run the logic; `dt_ns` are the nanoseconds since the previous scan, 0 or more."""
        for turn in self.turns:
            turn.plan(self.machine, dt_ns)
        for turn in self.turns:
            turn.run(self.machine, dt_ns)

    def finish(self) -> None:
        """A scan ends: what edges compare with is set to the present."""
        for turn in self.turns:
            turn.finish(self.machine)

    def changes(self) -> bytes:
        """The program's cells that have changed since the last call, or since the start: n slots as uint32, then their
        n numbers as doubles."""
        cells, kept = self.machine.cells, self._kept
        slots: list[int] = []
        for start in range(0, len(kept), _CHUNK):
            now, was = cells[start : start + _CHUNK], kept[start : start + _CHUNK]
            if now != was:
                del now[len(was) :]
                slots += [start + n for n, number in enumerate(now) if number is not was[n] and number != was[n]]
                kept[start : start + len(now)] = now
        return array("I", slots).tobytes() + array("d", [cells[slot] for slot in slots]).tobytes()

    def _coming(self, dt_ns: int) -> Iterator[Turn]:
        """The turns of a scan, each when it begins."""
        for turn in self.turns:
            turn.plan(self.machine, dt_ns)
        for turn in self.turns:
            if turn.comes(self.machine, dt_ns):
                yield turn

    def rungs(self, dt_ns: int) -> Iterator[tuple[str, int]]:
        """Run the logic as run() does, pausing after each rung of the main program and of the tasks with its section
        ("" the main program) and its number."""
        for turn in self._coming(dt_ns):
            for network in turn.section.networks:
                for rung in network.rungs:
                    rung.decide(self.machine)
                for rung in network.rungs:
                    rung.act(self.machine)
                    yield rung.section, rung.number

    def walk(self, dt_ns: int) -> Iterator[Event]:
        """Run the logic as run() does, pausing with an event before each rung, branch, subroutine and instruction.

        What an event says of conditions and powers is final when it comes; the instruction has not run yet.
        """
        for turn in self._coming(dt_ns):
            for network in turn.section.networks:
                yield from self._walk(network, turn.section.name or ir.MAIN, ())

    def _walk(self, network: Network, task: str, calls: tuple[str, ...]) -> Iterator[Event]:
        m = self.machine
        reasons = []
        for rung in network.rungs:
            rung.decide(m)
            reasons.append(self._explained(rung))
        for rung, details in zip(network.rungs, reasons, strict=True):
            powers = tuple(rung.powers)
            yield Event("rung", rung.section, rung.number, 0, None, powers, details, calls, task)
            seen = {0}
            for number, step in enumerate(rung.source.steps):
                for power in self._path(rung, step.enable):
                    if power not in seen:
                        seen.add(power)
                        yield Event("branch", rung.section, rung.number, power, None, powers, details, calls, task)
                yield Event("instruction", rung.section, rung.number, step.enable, step, powers, details, calls, task)
                node = rung.steps[number]
                if isinstance(node, CallSection) and powers[step.enable]:
                    inner = (*calls, node.section.name)
                    yield Event("subroutine", node.section.name, 0, step.enable, step, powers, details, inner, task)
                    for called in node.section.networks:
                        yield from self._walk(called, task, inner)
                        if m.leaving:
                            m.leaving = False
                            break
                else:
                    node.run(m, powers[step.enable])
                if m.leaving:
                    return

    def _path(self, rung: RungNode, power: int) -> list[int]:
        path: list[int] = []
        while power > 0:
            path.append(power)
            power = rung.parents[power]
        return path[::-1]

    def _explained(self, rung: RungNode) -> tuple[tuple[tuple[str, str, str], ...], ...]:
        """For each power the conditions asked: text, true, false or skipped, and the values they saw."""
        return tuple(
            self.explain(power.condition, asked=power.parent < 0 or rung.powers[power.parent])
            for power in rung.source.powers
        )

    def explain(self, condition: ir.Condition, *, asked: bool = True) -> tuple[tuple[str, str, str], ...]:
        """The parts of a condition as the image is now: text, status (true, false, skipped), and values seen.

        Nothing in the image changes.
        """
        return explained(self.program, self.machine.cells, condition, self._compiler.of, asked=asked)
