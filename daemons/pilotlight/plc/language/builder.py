# SPDX-License-Identifier: Apache-2.0
"""A program while it is being written: slots for its tags, and the rung that is open."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pilotlight.plc import ir
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.values import to_cell
from pilotlight.tags import Type

if TYPE_CHECKING:
    from pilotlight.plc.language.block import Block

MOST_CELLS = 1_000_000
"""Cells of one program, those of instructions included."""


class Draft:
    """A rung while it is open."""

    def __init__(self, file: str, line: int, comment: str, continued: bool) -> None:
        self.powers: list[ir.Power] = []
        self.steps: list[ir.Instruction] = []
        self.power = 0
        self.file = file
        self.line = line
        self.last_line = line
        self.comment = comment
        self.continued = continued
        self.ended: set[int] = set()
        self.pending: str = ""
        self.loop = False

    def add_power(self, condition: ir.Condition, parent: int, role: str, line: int) -> int:
        """A new wire; gives its number."""
        self.powers.append(ir.Power(condition, parent, role, line))
        return len(self.powers) - 1

    def refuse_unfinished(self) -> None:
        """Raises RuntimeError while an instruction waits for a call that completes it."""
        if self.pending:
            raise RuntimeError(f"{self.pending} is not complete: call its required methods, such as .reset(), first")

    def finished(self) -> ir.Rung:
        """The rung, when nothing in it is left open."""
        self.refuse_unfinished()
        return ir.Rung(
            tuple(self.powers), tuple(self.steps), self.continued, self.comment, self.file, self.line, self.last_line
        )


class TaskDraft:
    """A task while it is written: its rungs, and the slots of its memory."""

    def __init__(self, name: str, period_ns: int, priority: int, memory: tuple[int, int, int]) -> None:
        self.name = name
        self.period_ns = period_ns
        self.priority = priority
        self.memory = memory
        self.rungs: list[ir.Rung] = []
        self.edges: dict[int, int] = {}

    def finished(self) -> ir.Task:
        """The task as it is."""
        edges = tuple(ir.Edge(slot, previous) for slot, previous in self.edges.items())
        return ir.Task(self.name, self.period_ns, tuple(self.rungs), *self.memory, self.priority, edges)


class Builder:
    """A program under construction. One thread writes it; two programs share nothing."""

    def __init__(self) -> None:
        self.cells: list[ir.Cell] = [ir.Cell(name, Type.BOOL, readonly=True) for name in ir.TRANSIENT_FAULTS]
        self.slots: dict[str, int] = {cell.name: slot for slot, cell in enumerate(self.cells)}
        self.tags: dict[str, Tag] = {}
        self.tables: list[ir.Table] = []
        self.table_numbers: dict[str, int] = {}
        self.blocks: dict[str, Block] = {}
        self.edges: dict[int, int] = {}
        self.rungs: list[ir.Rung] = []
        self.subroutines: dict[str, list[ir.Rung] | None] = {}
        self.tasks: dict[str, TaskDraft] = {}
        self.task: TaskDraft | None = None
        self.functions: dict[str, Callable[..., object]] = {}
        self.section = self.rungs
        self.section_name = "main"
        self.draft: Draft | None = None
        self.comment = ""

    def slot(self, tag: Tag) -> int:
        """The slot of a tag, given at its first use; ValueError when the name has been used with other properties."""
        known = self.slots.get(tag.name)
        default = to_cell(tag.type, tag.default)
        cell = ir.Cell(tag.name, tag.type, default, tag.retentive, tag.readonly, False, tag.comment)
        if known is None:
            known = self._append(cell)
        elif tag.name not in self.tags and known >= len(ir.TRANSIENT_FAULTS):
            raise ValueError(f"{tag.name} is a name that the program uses itself")
        elif self.cells[known] != cell and self.tags.get(tag.name) is not tag:
            old = self.cells[known]
            if (old.type, old.default, old.retentive) != (cell.type, cell.default, cell.retentive):
                raise ValueError(f"two tags named {tag.name} differ in type, default or retention: make it one tag")
        self.tags.setdefault(tag.name, tag)
        return known

    def _append(self, cell: ir.Cell) -> int:
        if len(self.cells) >= MOST_CELLS:
            raise ValueError(f"the program needs more than {MOST_CELLS} cells: use smaller blocks")
        self.cells.append(cell)
        self.slots[cell.name] = len(self.cells) - 1
        return len(self.cells) - 1

    def memory(self, label: str, kind: Type) -> int:
        """The slot of a new internal cell; the same program text gives the same names."""
        name, number = f"#{label}", 1
        while name in self.slots:
            number += 1
            name = f"#{label}:{number}"
        return self._append(ir.Cell(name, kind, internal=True))

    def once(self, wanted: bool) -> int:
        """Memory for an instruction that acts once, or none.

        It is named after the conditions of its flow, so that a rung inserted elsewhere does not give it to another.
        """
        if not wanted:
            return ir.NONE
        so_far = ir.Program(tuple(self.cells), (), tuple(self.tables))
        powers = self.draft.powers if self.draft is not None else []
        number, texts = self.draft.power if self.draft is not None else ir.NONE, []
        while number >= 0:
            texts.append(ir.condition_text(so_far, powers[number].condition))
            number = powers[number].parent
        digest = hashlib.sha256(" ".join(texts).encode()).hexdigest()[:12]
        return self.memory(f"once:{self.section_name}:{digest}", Type.BOOL)

    def previous(self, slot: int) -> int:
        """The slot of the truth of a cell at the end of the previous scan; in a task, of its previous run."""
        edges, prefix = (self.edges, "") if self.task is None else (self.task.edges, f"{self.task.name}:")
        if slot not in edges:
            edges[slot] = self.memory(f"previous:{prefix}{self.cells[slot].name}", Type.BOOL)
        return edges[slot]

    def kind(self, expression: ir.Expression) -> str:
        """Whether an expression of this program is an integer or a float."""
        return ir.kind_of(expression, self.cells, self.tables)

    def table(self, block: Block) -> int:
        """The number of a block's table, which gives every address of it a cell."""
        known = self.table_numbers.get(block.name)
        if known is not None:
            if self.blocks[block.name] is not block:
                raise ValueError(f"two blocks are named {block.name}")
            return known
        slots = tuple(self.slot(block[address]) if block.has(address) else -1 for address in block.span())
        self.tables.append(ir.Table(block.name, block.type, block.start, slots))
        self.blocks[block.name] = block
        self.table_numbers[block.name] = len(self.tables) - 1
        return len(self.tables) - 1

    def open_rung(self, what: str) -> Draft:
        """The rung that is open; RuntimeError when there is none or an instruction in it is not complete."""
        if self.draft is None:
            raise RuntimeError(f"{what} stands outside a rung: write it inside `with Rung(...):`")
        self.draft.refuse_unfinished()
        return self.draft

    def add(self, what: str, make: Callable[[int, int], ir.Instruction], *, terminal: bool = False) -> int:
        """Append an instruction made from its power and its source line; gives its place among the rung's steps.

        Behind a terminal instruction nothing may follow in the same flow.
        """
        draft = self.open_rung(what)
        if draft.power in draft.ended:
            raise RuntimeError(f"{what} follows an instruction that must be the last of its rung or branch")
        if terminal and draft.loop:
            raise RuntimeError(f"{what} cannot stand in a loop")
        line = caller_line()
        draft.last_line = max(draft.last_line, line)
        draft.steps.append(make(draft.power, line))
        if terminal:
            draft.ended.add(draft.power)
        return len(draft.steps) - 1

    def finished(self) -> ir.Program:
        """The program so far; KeyError when it calls a subroutine that it does not have."""
        missing = [name for name, rungs in self.subroutines.items() if rungs is None]
        if missing:
            raise KeyError(f"subroutine {missing[0]!r} is called and not defined")
        program = ir.Program(
            tuple(self.cells), tuple(self.rungs), tuple(self.tables),
            tuple(ir.Subroutine(name, tuple(rungs or ())) for name, rungs in self.subroutines.items()),
            tuple(ir.Edge(slot, previous) for slot, previous in self.edges.items()),
            tuple(task.finished() for task in self.tasks.values()),
        )  # fmt: skip
        ir.check(program)
        return program


CURRENT: ContextVar[Builder | None] = ContextVar("pilotlight_plc_current_program", default=None)
"""The program that is being written in this context."""


def current(what: str) -> Builder:
    """The program that is being written; RuntimeError when there is none."""
    builder = CURRENT.get()
    if builder is None:
        raise RuntimeError(f"{what} stands outside a program: write it inside `with Program():` or @program")
    return builder


def caller() -> tuple[str, int]:
    """File and line of the nearest code outside this package."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith("pilotlight.plc.") and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def caller_line() -> int:
    """Line of the nearest code outside this package."""
    return caller()[1]
