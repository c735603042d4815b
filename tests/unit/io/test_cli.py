# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight lines` on a simulated chip."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pilotlight.io.cli import main
from pilotlight.io.drivers import simulated_path
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import SegmentWriter, Tag, Type

IO_YAML = """
lines:
  start: {chip: sim0, line: 0, address: "%IX0.0"}
  door:  {chip: sim0, line: 1, address: "%IX0.1", active_low: true}
  lamp:  {chip: sim0, line: 8, address: "%QX0.0"}
simulated: {label: sim0, lines: 16}
"""


@pytest.fixture
def chip() -> SimulatedChip:
    etc = Path(os.environ["PILOTLIGHT_ETC"])
    etc.mkdir(parents=True)
    (etc / "io.yaml").write_text(IO_YAML)
    path = simulated_path("sim0")
    path.parent.mkdir(parents=True)
    return SimulatedChip.create(path, 16)


def test_set_get_and_list(chip: SimulatedChip, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["set", "start", "on"]) == 0 and main(["set", "door", "1"]) == 0
    assert chip.level(0)[0] is True and chip.level(1)[0] is False, "door is active-low"
    assert main(["get", "start"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert main([]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["LEVEL", "ADDRESS", "NAME", "CHIP", "LINE", "SETTINGS"]
    assert [row.split()[:3] for row in rows[1:]] == [
        ["1", "%IX0.0", "start"],
        ["1", "%IX0.1", "door"],
        ["0", "%QX0.0", "lamp"],
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["set", "lamp", "1"], "belongs to the program"),
        (["get", "lmap"], "has no line lmap"),
        (["watch"], "the runtime is not up"),
    ],
)
def test_refusals(chip: SimulatedChip, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert reason in capsys.readouterr().err


def test_check_names_what_is_wrong(chip: SimulatedChip, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "2 inputs, 1 outputs" in capsys.readouterr().out
    path = Path(os.environ["PILOTLIGHT_ETC"]) / "io.yaml"
    path.write_text(IO_YAML.replace("line: 8", "line: 1"))
    assert main(["check"]) == 1
    assert "line 1 of chip sim0 is already door" in capsys.readouterr().err
    path.write_text("lines: [1")
    assert main(["check"]) == 1
    assert "io.yaml cannot be used" in capsys.readouterr().err


def test_watch_shows_changes_over_a_new_epoch(chip: SimulatedChip, capsys: pytest.CaptureFixture[str]) -> None:
    writer = SegmentWriter.create("plc", [Tag("Line.start", Type.BOOL)])
    watching = threading.Thread(target=main, args=(["watch", "--count", "3"],))
    watching.start()
    shown = ""
    for level in (True, False):
        while shown.count("\n") < (1 if level else 2):
            shown += capsys.readouterr().out
            watching.join(0.005)
        if not level:
            writer = SegmentWriter.create("plc", [Tag("Line.other", Type.BOOL), Tag("Line.start", Type.BOOL)])
        writer.set(writer.directory.index("Line.start"), level)
        writer.publish()
    while watching.is_alive():
        watching.join(0.005)
        shown += capsys.readouterr().out
    assert shown.splitlines()[:2] == ["start 0", "start 1"]
