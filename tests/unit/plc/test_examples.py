# SPDX-License-Identifier: Apache-2.0
"""The programs of `examples/`: their suites pass, their drawings are current, and the appliance takes them."""

from __future__ import annotations

import random
import re
import shlex
from pathlib import Path

import pytest
from pilotlight.cli import main
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.ladder import ladder_svg
from pilotlight.plc.loading import load_program
from pilotlight.plc.package import read_package, write_package
from pilotlight.tags import Type

ROOT = Path(__file__).parents[3]
PROGRAMS = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("test_"))

GUIDE = (ROOT / "docs/plc.md").read_text()
CODE = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)

each_program = pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)


def test_there_are_the_five_that_the_guide_names() -> None:
    assert [path.stem for path in PROGRAMS] == ["conveyor", "drum", "motor", "tank", "traffic_light"]
    assert all((path.parent / f"test_{path.name}").exists() for path in PROGRAMS)


def test_their_suites_pass(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plc", "test", str(ROOT / "examples"), "-p", "no:cacheprovider"]) == 0, capfd.readouterr().out
    passed = re.search(r"(\d+) passed", capfd.readouterr().out)
    assert passed is not None and int(passed[1]) >= 40


@each_program
def test_drawings_in_the_docs_are_current(path: Path) -> None:
    """To draw anew: pilotlight plc ladder examples/NAME.py --svg -o docs/plc/NAME.svg"""
    drawn = ladder_svg(load_program(path).program.ir, title=path.stem)
    assert (ROOT / f"docs/plc/{path.stem}.svg").read_text() == drawn


@each_program
def test_the_appliance_can_take_it(path: Path) -> None:
    loaded = load_program(path)
    package = loaded.package(path.stem)
    assert read_package(write_package(package)) == package
    flags = {cell.name for cell in package.program.cells if cell.type is Type.BOOL}
    assert package.lines.keys() <= flags and package.lines
    assert list(package.sources) == [path.name]


@each_program
def test_no_input_makes_a_fault(path: Path) -> None:
    program = load_program(path).program.ir
    interpreter = Interpreter(program)
    slots = {cell.name: slot for slot, cell in enumerate(program.cells)}
    inputs = [slots[name] for name, point in load_program(path).lines.items() if point.startswith("%I")]
    chance = random.Random(1)
    for _ in range(2000):
        interpreter.cells[chance.choice(inputs)] = chance.randint(0, 1)
        interpreter.begin()
        interpreter.run(chance.choice([10_000_000, 1_000_000_000]))
        interpreter.finish()
        assert interpreter.cells[:3] == [0, 0, 0]


def test_the_guide_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Its program, its test, and its commands, which print what it shows."""
    program, tasks, suite = [text for kind, text in CODE if kind == "python"]
    drawing = next(text for _kind, text in CODE if text.startswith("Rung 0"))
    (tmp_path / "motor.py").write_text(program)
    (tmp_path / "test_motor.py").write_text(suite)
    monkeypatch.chdir(tmp_path)
    lines = [line for _kind, text in CODE for line in text.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("pilotlight ")]
    assert {words[1] for words in commands} == {"run", "test", "ladder", "build"}
    for words in commands:
        limit = ["--for", "0.1"] if "--realtime" in words else []
        assert main([*words, *limit]) == 0, words
    assert drawing in capfd.readouterr().out
    (tmp_path / "trend.py").write_text(tasks)
    assert main(["plc", "ladder", "trend.py"]) == 0
    assert "\nTask trend, every 1 s, priority 200\n" in capfd.readouterr().out
    levels = [word for scan in range(8) for word in ("--set", f"Level={50 - scan}@{100 * scan + 1}")]
    assert main(["plc", "run", "trend.py", *levels, "--scans", "800", "--tags", "Alarm", "--tags", "Trend"]) == 0
    changes = capfd.readouterr().out.split("\n")[-3:]
    assert [" ".join(line.split()) for line in changes] == ["101 1.010 s Trend = -1", "502 5.020 s Alarm = on", ""]
    read_package((tmp_path / "motor.plz").read_bytes())


def test_the_guide_names_programs_and_drawings_that_there_are() -> None:
    for path in PROGRAMS:
        assert f"| `{path.name}` |" in GUIDE and f"(plc/{path.stem}.svg)" in GUIDE
