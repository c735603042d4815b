# SPDX-License-Identifier: Apache-2.0
"""The native engine gives the image of the interpreter, bit for bit, after every scan of generated programs.

`PILOTLIGHT_PLC_PROGRAMS=20000` runs so many instead of a few.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pilotlight.plc import ir

from tests.unit.plc.batches import build_all, difference
from tests.unit.plc.generating import PERIODS, PRIORITIES, Maker

PROGRAMS = int(os.environ.get("PILOTLIGHT_PLC_PROGRAMS", "40"))
BATCH = min(PROGRAMS, 50)
SCANS = 50


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@settings(
    max_examples=-(-PROGRAMS // BATCH), deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(seed=st.integers(0, 1 << 64))
def test_engines_agree_on_any_program(seed: int, cache: Path) -> None:
    """Phases: a seed cannot be made smaller; the message has the program."""
    makers = [Maker(random.Random(f"{seed} {number}")) for number in range(BATCH)]
    programs = [maker.program() for maker in makers]
    library = build_all(programs, cache)
    for number, (maker, program) in enumerate(zip(makers, programs, strict=True)):
        found = difference(program, library, f"p{number}", [maker.inputs() for _ in range(SCANS)])
        assert found == "", f"{found}\nseed {seed} {number}\n{ir.program_text(program)}"


def test_the_generator_reaches_every_instruction_and_operator() -> None:
    seen: set[str] = set()
    tasks: list[ir.Task] = []

    def look(node: object) -> None:
        if isinstance(node, tuple):
            for each in node:
                look(each)
        elif hasattr(node, "__struct_fields__"):
            seen.add(type(node).__name__)
            seen.add(getattr(node, "operator", ""))
            for field in node.__struct_fields__:
                look(getattr(node, field))

    for number in range(200):
        program = Maker(random.Random(number)).program()
        look(tuple(ir.sections(program).values()))
        tasks += program.tasks
    assert {task.period_ns for task in tasks} == set(PERIODS) and {task.priority for task in tasks} == set(PRIORITIES)
    assert any(task.edges for task in tasks)
    instructions = {kind.__name__ for kind in ir.Instruction.__args__} - {"Python"}
    conditions = {kind.__name__ for kind in ir.Condition.__args__}
    expressions = {kind.__name__ for kind in ir.Expression.__args__}
    assert instructions | conditions | expressions | set(ir.OPERATORS) | set(ir.COMPARISONS) <= seen
