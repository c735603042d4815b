# SPDX-License-Identifier: Apache-2.0
"""A whole program of the IR, and its JSON."""

from __future__ import annotations

import msgspec

from pilotlight.plc.ir.conditions import Condition
from pilotlight.plc.ir.instructions import Instruction
from pilotlight.plc.ir.storage import Cell, Edge, Table

VERSION = 2
"""Changes whenever an older reader would run a program differently."""

MAIN = "main"
"""What the rungs outside every task are called: the task that runs in every scan."""

PRIORITY = 100
"""Priority of `main`, and of a task that says nothing else."""

LONGEST_DOCUMENT = 64 * 1024 * 1024
"""Bytes of JSON that `from_json` takes."""


class IRError(ValueError):
    """A document is not a program of this version of the IR; nothing of it was taken."""


class Power(msgspec.Struct, frozen=True):
    """One wire of a rung: true when its condition is, and that of its parent (−1: the rail).

    `role` is `rung`, `branch` or `pin`; the parent has a smaller number.
    """

    condition: Condition
    parent: int = -1
    role: str = "rung"
    line: int = 0


class Rung(msgspec.Struct, frozen=True):
    """Wires and instructions. Power 0 is the rung's own.

    All powers are decided on entry, before the first instruction; a `continued` rung decides its own together
    with those of the rung before it. `steps` run in order.
    """

    powers: tuple[Power, ...]
    steps: tuple[Instruction, ...]
    continued: bool = False
    comment: str = ""
    file: str = ""
    line: int = 0
    last_line: int = 0


class Subroutine(msgspec.Struct, frozen=True):
    """Rungs that `Call` runs."""

    name: str
    rungs: tuple[Rung, ...]


class Task(msgspec.Struct, frozen=True):
    """Rungs that run in those scans in which their period has passed; `period_ns` is in nanoseconds.

    Of the tasks that are due in a scan the one with the smallest `priority` runs first, 0 to 255, and of equals the
    one that comes first in `Program.tasks`; the main program has priority 100 and comes before all. Its memory is
    internal cells: `wait_memory` the time until it is due (LINT, 0 before its first run), `since_memory` the time
    since it ran (LINT), `due_memory` whether it runs in the scan under way (BOOL). Its `edges` are set at the end of
    a scan in which it ran.
    """

    name: str
    period_ns: int
    rungs: tuple[Rung, ...]
    wait_memory: int
    since_memory: int
    due_memory: int
    priority: int = PRIORITY
    edges: tuple[Edge, ...] = ()


class Program(msgspec.Struct, frozen=True):
    """Everything an engine needs. The first three cells are the transient faults.

    `rungs` are the main program, which runs in every scan; `edges` are its and those of the subroutines.
    """

    cells: tuple[Cell, ...]
    rungs: tuple[Rung, ...]
    tables: tuple[Table, ...] = ()
    subroutines: tuple[Subroutine, ...] = ()
    edges: tuple[Edge, ...] = ()
    tasks: tuple[Task, ...] = ()
    version: int = VERSION


def to_json(program: Program) -> bytes:
    """The program as JSON; the same program gives the same bytes."""
    return msgspec.json.encode(program)


def from_json(document: bytes) -> Program:
    """The program of a JSON document, checked by `check`; raises IRError with what is wrong."""
    from pilotlight.plc.ir.check import check

    if len(document) > LONGEST_DOCUMENT:
        raise IRError(f"the program has {len(document)} bytes of IR; at most {LONGEST_DOCUMENT} are taken")
    try:
        program = msgspec.json.decode(document, type=Program)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise IRError(f"not a program of IR version {VERSION}: {error}") from error
    check(program)
    return program


def networks(rungs: tuple[Rung, ...]) -> tuple[tuple[Rung, ...], ...]:
    """Rungs in groups that decide their powers together: one, and those that continue it."""
    groups: list[list[Rung]] = []
    for rung in rungs:
        if rung.continued and groups:
            groups[-1].append(rung)
        else:
            groups.append([rung])
    return tuple(tuple(group) for group in groups)


def sections(program: Program) -> dict[str, tuple[Rung, ...]]:
    """All rungs by the name of their section: "" the main program, then the tasks, then the subroutines."""
    tasks = {each.name: each.rungs for each in program.tasks}
    return {"": program.rungs, **tasks, **{each.name: each.rungs for each in program.subroutines}}


def running_order(program: Program) -> tuple[Task | None, ...]:
    """The tasks in the order in which they run when all are due; None stands for the main program."""
    return tuple(sorted((None, *program.tasks), key=lambda task: PRIORITY if task is None else task.priority))
