# SPDX-License-Identifier: Apache-2.0
"""Which instruction of a retained scan wrote what, found by running the scan again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.engine import Event
from pilotlight.plc.runner.inputs import Conditions, Numbers
from pilotlight.plc.runner.replay import Replay


@dataclass(frozen=True)
class Level:
    """A rung under way, of whatever section: what its conditions saw, and how many writes were before.

    `power` is the wire that the instruction under way hangs on: the writing one, or the call.
    """

    rung: ir.Rung
    number: int
    section: str
    image: list[Any]
    writes: int
    power: int = 0


@dataclass(frozen=True)
class Write:
    """An instruction that changed cells: the rungs it stands in, the image it found, and the numbers it left."""

    step: ir.Instruction
    powers: tuple[bool, ...]
    levels: tuple[Level, ...]
    image: list[Any]
    numbers: Numbers


@dataclass(frozen=True)
class ScanTrace:
    """A scan: the image before it, that its logic began with, its writes in order, what came in, and what it left."""

    before: list[Any]
    begun: list[Any]
    after: list[Any]
    writes: list[Write]
    patches: Numbers
    conditions: Conditions
    exact: bool

    def last_write(self, slot: int, behind: int) -> int | None:
        """Number of the newest of the first `behind` writes that changed a cell; None when none did."""
        return next((number for number in range(behind - 1, -1, -1) if slot in self.writes[number].numbers), None)


def trace_of(replay: Replay, program: ir.Program, scan_id: int) -> ScanTrace:
    """Run a retained scan again and see what writes; KeyError when it cannot be run again."""
    conditions = replay.begin(scan_id)
    sections = ir.sections(program)
    state = begun = replay.cells.copy()
    writes: list[Write] = []
    levels: list[Level] = []
    pending: tuple[Event, tuple[Level, ...]] | None = None

    def settle(cells: list[Any], state: list[Any]) -> list[Any]:
        if pending is None or cells == state:
            return state
        event, around = pending
        numbers = {slot: now for slot, (now, was) in enumerate(zip(cells, state, strict=True)) if now != was}
        if event.step is not None and numbers:
            writes.append(Write(event.step, event.powers, around, state, numbers))
        return cells.copy()

    for event in replay.walk():
        state = settle(replay.cells, state)
        depth = len(event.calls)
        if event.kind == "rung":
            rung = sections[event.section][event.rung]
            image, seen = state, len(writes)
            if rung.continued and len(levels) > depth:
                image, seen = levels[depth].image, levels[depth].writes
            levels = [*levels[:depth], Level(rung, event.rung, event.section, image, seen)]
        elif event.kind == "instruction":
            levels = [*levels[:depth], replace(levels[depth], power=event.power)]
            pending = event, tuple(levels)
    settle(replay.logic_left, state)
    return ScanTrace(
        replay.before, begun, replay.after, writes, replay.patches, conditions, exact=replay.exact
    )
