# SPDX-License-Identifier: Apache-2.0
"""The static checks, each one command: ruff, mypy --strict and shellcheck."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SHELLS = {b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"}


def run(*command: str) -> str:
    """Output of a check that failed, or nothing."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def shell_scripts() -> list[str]:
    """Tracked files that end in .sh or begin with a shell's shebang."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
    return [name for name in names if name.endswith(".sh") or shebang(ROOT / name) in SHELLS]


def shebang(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(64).strip()


def test_ruff() -> None:
    assert run(sys.executable, "-m", "ruff", "check", ".") == ""


def test_mypy_strict() -> None:
    assert run(sys.executable, "-m", "mypy") == ""


def test_shellcheck() -> None:
    scripts = shell_scripts()
    assert "build-image.sh" in scripts
    assert run("shellcheck", *scripts) == ""
