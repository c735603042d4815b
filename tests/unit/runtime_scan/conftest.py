# SPDX-License-Identifier: Apache-2.0
"""Real scan processes for the tests: programs compiled here, lines of a simulated chip."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pilotlight.runtime.launcher import LoadedProgram

from tests.unit.runtime_scan.support import VARIABLES, Build

FIXTURES = Path(__file__).parent / "fixtures"
HEADERS = Path(__file__).parents[3] / "daemons/pilotlight/runtime/native"


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`build("follow", FAULT=1)` compiles fixtures/follow.c with these macros, once a session."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(name: str, **macros: int) -> LoadedProgram:
        label = "-".join([name, *(f"{key}{value}" for key, value in macros.items())])
        path = folder / f"{label}.so"
        if not path.exists():
            flags = [f"-D{key}={value}" for key, value in macros.items()]
            command = ["gcc", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-Bsymbolic", f"-I{HEADERS}"]
            subprocess.run([*command, *flags, str(FIXTURES / f"{name}.c"), "-o", str(path)], check=True, timeout=60)
        return LoadedProgram(label, label, "0123456789abcdef0123456789abcdef", path, VARIABLES)

    return compile_program
