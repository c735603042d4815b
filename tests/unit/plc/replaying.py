# SPDX-License-Identifier: Apache-2.0
"""What tests have scanned in the interpreter, to be scanned again by the native engine."""

from __future__ import annotations

from pathlib import Path

from pilotlight.plc import ir
from pilotlight.plc.native.engine import NativeEngine

from tests.unit.plc.batches import build_all

MOST_PROGRAMS, MOST_SCANS = 400, 50
"""Kept of all, and of one program; property tests would make thousands."""

Image = list[int | float]


class Recorder:
    """Keeps programs with the images before and after their scans."""

    def __init__(self) -> None:
        self.programs: dict[ir.Program, list[tuple[Image, int, Image]]] = {}

    def record(self, program: ir.Program, before: Image, dt_ns: int, after: Image) -> None:
        """Keep a scan, within the bounds."""
        scans = self.programs.get(program)
        if scans is None and len(self.programs) < MOST_PROGRAMS:
            scans = self.programs[program] = []
        if scans is not None and len(scans) < MOST_SCANS:
            scans.append((before, dt_ns, after))

    def differences(self, cache: Path) -> list[str]:
        """Programs of which the native engine makes other images, as text."""
        programs = [program for program in self.programs if not calls_python(program)]
        library = build_all(programs, cache)
        wrong: list[str] = []
        for number, program in enumerate(programs):
            engine = NativeEngine(program, library, f"p{number}")
            for before, dt_ns, after in self.programs[program]:
                engine.load(before)
                engine.begin()
                engine.run(dt_ns)
                engine.finish()
                if engine.image != engine.layout.pack(after):
                    wrong.append(f"{ir.program_text(program)}\n{before}\n{after}\n{engine.cells[:]}")
                    break
        return wrong


def calls_python(program: ir.Program) -> bool:
    """Whether only the interpreter can run it."""
    sections = ir.sections(program).values()
    return any(isinstance(step, ir.Python) for rungs in sections for rung in rungs for step in rung.steps)


RECORDER = Recorder()
