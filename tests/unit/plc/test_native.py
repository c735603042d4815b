# SPDX-License-Identifier: Apache-2.0
"""The native engine: what is refused, how builds are bounded and kept, its image, its host."""

from __future__ import annotations

import os
import shutil
from array import array
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pilotlight.plc import (
    Bool,
    Char,
    Dint,
    Int,
    PLCRunner,
    Program,
    Real,
    Rung,
    TimeMode,
    Word,
    calc,
    copy,
    count_up,
    out,
    rise,
    run_function,
    system,
)
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.native import build as building
from pilotlight.plc.native.build import BuildError, CompilerMissing, Limits, build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.engine import SYMBOL, NativeEngine
from pilotlight.plc.native.host import CLEARED, COMMANDS, POINTS, Host
from pilotlight.plc.native.layout import Layout
from pilotlight.plc.native.scope import EmitError

BROKEN = {"broken.c": "int x = ;\n"}
MS = 1_000_000
EPOCH = datetime(1970, 1, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def sample() -> Program:
    with Program() as logic:
        with Rung(Bool("A")):
            calc(Int("N") + 1, Int("N"))
            copy(Real("R") * 2, Dint("D"))
            copy("x", Char("C"))
            copy(70000, Word("W"))
        with Rung(rise(Bool("A"))):
            out(Bool("Risen"))
    return logic


def changes_of(engine: NativeEngine) -> dict[int, float]:
    packed = engine.changes()
    count = len(packed) // 12
    return dict(zip(array("I", packed[: 4 * count]), array("d", packed[4 * count :]), strict=True))


# ---- emitting --------------------------------------------------------------------------------------------------------


def test_a_program_that_calls_python_is_refused() -> None:
    with Program() as logic, Rung():
        run_function(lambda: None)
    with pytest.raises(EmitError, match=r"Python function .* which only the interpreter can do"):
        emit(logic.ir)


def test_the_same_program_gives_the_same_text_and_large_ones_are_parted() -> None:
    assert emit(sample().ir) == emit(sample().ir)
    with Program(strict=False) as logic:
        for number in range(100):
            with Rung(Bool(f"In{number}")):
                out(Bool(f"Out{number}"))
    assert [name for name in emit(logic.ir, part=90) if name.endswith(".c")] == [
        "program_0.c", "program_1.c", "program_2.c", "program.c",
    ]  # fmt: skip


# ---- building --------------------------------------------------------------------------------------------------------


def test_a_build_is_kept_and_taken_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = emit(sample().ir)
    made = build(files)
    assert made.parent == home / "pilotlight/plc"
    monkeypatch.setattr(building, "_make", None)
    assert build(files) == made
    assert list(made.parent.iterdir()) == [made]
    assert building.key({**files, "more.c": ""}) != building.key(files)


def test_only_the_builds_used_last_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "KEPT", 1)
    folder = home / "pilotlight/plc"
    for name in ("build-old", "build-new"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / "build-old", (0, 0))
    first, second = build({"a.c": "int a;"}), build({"b.c": "int b;"})
    assert (first.exists(), second.exists()) == (False, True)
    assert [path.name for path in folder.glob("build-*")] == ["build-new"]


def test_a_failed_build_says_what_gcc_said_and_leaves_nothing(home: Path) -> None:
    with pytest.raises(BuildError, match=r"gcc failed \(exit code 1\):\nbroken.c:1:9: error: expected expression"):
        build(BROKEN)
    assert list((home / "pilotlight/plc").iterdir()) == []


@pytest.mark.parametrize(
    ("files", "limits", "message"),
    [
        ({"large.c": "char x[99000000] = {1};\n"}, Limits(file_mb=1), "gcc failed"),
        ({"hungry.c": "int x;\n"}, Limits(memory_mb=8), "gcc failed|memory"),
        ({"slow.c": "int x;\n"}, Limits(seconds=0), "longer than 0 s and was ended"),
    ],
    ids=["file", "memory", "time"],
)
def test_a_build_is_bounded(files: dict[str, str], limits: Limits, message: str, home: Path) -> None:
    with pytest.raises(BuildError, match=message):
        build(files, limits=limits)
    assert list((home / "pilotlight/plc").iterdir()) == []


def test_without_a_compiler_the_error_says_what_runs_the_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CompilerMissing, match=r"they run in the interpreter\. Install the package gcc"):
        NativeEngine.of(sample().ir)


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="cannot be kept in"):
        build(emit(sample().ir))


def test_what_is_no_program_of_this_one_is_refused(home: Path) -> None:
    with pytest.raises(BuildError, match="cannot be loaded"):
        NativeEngine(sample().ir, build({"other.c": "int x;\n"}))
    library = build(emit(sample().ir))
    with Program() as other, Rung():
        out(Bool("X"))
    with pytest.raises(BuildError, match="that of another"):
        NativeEngine(other.ir, library, SYMBOL)


# ---- the image -------------------------------------------------------------------------------------------------------


def test_an_image_is_what_its_cells_are(home: Path) -> None:
    logic = sample().ir
    engine, other = NativeEngine.of(logic), Interpreter(logic)
    slots = {cell.name: slot for slot, cell in enumerate(logic.cells)}
    for each in (engine, other):
        each.begin()
        each.cells[slots["A"]] = 1
        each.cells[slots["R"]] = 1.5
        each.run(MS)
        each.finish()
    assert engine.cells[:] == engine.cells.copy() == list(engine.cells) == other.cells
    assert engine.image == engine.layout.pack(other.cells)
    changed = changes_of(engine)
    assert {logic.cells[slot].name for slot in changed} - {"#previous:A"} == {"A", "R", "N", "D", "C", "W", "Risen"}
    assert changed == {slot: other.cells[slot] for slot in changed}
    assert engine.changes() == b""
    engine.load(Interpreter(logic).cells)
    assert engine.cells[:] == Interpreter(logic).cells


