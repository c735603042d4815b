# SPDX-License-Identifier: Apache-2.0
"""Where power flowed in a scan, for drawing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.ladder.circuits import leaves
from pilotlight.plc.values import from_cell
from pilotlight.tags import Type


@dataclass(frozen=True)
class RungFlow:
    """What a rung decided: each power, and for each power the truth of its contacts as `leaves` orders them."""

    powers: tuple[bool, ...]
    contacts: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Flow:
    """Rungs by section ("" is the main program) and number, and the image at the end.

    A rung that is not there did not run.
    """

    rungs: Mapping[tuple[str, int], RungFlow]
    image: Sequence[int | float]

    def value_text(self, cell: ir.Cell, slot: int) -> str:
        """The value of a cell, short."""
        value = from_cell(cell.type, self.image[slot])
        if isinstance(value, bool):
            return str(int(value))
        return f"{value:.7g}" if isinstance(value, float) else repr(value) if cell.type is Type.CHAR else str(value)


def flow_of_scan(interpreter: Interpreter, dt_ns: int) -> Flow:
    """Make a scan of `dt_ns` nanoseconds and keep what every rung decided when it did.

    Of a rung that ran several times, in a subroutine called again, the last time is kept.
    """
    rungs: dict[tuple[str, int], RungFlow] = {}
    sections = ir.sections(interpreter.program)
    interpreter.begin()
    for event in interpreter.walk(dt_ns):
        if event.kind == "rung":
            source = sections[event.section]
            _decided(interpreter, event.section, source, event.rung, event.powers, rungs)
    interpreter.finish()
    return Flow(rungs, tuple(interpreter.cells))


def _decided(
    interpreter: Interpreter,
    section: str,
    source: tuple[ir.Rung, ...],
    number: int,
    powers: tuple[bool, ...],
    rungs: dict[tuple[str, int], RungFlow],
) -> None:
    """Keep a rung's powers; its contacts, and those of the rungs that continue it, are asked as the network starts."""
    if source[number].continued and (section, number) in rungs:
        rungs[section, number] = RungFlow(powers, rungs[section, number].contacts)
        return
    rungs[section, number] = RungFlow(powers, _contacts(interpreter, source[number]))
    for later in range(number + 1, len(source)):
        if not source[later].continued:
            break
        rungs[section, later] = RungFlow((False,) * len(source[later].powers), _contacts(interpreter, source[later]))


def flow_of_image(
    program: ir.Program, image: Sequence[int | float], functions: Mapping[str, Callable[..., Any]] | None = None
) -> Flow:
    """What every rung would decide with the image as it is; nothing runs.

    `image` has a number for each cell of the program. `functions` are the Python functions that the program calls.
    """
    interpreter = Interpreter(program, functions)
    interpreter.load(list(image))
    rungs: dict[tuple[str, int], RungFlow] = {}
    for section, source in ir.sections(program).items():
        for number, rung in enumerate(source):
            powers: list[bool] = []
            for power in rung.powers:
                powers.append((power.parent < 0 or powers[power.parent]) and _holds(interpreter, power.condition))
            rungs[section, number] = RungFlow(tuple(powers), _contacts(interpreter, rung))
    return Flow(rungs, tuple(image))


def _contacts(interpreter: Interpreter, rung: ir.Rung) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(_holds(interpreter, leaf) for leaf in leaves(power.condition)) for power in rung.powers)


def _holds(interpreter: Interpreter, condition: ir.Condition) -> bool:
    return all(status == "true" for _text, status, _seen in interpreter.explain(condition))
