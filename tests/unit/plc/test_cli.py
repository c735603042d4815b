# SPDX-License-Identifier: Apache-2.0
"""`pilotlight plc`: run, test, draw and package program files."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pilotlight.cli import main
from pilotlight.plc.loading import LoadError, load_program
from pilotlight.plc.package import read_package

ROOT = Path(__file__).parents[3]
LAMP = """\
from pilotlight.plc import Bool, Int, Program, Rung, Tms, on_delay, out, run_function
from parts.valve import Valve

Button, Lamp = Bool("Button"), Bool("Lamp")
Done, Passed = Bool("Done"), Int("Passed")
with Program() as logic:
    with Rung(Button):
        on_delay(Done, Passed, preset=50, unit=Tms)
    with Rung(Done):
        out(Lamp)
        out(Valve)
LINES = {Button: "%IX0.0", "Lamp": "%QX0.0"}
PERIOD_MS = 20
"""
TEST = """\
from lamp import Lamp, Button, logic
from pilotlight.plc import PLC

def test_the_lamp_follows_the_button():
    with PLC(logic, dt=0.02) as plc:
        Button.value = True
        plc.run(3)
        assert Lamp.value

def test_that_fails():
    assert Lamp is None
"""


@pytest.fixture
def lamp(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/valve.py").write_text('from pilotlight.plc import Bool\nValve = Bool("Valve")\n')
    (tmp_path / "lamp.py").write_text(LAMP)
    return tmp_path / "lamp.py"


def plc(*words: object) -> int:
    return main(["plc", *map(str, words)])


def test_run_prints_every_tag_that_changes(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plc("run", lamp, "--set", "Button=on@2", "--force", "Lamp=off@6", "--scans", 6) == 0
    assert [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()] == [
        ["2", "0.040", "s", "Button = on"],
        ["2", "0.040", "s", "Passed = 20"],
        ["3", "0.060", "s", "Passed = 40"],
        ["4", "0.080", "s", "Done = on"],
        ["4", "0.080", "s", "Passed = 60"],
        ["4", "0.080", "s", "Lamp = on"],
        ["4", "0.080", "s", "Valve = on"],
        ["5", "0.100", "s", "Passed = 80"],
        ["6", "0.120", "s", "Passed = 100"],
        ["6", "0.120", "s", "Lamp = off"],
    ]


def test_run_takes_time_tags_and_a_period(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plc("run", lamp, "--set", "Button=1", "--period", 5, "--for", 0.1, "--tags", "L*") == 0
    assert capsys.readouterr().out == "     10       0.050 s  Lamp = on\n"


def test_run_ends_with_the_ladder_as_it_stands(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plc("run", lamp, "--set", "Button=on", "--scans", 2, "--tags", "none", "--ladder") == 0
    text = capsys.readouterr().out
    assert "┣━━┫ ┣━━" in text and "acc Passed = 40" in text and "❨" not in text


def test_run_by_the_clock_takes_its_time(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The first scan has no time behind it; the timer of 50 ms is done when 50 ms have passed, in whatever scan.
    assert plc("run", lamp, "--realtime", "--for", 0.2, "--set", "Button=on", "--tags", "Lamp") == 0
    scan, seconds, *_ = capsys.readouterr().out.split()
    assert float(seconds) >= 0.05 and 3 <= int(scan) <= 10


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("Buton=on", "no tag 'Buton'; it has: Button, Done, Lamp, Passed, Valve"),
        ("Button=maybe", "give on or off"),
        ("Passed=40000", "fits INT"),
        ("Passed=1.5", "fits INT"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    lamp: Path, setting: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plc("run", lamp, "--set", setting) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--set", "Button"], ["--set", "A=1@0"], ["--scans", "0"], ["--for", "-1"]])
def test_a_wrong_command_line_is_refused(lamp: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plc("run", lamp, *words) == 2
    assert "usage: pilotlight plc run" in capsys.readouterr().err


def test_build_makes_a_package_of_the_program_and_its_own_sources(
    lamp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plc("build", lamp) == 0
    assert "2 rungs" in capsys.readouterr().out
    package = read_package(lamp.with_suffix(".plz").read_bytes())
    assert (package.name, package.period_ns) == ("lamp", 20_000_000)
    assert package.lines == {"Button": "%IX0.0", "Lamp": "%QX0.0"}
    assert sorted(package.sources) == ["lamp.py", "parts/valve.py"]
    assert package.sources["lamp.py"] == LAMP.encode()
    assert {rung.file for rung in package.program.rungs} == {"lamp.py"}
    assert "parts.valve" not in sys.modules


def test_the_place_of_a_build_does_not_matter(lamp: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (lamp.parent / "parts").rename(elsewhere / "parts")
    lamp.rename(elsewhere / "lamp.py")
    assert plc("build", elsewhere / "lamp.py", "-o", tmp_path / "a.plz", "--name", "Lamp 7") == 0
    package = read_package((tmp_path / "a.plz").read_bytes())
    assert package.name == "Lamp 7" and str(tmp_path) not in repr(package.program)


def test_build_refuses_what_the_appliance_cannot_run(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    function = "    with Rung():\n        run_function(dict, ins={}, outs={})\n"
    lamp.write_text(LAMP.replace("LINES", function + "LINES"))
    assert plc("build", lamp) == 1
    assert "Python functions" in capsys.readouterr().err
    assert not lamp.with_suffix(".plz").exists()


def test_ladder_draws_programs_and_packages(lamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plc("ladder", lamp) == 0
    text = capsys.readouterr().out
    assert "│ preset 50 ms" in text
    assert plc("build", lamp) == 0
    capsys.readouterr()
    assert plc("ladder", lamp.with_suffix(".plz")) == 0
    assert capsys.readouterr().out == text
    picture = lamp.with_suffix(".svg")
    assert plc("ladder", lamp, "--svg", "-o", picture) == 0
    assert ET.parse(picture).getroot().findtext("{*}title") == "lamp"
    lamp.with_suffix(".plz").write_bytes(b"PK")
    assert plc("ladder", lamp.with_suffix(".plz")) == 1
    assert "not a program package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "holds no program"),
        ("\nx = 1 +\n", r"line 2: SyntaxError"),
        ("import nosuch\n", "line 1: ModuleNotFoundError"),
        (LAMP + "other = Program()\n", "holds 2 programs: choose with --program logic or other"),
        (LAMP.replace("20", "0"), "PERIOD_MS is 0"),
        (LAMP.replace("LINES = {", "LINES = {1: 2, "), "LINES gives points"),
        ("from pilotlight.plc import *\nwith Program() as p:\n    with Rung():\n        out(3)\n", "line 4: TypeError"),
        ("from pilotlight.plc import *\nwith Program() as p:\n    with Rung():\n        call('x')\n", "'x' is called"),
    ],
)
def test_what_is_wrong_with_a_program_file_is_said(lamp: Path, text: str, reason: str) -> None:
    lamp.write_text(text)
    with pytest.raises(LoadError, match=reason):
        load_program(lamp)


def test_one_of_several_programs_can_be_chosen(lamp: Path) -> None:
    lamp.write_text(LAMP + "with Program() as other:\n    with Rung():\n        out(Lamp)\n")
    assert len(load_program(lamp, "other").program.ir.rungs) == 1
    with pytest.raises(LoadError, match="no program 'third'; it has: logic, other"):
        load_program(lamp, "third")


def test_test_runs_the_tests_beside_a_program(lamp: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (lamp.parent / "test_lamp.py").write_text(TEST)
    assert plc("test", lamp.parent, "-k", "follows", "-p", "no:cacheprovider") == 0
    assert "1 passed" in capfd.readouterr().out
    assert plc("test", lamp.parent, "-p", "no:cacheprovider") == 1
    assert plc("test", lamp.parent / "nowhere") == 1
    assert "there is no" in capfd.readouterr().err


ON_A_LAPTOP = """\
import sys

class NotThere:
    def find_spec(self, name, path=None, target=None):
        allowed = {*sys.stdlib_module_names, "pilotlight", "msgspec", "parts"}
        if name.partition(".")[0] not in allowed or name == "pilotlight.tags._core":
            raise ModuleNotFoundError(f"a laptop has no {name}")

sys.meta_path.insert(0, NotThere())
from pilotlight.cli import main
program, package = sys.argv[1:]
codes = [
    main(["plc", "run", program, "--set", "Button=on"]),
    main(["plc", "ladder", program]),
    main(["plc", "build", program, "-o", package]),
]
ours = {name.split(".")[1] for name in sys.modules if name.startswith("pilotlight.")}
assert codes == [0, 0, 0], codes
assert ours == {"cli", "plc", "tags"}, ours
"""


def test_a_laptop_needs_nothing_but_python_and_msgspec(lamp: Path) -> None:
    """No compiler's output either: the package is read from its sources."""
    command = [sys.executable, "-c", ON_A_LAPTOP, str(lamp), str(lamp.with_suffix(".plz"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "daemons")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
