# SPDX-License-Identifier: Apache-2.0
"""docs/plc-debugging.md: its program says what it shows, and its settings are those that are taken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
from pilotlight.plc.debugger.arguments import Launch

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/plc-debugging.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_program_says_what_the_page_shows(tmp_path: Path) -> None:
    (program,), (shown,) = blocks("python"), blocks("text")
    (tmp_path / "motor.py").write_text(program)
    environment = {"PYTHONPATH": str(ROOT / "daemons")}
    command = [sys.executable, "motor.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == shown


def test_the_settings_are_those_that_launch_takes() -> None:
    extension, settings = (json.loads(block) for block in blocks("json"))
    (debugger,) = extension["contributes"]["debuggers"]
    fields = {field.encode_name for field in msgspec.structs.fields(Launch)}
    assert set(debugger["configurationAttributes"]["launch"]["properties"]) == fields
    (configuration,) = settings["configurations"]
    assert configuration["type"] == debugger["type"]
    msgspec.convert(configuration, Launch)
