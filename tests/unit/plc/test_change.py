# SPDX-License-Identifier: Apache-2.0
"""Online change in the runner."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    PLC,
    Bool,
    Dint,
    Int,
    Program,
    Real,
    Rung,
    Tms,
    calc,
    copy,
    count_up,
    on_delay,
    out,
    rise,
    system,
)
from pilotlight.plc.language.program import Program as Logic
from pilotlight.tags import Type

from tests.unit.plc.generating import Maker

Run, Late, Zero = Bool("Run"), Bool("Late"), Bool("Zero")


def version(preset: int, *, divide: bool = False, mixed: type[Int] | type[Dint] = Int) -> Program:
    """A timer, a counter of edges, and when it is told to, a division by null."""
    with Program(strict=False) as logic:
        with Rung(Run):
            on_delay(Late, Int("Elapsed"), preset=preset, unit=Tms)
        with Rung(rise(Run)):
            count_up(Bool("Full"), Dint("Starts"), preset=10).reset(Zero)
        with Rung():
            calc(mixed("Mixed") + 1, mixed("Mixed"))
        with Rung(system.sys.first_scan):
            out(Bool("First"))
        if divide:
            with Rung(Bool("Divide")):
                calc(Int("Zero0") / Int("Zero0"), Int("Result"))
    return logic


@pytest.fixture(params=["interpreter", "native"])
def plc(request: pytest.FixtureRequest) -> PLC:
    return PLC(version(1000), dt=0.010, engine=request.param)


def test_what_both_have_goes_on(plc: PLC) -> None:
    plc.patch({"Run": True})
    plc.run(5)
    made = plc.change(version(60, divide=True))
    assert (made.state, made.dropped) == ("trial", ())
    assert set(made.kept) == {"Run", "Late", "Elapsed", "Full", "Starts", "Zero", "Mixed", "First"}
    assert {"Divide", "Result", "Zero0"} == set(made.begun)
    state = plc.step()
    assert state.scan_id == 6
    assert (state.tags["Elapsed"], state.tags["Late"], state.tags["Starts"], state.tags["Mixed"]) == (60, True, 1, 6)
    assert state.tags["First"] is False
    assert plc.engine == ("native" if plc.engine == "native" else "interpreter")


def test_another_type_begins_anew(plc: PLC) -> None:
    plc.run(3)
    made = plc.change(version(60, mixed=Dint))
    assert ("Mixed" in made.kept, "Mixed" in made.begun) == (False, True)
    assert plc.step().tags["Mixed"] == 1


def test_forces_patches_clock_and_watches_go_along(plc: PLC) -> None:
    plc.set_rtc(datetime(2030, 1, 2, 3, 4, 5))
    plc.run(100)
    plc.force("Late", True)
    plc.patch({"Run": True})
    seen: list[tuple[object, object]] = []
    plc.monitor("Starts", lambda now, before: seen.append((now, before)))
    plc.when(Dint("Starts") >= 1).pause()
    plc.change(version(60, divide=True))
    plc.run(50)
    assert plc.current_state.scan_id == 101
    assert seen == [(1, 0)]
    assert dict(plc.forces) == {"Late": True}
    assert plc.current_state.tags["Late"] is True
    assert plc.points.rtc == datetime(2030, 1, 2, 3, 4, 6, 10_000)


def test_names_that_only_the_runner_knows_go_along(plc: PLC) -> None:
    extra = Real("Extra")
    plc.patch({extra: 2.5})
    plc.step()
    plc.change(version(60))
    assert plc.step().tags["Extra"] == 2.5
    with Program() as logic, Rung():
        copy(extra, Real("Copied"))
    plc.change(logic)
    assert plc.step().tags["Copied"] == 2.5


def test_a_fault_on_trial_changes_it_back(plc: PLC) -> None:
    plc.patch({"Run": True})
    before = plc.run(5)
    made = plc.change(version(60, divide=True), trial=3)
    plc.step()
    plc.patch({"Divide": True})
    state = plc.step()
    assert (made.state, made.reason) == ("changed back", "it set fault.division_error in scan 7")
    assert state.scan_id == 7
    assert {name: state.tags[name] for name in before.tags if name in state.tags} == dict(before.tags)
    assert "Divide" not in plc.current_state.tags
    assert (plc.history.oldest_scan_id, plc.history.newest_scan_id, plc.playhead) == (7, 7, 7)
    state = plc.step()
    assert (state.scan_id, state.tags["Elapsed"], state.tags["fault.division_error"]) == (8, 60, False)


def test_after_the_trial_a_fault_is_a_flag(plc: PLC) -> None:
    made = plc.change(version(60, divide=True), trial=3)
    plc.run(3)
    assert made.state == "kept"
    plc.patch({"Divide": True})
    assert plc.step().tags["fault.division_error"] is True
    assert "Divide" in plc.current_state.tags


def test_a_fault_that_was_there_before_is_no_news() -> None:
    plc = PLC(version(60, divide=True), dt=0.010)
    plc.patch({"Divide": True})
    plc.step()
    made = plc.change(version(70, divide=True), trial=2)
    plc.run(2)
    assert (made.state, plc.current_state.tags["fault.division_error"]) == ("kept", True)


def test_no_trial(plc: PLC) -> None:
    made = plc.change(version(60, divide=True), trial=0)
    assert made.state == "kept"
    plc.patch({"Divide": True})
    plc.run(2)
    assert made.state == "kept"
    with pytest.raises(ValueError, match="0 or more"):
        plc.change(version(60), trial=-1)


def test_the_history_begins_with_the_change(plc: PLC) -> None:
    plc.run(20)
    plc.change(version(60))
    assert (plc.history.oldest_scan_id, plc.history.newest_scan_id, plc.playhead) == (20, 20, 20)
    plc.run(20)
    assert plc.seek(25).tags["Mixed"] == 25
    assert plc.fork(25).run(5).tags["Mixed"] == 30
    plc.back(3)
    assert plc.current_state.scan_id == 37
    assert plc.why("Mixed").tag == "Mixed"


@given(seed=st.integers(0, 1 << 32), at=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_change_to_itself_changes_nothing(seed: int, at: int) -> None:
    """Whatever the program: it goes on as one that was left alone."""
    maker = Maker(random.Random(seed))
    program = maker.program()
    names = [c.name for c in program.cells if not c.internal and not c.readonly and c.type in (Type.BOOL, Type.INT)]
    alone, changed = (PLC(_of(program), dt=0.01) for _ in range(2))
    chance = random.Random(seed + 1)
    for scan in range(16):
        if scan == at:
            changed.change(_of(program), trial=0)
        patch = {name: chance.choice([0, 1]) for name in chance.sample(names, min(3, len(names)))}
        values = {name: bool(v) if alone.names.tags[name].type is Type.BOOL else v for name, v in patch.items()}
        for plc in (alone, changed):
            plc.patch(values)
            plc.step()
        assert list(alone._cells) == list(changed._cells) or repr(alone._cells) == repr(changed._cells)


def _of(program: object) -> Logic:
    """A program of the IR as one of the language."""
    logic = Logic()
    logic._lowered = program  # type: ignore[assignment]
    return logic
