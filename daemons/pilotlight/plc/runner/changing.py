# SPDX-License-Identifier: Apache-2.0
"""Online change: another program goes on where the present one is, between two scans, and back when it faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pilotlight.plc import ir
from pilotlight.plc.runner.engines import Engines
from pilotlight.plc.runner.history import History
from pilotlight.plc.runner.names import Names
from pilotlight.plc.runner.points import Points

if TYPE_CHECKING:
    from pilotlight.plc.language.program import Program
    from pilotlight.plc.runner.scanner import Scanner

FAULTS = (*ir.TRANSIENT_FAULTS, "fault.plc_error")
_PARTS = ("logic", "_functions", "_engines", "_engine", "_more", "names", "points", "_patches", "_forces")
"""What of a runner belongs to its program."""


@dataclass
class Change:
    """An online change. `state` is `trial`, `kept` or `changed back`; then `reason` says why."""

    scans_left: int
    kept: tuple[str, ...]
    """Tags that both programs have, by name and type: they went on."""
    begun: tuple[str, ...]
    """Tags of the new program that began with their defaults."""
    dropped: tuple[str, ...]
    """Tags of the program before that the new one does not have."""
    state: str = "trial"
    reason: str = ""
    known: frozenset[str] = frozenset()
    before: dict[str, Any] = field(default_factory=dict, repr=False)


def change(runner: Scanner, logic: Program, trial: int) -> Change:
    """Give a runner another program. Raises ValueError, or what lowering the program raises; then nothing changes."""
    if trial < 0:
        raise ValueError("a trial has 0 or more scans")
    engines = Engines("auto" if runner.engine == "native" else "interpreter", logic.ir, logic.functions)
    engine, names = engines.make(), Names(logic.ir)
    old, old_cells = runner.names, list(runner._cells)
    own = {cell.name for cell in names.cells if not (cell.internal or cell.readonly)}
    same = _same(old, names)
    for slot, cell in enumerate(old.cells[old.program_size :], old.program_size):
        if cell.name not in names.slots:
            same[slot] = names.slots[cell.name] = len(names.cells)
            names.cells.append(cell)
            if cell.name in old.tags:
                names.tags[cell.name] = old.tags[cell.name]
    went_on = {names.cells[slot].name for slot in same.values()} & own
    was = {cell.name for cell in old.cells[: old.program_size] if not (cell.internal or cell.readonly)}
    made = Change(trial, tuple(sorted(went_on)), tuple(sorted(own - went_on)), tuple(sorted(was - own)))
    made.before = {part: getattr(runner, part) for part in _PARTS}
    made.known = _raised(runner)

    runner._settle()
    points = Points(names)
    runner.logic, runner._functions = logic, logic.functions
    runner._engines, runner._engine, runner._more = engines, engine, []
    runner.names, runner.points = names, points
    runner._patches = {same[slot]: number for slot, number in runner._patches.items() if slot in same}
    runner._forces = {same[slot]: number for slot, number in runner._forces.items() if slot in same}
    cells = runner._cells
    for slot, place in same.items():
        cells[place] = old_cells[slot]
    points.follow(made.before["points"])
    _begin_history(runner)
    runner._change = made
    if trial == 0:
        _keep(runner, made)
    return made


def judge(runner: Scanner, made: Change) -> None:
    """After a scan of a program on trial: has it set a fault that the one before had not?"""
    fault = min(_raised(runner) - made.known, default="")
    made.scans_left -= 1
    if fault:
        _change_back(runner, made, fault)
    elif made.scans_left <= 0:
        _keep(runner, made)


def _same(old: Names, new: Names) -> dict[int, int]:
    """For slots of the old names those of the new that mean the same: name and type, and who writes it."""
    found: dict[int, int] = {}
    for slot, cell in enumerate(old.cells):
        place = new.slots.get(cell.name, -1)
        if place < 0 or cell.readonly:
            continue
        other = new.cells[place]
        if (other.type, other.internal, other.readonly) == (cell.type, cell.internal, False):
            found[slot] = place
    return found


def _raised(runner: Scanner) -> frozenset[str]:
    cells, slots = runner._cells, runner.names.slots
    return frozenset(name for name in FAULTS if name in slots and cells[slots[name]])


def _keep(runner: Scanner, made: Change) -> None:
    made.state, made.before, runner._change = "kept", {}, None


def _change_back(runner: Scanner, made: Change, fault: str) -> None:
    """The program before goes on, with the image it had at the change; time has passed."""
    scan_id, now = runner.points.scan_id, runner.points
    runner._settle()
    for part, value in made.before.items():
        setattr(runner, part, value)
    runner.points.follow(now)
    _begin_history(runner)
    made.state, made.reason = "changed back", f"it set {fault} in scan {scan_id}"
    made.before, runner._change = {}, None


def _begin_history(runner: Scanner) -> None:
    runner._history = History(runner._state_at, runner.names.cells, **runner._rules)
    runner._restarted()
    runner._before = list(runner._cells)
    runner._given = {}, dict(runner._forces), runner.points.clock