def test_it_steps_and_explains_as_the_interpreter_does(home: Path) -> None:
    logic = sample().ir
    engine, other = NativeEngine.of(logic), Interpreter(logic)
    slot = [cell.name for cell in logic.cells].index("A")
    for each in (engine, other):
        each.begin()
        each.cells[slot] = 1
    images = [[each.cells.copy() for _ in each.rungs(MS)] for each in (engine, other)]
    assert images[0] == images[1] != []
    assert len({tuple(image) for image in images[0]}) == 2
    for each in (engine, other):
        each.finish()
    events = list(zip(engine.walk(MS), other.walk(MS), strict=True))
    assert all(ours == theirs for ours, theirs in events)
    assert engine.cells.copy() == other.cells
    condition = logic.rungs[0].powers[0].condition
    assert engine.explain(condition) == other.explain(condition)


def test_an_image_has_room_behind_its_cells(home: Path) -> None:
    engine = NativeEngine.of(sample().ir)
    count = len(engine.cells)
    engine.cells.extend([7, 8])
    engine.cells[count] = 9
    assert (engine.cells[count], engine.cells[count + 1], len(engine.cells)) == (9, 8, count + 2)
    engine.load([*engine.cells[:count], 5])
    assert engine.cells[:][count:] == [5]
    with pytest.raises(TypeError):
        del engine.cells[0]
    with pytest.raises(TypeError):
        engine.cells.insert(0, 1)
    with pytest.raises(ValueError, match="the program needs"):
        engine.load([1])
    with pytest.raises(ValueError, match="keeps its cells"):
        engine.cells[0:2] = [0]
    engine.cells[3:5] = [1, 2]
    assert engine.cells[3:5] == [1, 2]
    assert engine.cells == engine.cells.copy() != []


def test_cells_have_their_widths() -> None:
    layout = Layout(sample().ir.cells)
    offsets = sorted((layout.offset(slot), cell.type.size) for slot, cell in enumerate(layout.cells))
    assert all(a + size == b for (a, size), (b, _) in pairwise(offsets))
    assert all(offset % size == 0 for offset, size in offsets)
    assert layout.size % 8 == 0


# ---- the host --------------------------------------------------------------------------------------------------------


def points_program() -> Program:
    """A program that names every system point that a host shows."""
    with Program(strict=False) as logic:
        for name in (*POINTS, *CLEARED):
            point = system
            for part in name.split("."):
                point = getattr(point, part)
            with Rung(point == 1):
                out(Bool(f"Saw.{name}"))
        with Rung(rise(system.sys.clock_100ms)):
            calc(Int("Edges") + 1, Int("Edges"))
        with Rung(Int("N") > 20):
            out(system.sys.cmd_mode_stop)
        with Rung(Bool("In")):
            count_up(Bool("Done"), Dint("Count"), preset=3).reset(Bool("Zero"))
    return logic


@pytest.mark.parametrize("start", [datetime(2024, 2, 28, 23, 59, 57, 999_999), datetime(1969, 12, 31, 23, 59, 59)])
@pytest.mark.parametrize("dt_ms", [7, 1000, 3_600_000])
def test_a_host_shows_the_points_as_the_runner_does(start: datetime, dt_ms: int, home: Path) -> None:
    logic = points_program()
    runner = PLCRunner(logic)
    runner.set_time_mode(TimeMode.FIXED_STEP, dt=dt_ms / 1000)
    runner.set_rtc(start)
    engine = NativeEngine.of(logic.ir)
    host = Host(engine)
    host.clock.rtc_us = (start - EPOCH) // timedelta(microseconds=1)
    names = {cell.name: slot for slot, cell in enumerate(logic.ir.cells) if not cell.internal}
    for _ in range(60):
        runner.step()
        assert host.run(1, dt_ms * MS) == 1
        tags = runner.current_state.tags
        assert {name: engine.cells[slot] for name, slot in names.items()} == {name: tags[name] for name in names}
    assert (host.clock.scan_id, host.clock.time_ns) == (60, 60 * dt_ms * MS)


def test_a_host_feeds_forces_and_stops_before_a_command(home: Path) -> None:
    logic = points_program()
    slots = {cell.name: slot for slot, cell in enumerate(logic.ir.cells)}
    engine = NativeEngine.of(logic.ir)
    host = Host(
        engine, inputs={slots["In"]: [1, 0, 1], slots["N"]: [5, 6, -7]}, forces={slots["Saw.sys.clock_1s"]: 1},
        constants={"sys.mode_run": 1},
    )  # fmt: skip
    assert host.run(4, 100 * MS) == 4
    assert [engine.cells[slots[name]] for name in ("Count", "Done", "N", "In")] == [3, 1, 5, 1]
    assert engine.cells[slots["Saw.sys.clock_1s"]] == 1
    assert set(COMMANDS) & slots.keys() == {"sys.cmd_mode_stop"}
    host.force({slots["In"]: 0})
    host.run(7, 100 * MS)
    assert [engine.cells[slots[name]] for name in ("Count", "In", "Saw.sys.clock_1s")] == [3, 0, 0]
    stopping = Host(engine, inputs={slots["N"]: [21]})
    assert stopping.run(1000, MS) == 1
    assert engine.cells[slots["sys.cmd_mode_stop"]] == 1
