# SPDX-License-Identifier: Apache-2.0
"""The tools under both their names: as commands, and as parts of `pilotlight control`."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from pilotlight import cli
from pilotlight.runtime.control.cli import TOOLS

SCRIPTS = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_teaches_under_both_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, command, _ = TOOLS[name]
    assert SCRIPTS[command] == f"pilotlight.runtime.control.{module}:main"
    run = importlib.import_module(f"pilotlight.runtime.control.{module}").main
    for call, shown in (
        (lambda: run(["--help"]), command),
        (lambda: cli.main(["control", name, "--help"]), f"control {name}"),
    ):
        with pytest.raises(SystemExit) as stop:
            call()
        out = capsys.readouterr().out
        assert stop.value.code == 0
        assert f"usage: {'pilotlight ' if 'control' in shown else ''}{shown} " in out
        assert "exit code: " in out


def test_the_exit_code_of_a_tool_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["control", "report", str(tmp_path / "none"), "--once"]) == 1
    assert "pilotlight control report: " in capsys.readouterr().err


def test_the_help_names_every_tool(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["control", "--help"])
    out = capsys.readouterr().out
    assert [
        name for name, (_, command, _) in TOOLS.items() if f"control {name} " not in out or command not in out
    ] == []
