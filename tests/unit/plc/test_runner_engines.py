# SPDX-License-Identifier: Apache-2.0
"""The runner over either engine: the same states, histories, forks and steps."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from pilotlight.plc import (
    PLC,
    Bool,
    Dint,
    Int,
    PLCRunner,
    Program,
    Real,
    Rung,
    branch,
    calc,
    call,
    copy,
    count_up,
    on_delay,
    out,
    rise,
    run_function,
    subroutine,
    system,
    task,
)
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.native import build as building
from pilotlight.plc.native.scope import EmitError
from pilotlight.plc.runner import batch

A, B, X, Y = Bool("A"), Bool("B"), Bool("X"), Bool("Y")
N, Total, Level = Int("N"), Dint("Total"), Real("Level")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def plant() -> Program:
    with Program() as program:
        with Rung(A):
            on_delay(X, N, preset=250)
        with Rung(rise(A)):
            calc(Total + 7, Total)
            with branch(B):
                copy(Total * 0.1, Level)
            call("more")
        with Rung(rise(system.sys.clock_1s)):
            count_up(Y, Dint("Count"), preset=2).reset(B)
        with subroutine("more"), Rung(B):
            calc(Total // 0, Dint("Bad"))
        with task("slow", period=250, priority=3), Rung(rise(A)):
            calc(Dint("Seen") + 1, Dint("Seen"))
        with task("often", period=1, unit="s"), Rung():
            on_delay(Bool("Late"), Dint("Gone"), preset=10_000)
            call("more")
    return program


def pair(**options: object) -> tuple[PLC, PLC]:
    both = (PLC(plant(), dt=0.1, engine=kind, **options) for kind in ("interpreter", "native"))  # type: ignore[arg-type]
    ours, native = both
    for plc in (ours, native):
        plc.set_rtc(plc.points.rtc.replace(microsecond=0))
    return ours, native


def drive(plc: PLC) -> list[object]:
    seen: list[object] = []
    plc.monitor(X, lambda now, was: seen.append((now, was)))
    for scan in range(40):
        plc.patch({"A": scan % 7 < 4, "B": scan % 5 == 0, "Own": scan // 10})
        if scan == 12:
            plc.force(N, 9)
        if scan == 20:
            plc.unforce(N)
        seen.append(plc.step())
    seen.append(plc.run_until(rise(A) | Y, max_cycles=50))
    return seen


def test_both_engines_give_the_same_states() -> None:
    ours, native = pair()
    assert (ours.engine, native.engine) == ("interpreter", "native")
    assert drive(ours) == drive(native)
    assert list(ours.history) == list(native.history)
    assert ours.diff(3, 30) == native.diff(3, 30) != {}


def test_both_engines_go_back_and_fork() -> None:
    ours, native = pair(checkpoint_interval=7)
    for plc in (ours, native):
        drive(plc)
    forks = ours.fork(23), native.fork(23)
    assert forks[1].engine == "native"
    assert forks[0].run(9) == forks[1].run(9)
    assert ours.back(4) == native.back(4)
    assert ours.step() == native.step()
    assert list(ours.history)[-5:] == list(native.history)[-5:]
    for plc in (ours, native):
        plc.stop()
        plc.start()
    assert ours.step() == native.step()
    assert ours.reboot() == native.reboot()


def test_both_engines_step_through_scans() -> None:
    ours, native = pair()
    for plc in (ours, native):
        plc.patch({"A": True, "B": True})
    first = [(step.kind, step.trace, step.ctx.get_tag("Total")) for step in ours.debug.scan_steps_debug()]  # type: ignore[union-attr]
    assert first == [(step.kind, step.trace, step.ctx.get_tag("Total")) for step in native.debug.scan_steps_debug()]  # type: ignore[union-attr]
    assert ours.current_state == native.current_state
    steps = native.debug.scan_steps()
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert native.current_state == ours.current_state
    assert ours.step() == native.step()


def test_a_fault_is_the_same_fault() -> None:
    ours, native = pair()
    for plc in (ours, native):
        plc.patch({"A": True, "B": True})
    assert ours.step() == native.step()
    assert native.current_state.tags["fault.division_error"] is True


def test_the_engine_that_can_be_had() -> None:
    with Program(strict=False) as program, Rung():
        run_function(lambda: {"n": 5}, outs={"n": N})
    assert PLC(program, engine="auto").engine == "interpreter"
    assert PLC(program, engine="auto").step().tags["N"] == 5
    with pytest.raises(EmitError):
        PLC(program, engine="native")
    with pytest.raises(ValueError, match="no engine"):
        PLC(program, engine="fast")
    assert PLCRunner(plant(), engine="auto").engine == "native"


def test_without_gcc_the_interpreter_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert PLC(plant(), engine="auto").engine == "interpreter"
    with pytest.raises(building.BuildError):
        PLC(plant(), engine="native")


def test_changes_of_the_interpreter_are_packed() -> None:
    engine = Interpreter(plant().ir)
    assert engine.changes() == b""
    slots = {cell.name: slot for slot, cell in enumerate(engine.program.cells)}
    engine.cells[slots["N"]], engine.cells[slots["A"]] = 5, 1
    packed = engine.changes()
    expected = sorted([(slots["A"], 1.0), (slots["N"], 5.0)])
    assert list(memoryview(packed[:8]).cast("I")) == [slot for slot, _ in expected]
    assert list(memoryview(packed[8:]).cast("d")) == [number for _, number in expected]
    assert engine.changes() == b""


def clocked() -> Program:
    with Program() as program:
        with Rung(rise(system.sys.clock_500ms)):
            calc(Total + system.rtc.second, Total)
        with Rung(N > 3):
            out(X)
        with Rung(X, A):
            calc(system.sys.scan_counter * 2, Dint("Twice"))
        with Rung(N == 13):
            out(system.sys.cmd_mode_stop)
        with Rung(system.sys.first_scan):
            out(Y)
        with Rung(system.sys.fixed_scan_mode, system.sys.mode_run):
            copy(system.sys.scan_time_min_ms, Level)
    return program


@pytest.mark.parametrize("options", [{}, {"history": 9}, {"checkpoint_interval": 4, "auto_start": False}], ids=repr)
def test_a_run_with_inputs_is_a_run_with_patches(options: dict[str, object]) -> None:
    plcs = [PLC(clocked(), dt=0.1, engine=kind, **options) for kind in ("interpreter", "native", "native")]  # type: ignore[arg-type]
    values = {"A": [n % 3 == 0 for n in range(17)], N: [n % 14 for n in range(17)]}
    for plc in plcs:
        plc.run(3)
        plc.set_rtc(datetime(2026, 2, 28, 23, 59, 55))
        plc.force(Y, True)
    plcs[0].run(60, inputs=values)
    assert batch.possible(plcs[1], 60) and not batch.possible(plcs[0], 60)
    plcs[1].run(60, inputs=values)
    for scan in range(60):
        plcs[2].patch({"A": values["A"][scan % 17], N: values[N][scan % 17]})
        plcs[2].step()
    assert list(plcs[0].history) == list(plcs[1].history) == list(plcs[2].history)
    assert [plc.playhead for plc in plcs] == [plcs[0].history.newest_scan_id] * 3
    assert plcs[0].back(3) == plcs[1].back(3)
    assert plcs[0].step() == plcs[1].step()


def test_a_long_run_keeps_a_state_and_a_playhead() -> None:
    plc = PLC(plant(), dt=0.1, engine="native", history=50)
    kept = plc.run(20)
    plc.seek(5)
    plc.run(20, inputs={"A": [True]})
    assert (kept.tags["A"], kept.scan_id, plc.playhead, plc.current_state.tags["N"]) == (False, 20, 5, 2000)
    plc.run(100)
    assert (plc.playhead, plc.history.oldest_scan_id) == (91, 91)


def test_inputs_are_checked_before_the_first_scan() -> None:
    plc = PLC(plant(), engine="auto")
    for wrong in (
        {"A": []},
        {"A": [True], "B": [True, False]},
        {N: [1, True]},
        {N: [99999]},
        {"sys.first_scan": [True]},
    ):
        with pytest.raises(ValueError):
            plc.run(3, inputs=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        plc.run(-1)
    assert plc.current_state.scan_id == 0


def test_a_retained_scan_of_a_large_program_costs_2_kb_when_a_hundred_tags_change() -> None:
    tags = [Int(f"T{n}") for n in range(1000)]
    with Program(strict=False) as program:
        for number, tag in enumerate(tags):
            with Rung(A if number < 100 else B):
                calc(tag + 1, tag)
    plc = PLC(program, history_budget=10_000_000)
    plc.patch({"A": True})
    plc.run(1000)
    assert len(plc.history) == 1001
    assert plc.history.size + plc.history.inputs.size <= 2000 * 1001
