# SPDX-License-Identifier: Apache-2.0
"""Real scan processes for the tests: programs compiled here, once a session."""

from __future__ import annotations

from functools import partial

import pytest

from tests.unit.runtime_scan.support import Build, compile_program


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`build("follow", FAULT=1)` compiles fixtures/follow.c with these macros."""
    return partial(compile_program, tmp_path_factory.mktemp("programs"))
