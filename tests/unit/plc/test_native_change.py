# SPDX-License-Identifier: Apache-2.0
"""An online change of native programs: what one remembers, the next takes over, as far as it has it too."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pilotlight.plc import (
    Bool,
    Dint,
    Int,
    Program,
    Rung,
    Tms,
    branch,
    calc,
    copy,
    count_up,
    on_delay,
    out,
    rise,
    system,
)
from pilotlight.plc.native.interface import key

from tests.unit.plc.generating import Maker
from tests.unit.plc.shim import Loaded, shared_object

with Program() as BEFORE:
    with Rung(Bool("Run")):
        on_delay(Bool("Late"), Int("Elapsed"), preset=1000, unit=Tms)
    with Rung(rise(Bool("Run"))):
        count_up(Bool("Full"), Dint("Starts"), preset=10).reset(Bool("Zero"))
    with Rung():
        calc(Int("Mixed") + 1, Int("Mixed"))
    with Rung(system.sys.first_scan):
        out(Bool("First"))

with Program() as AFTER:
    with Rung(Bool("New")):
        out(Bool("Extra"))
    with Rung(Bool("Run")):
        on_delay(Bool("Late"), Int("Elapsed"), preset=60, unit=Tms)
    with Rung(rise(Bool("Run"))):
        count_up(Bool("Full"), Dint("Starts"), preset=10).reset(Bool("Zero"))
    with Rung():
        calc(Dint("Mixed") + 100, Dint("Mixed"))
    with Rung(system.sys.first_scan):
        out(Bool("First"))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Loaded, Loaded]:
    return Loaded(shared_object(tmp_path, BEFORE)), Loaded(shared_object(tmp_path, AFTER))


def test_what_both_have_goes_on(pair: tuple[Loaded, Loaded]) -> None:
    before, after = pair
    before.write("Run", 1)
    for _ in range(5):
        before.scan()
    assert (before["Elapsed"], before["Late"], before["Starts"], before["First"]) == (50, 0, 1, 0)
    before.hand_over(after)
    after.scan()
    # The sixth scan: the timer goes on, and the input, which was on, has not risen.
    assert (after["Elapsed"], after["Late"], after["Starts"]) == (60, 1, 1)
    assert after["First"] == 0


def test_another_type_is_another_tag(pair: tuple[Loaded, Loaded]) -> None:
    before, after = pair
    for _ in range(3):
        before.scan()
    before.hand_over(after)
    after.scan()
    assert (before["Mixed"], after["Mixed"]) == (3, 100)


def test_the_time_between_the_two_scans_counts(pair: tuple[Loaded, Loaded]) -> None:
    before, after = pair
    before.write("Run", 1)
    before.scan()
    before.hand_over(after)
    after.scan(ms=30.4)
    assert after["Elapsed"] == 10 + 30


def test_a_one_shot_belongs_to_its_rung_wherever_that_is() -> None:
    def names(inserted: bool) -> set[str]:
        with Program(strict=False) as logic:
            if inserted:
                with Rung(Bool("New")):
                    copy(1, Int("A"), oneshot=True)
            with Rung(Bool("Old")):
                copy(2, Int("B"), oneshot=True)
                with branch(Bool("Branch")):
                    copy(3, Int("C"), oneshot=True)
        return {cell.name for cell in logic.ir.cells if cell.name.startswith("#once")}

    assert len(names(False)) == 2
    assert names(False) < names(True)


def test_a_change_to_itself_changes_nothing(tmp_path: Path) -> None:
    """Whatever the program: one that hands over to its like goes on as one that was left alone."""
    for seed in range(6):
        chance = random.Random(f"hand over {seed}")
        program = Maker(chance).program()
        names = [cell.name for cell in program.cells if not cell.internal and not cell.readonly]
        assert len({key(cell) for cell in program.cells}) == len(program.cells)
        alone, first, second = (Loaded(shared_object(tmp_path, program)) for _ in range(3))
        running = first
        for scan in range(40):
            if scan == 20:
                first.hand_over(second)
                running = second
            tag = chance.choice(names)
            bits = chance.randbytes(alone.program.variables[alone.index(tag)].size)
            codes = {loaded.program.write(loaded.index(tag), bits) for loaded in (alone, running)}
            assert len(codes) == 1
            alone.scan()
            running.scan()
            assert running.image == alone.image, f"seed {seed}, scan {scan}"


def test_too_little_room_saves_nothing(pair: tuple[Loaded, Loaded]) -> None:
    before, after = pair
    before.write("Run", 1)
    before.scan()
    cells, before.program.cells = before.program.cells, before.program.cells - 1
    before.hand_over(after)
    after.scan()
    assert (cells > 10, after["Elapsed"]) == (True, 0)
