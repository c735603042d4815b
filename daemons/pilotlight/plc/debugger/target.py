# SPDX-License-Identifier: Apache-2.0
"""The program that is debugged: its runner, where it stands, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pilotlight.plc import ir
from pilotlight.plc.debugger.asking import AskingError, Question, shown, value_of
from pilotlight.plc.language.points import POINTS
from pilotlight.plc.language.program import Program
from pilotlight.plc.runner.debugging import Debugger, ScanStep
from pilotlight.plc.runner.plc import PLC
from pilotlight.plc.runner.reverse import Stepper
from pilotlight.tags import Value

SCOPES = {"Tags": 1, "Forces": 2, "System": 3, "Memory": 4}
"""Scopes of variables with their references."""
MOST_KEPT = 1000
"""Watched texts that are kept ready."""


class Target:
    """A program under the debugger."""

    def __init__(self, logic: Program, dt: float) -> None:
        self.plc = PLC(logic, dt=dt)
        # What a trace says, a repetition of the scan says too, and a thousand rungs' traces are a megabyte a scan.
        self.stepper = Stepper(self.plc, Debugger(self.plc, traces=0))
        self._questions: dict[str, Question] = {}

    @property
    def has_rungs(self) -> bool:
        """Whether there is anything to stop at, now or later."""
        program = self.plc.logic.ir
        return bool(program.rungs) or any(task.rungs for task in program.tasks)

    def ask(self, text: str) -> Question:
        """A condition or expression; AskingError when it is none."""
        known = self._questions.get(text)
        if known is None:
            if len(self._questions) >= MOST_KEPT:
                self._questions.clear()
            known = self._questions[text] = Question(self.plc.names, text)
            if not self.stepper.past:
                self.plc.points.show(self.plc._cells)
        return known

    def value(self, question: Question) -> Value:
        """What a question gives where the program stands; AskingError when it fails."""
        return question.value(self.stepper.cells, self.stepper.before)

    def holds(self, question: Question) -> bool:
        """Whether a condition holds where the program stands."""
        return question.holds(self.stepper.cells, self.stepper.before)

    def log(self, question: Question) -> str:
        """A value for a log line, or why there is none."""
        try:
            return shown(self.value(question))
        except AskingError as error:
            return f"<{error}>"

    def given(self, name: str, text: str) -> dict[str, Value]:
        """A value that was typed for a tag, ready to be patched or forced; AskingError."""
        tag = self.ask(name).tag
        if tag is None:
            raise AskingError(f"{name!r} is no tag")
        return {tag.name: value_of(tag.type, text)}

    def frames(self) -> list[dict[str, Any]]:
        """The stack, the place of the next instruction first; the last frame names the scan."""
        steps = self.stepper.steps
        frames: list[dict[str, Any]] = []
        if steps:
            depth = steps[-1].depth
            frames.append(self._frame(steps[-1]))
            for step in reversed(steps[:-1]):
                if step.depth < depth and step.kind == "instruction":
                    depth = step.depth
                    frames.append(self._frame(step))
        seconds = self.stepper.time_ns / 1e9
        again = ", run again" if self.stepper.past else ""
        name = f"scan {self.stepper.scan_id} at {seconds:g} s{again}"
        frames.append({"name": name, "line": 0, "column": 0, "presentationHint": "label"})
        return [{"id": number, **frame} for number, frame in enumerate(frames, 1)]

    def _frame(self, step: ScanStep) -> dict[str, Any]:
        section = step.subroutine_name or step.task
        what = step.kind if step.instruction_kind is None else step.instruction_kind.lower()
        name = f"{section}, rung {step.rung_index}" + ("" if what == "rung" else f": {what}")
        path = Path(step.source_file)
        return {
            "name": f"{name} ({step.enabled_state.replace('_', ' ')})",
            "line": step.source_line,
            "column": 1,
            "source": {"name": path.name, "path": str(path)},
        }

    def scopes(self) -> list[dict[str, Any]]:
        """Groups of variables."""
        return [
            {"name": name, "variablesReference": number, "expensive": name == "Memory"}
            for name, number in SCOPES.items()
        ]

    def variables(self, reference: int) -> list[dict[str, Any]]:
        """The variables of a scope, by name; KeyError for an unknown one."""
        scope = {number: name for name, number in SCOPES.items()}[reference]
        names, forces = self.plc.names, self.stepper.forces
        if scope == "Forces":
            return [self._variable(name, value, "forced") for name, value in sorted(forces.items())]
        cells = self.stepper.cells
        found = []
        for slot, cell in self._cells(scope):
            number = cells[slot] if slot < len(cells) else cell.default
            value = number if cell.internal else names.value(slot, number)
            note = "forced" if cell.name in forces else "read-only" if cell.readonly or cell.internal else ""
            found.append(self._variable(cell.name, value, f"{cell.type.name} {note}".strip()))
        return sorted(found, key=lambda each: str(each["name"]))

    def _cells(self, scope: str) -> Iterator[tuple[int, ir.Cell]]:
        for slot, cell in enumerate(self.plc.names.cells):
            kind = "Memory" if cell.internal else "System" if cell.name in POINTS else "Tags"
            if kind == scope:
                yield slot, cell

    def _variable(self, name: str, value: Value, kind: str) -> dict[str, Any]:
        hint = {"presentationHint": {"attributes": ["readOnly"]}} if kind.endswith("read-only") else {}
        return {
            "name": name, "value": shown(value), "type": kind, "evaluateName": name, "variablesReference": 0, **hint,
        }  # fmt: skip

    def change(self, values: Mapping[str, Value], *, force: bool) -> None:
        """Patch or force; ValueError and TagValueError say what does not fit."""
        (self.stepper.force if force else self.stepper.patch)(values)
