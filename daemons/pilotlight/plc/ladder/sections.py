# SPDX-License-Identifier: Apache-2.0
"""A program as a list of drawn rungs, for both kinds of output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pilotlight.plc import ir
from pilotlight.plc.ladder.drawing import Drawing
from pilotlight.plc.ladder.flow import Flow
from pilotlight.plc.ladder.layout import Layout, branches_of, width_of

NARROWEST = 60
"""Columns of a ladder at least."""
COMMON = 120
"""Rungs up to this many columns are drawn with the same width; a wider one stands out."""


@dataclass(frozen=True)
class DrawnRung:
    """A rung: its heading, its comment and its drawing."""

    heading: str
    comment: tuple[str, ...]
    drawing: Drawing


def drawn_sections(program: ir.Program, flow: Flow | None) -> Iterator[tuple[str, list[DrawnRung]]]:
    """The main program (title ""), the tasks and the subroutines by their titles, each with its rungs."""
    sections = ir.sections(program)
    titles = {"": "", **{each.name: f"T{ir.task_title(each)[1:]}" for each in program.tasks}}
    parts = {
        (name, number): branches_of(program, rung, flow, flow.rungs.get((name, number)) if flow else None)
        for name, rungs in sections.items()
        for number, rung in enumerate(rungs)
    }
    widths = {key: max(width_of(each) for each in branches) + 1 for key, branches in parts.items()}
    common = max([NARROWEST, *(width for width in widths.values() if width <= COMMON)])
    for name, rungs in sections.items():
        drawn: list[DrawnRung] = []
        for number, rung in enumerate(rungs):
            heading = f"Rung {number}" + (" (continued)" if rung.continued else "")
            drawing = Layout(max(common, widths[name, number])).place(parts[name, number])
            drawn.append(DrawnRung(heading, tuple(rung.comment.splitlines()), drawing))
        yield titles.get(name, f"Subroutine {name}"), drawn
