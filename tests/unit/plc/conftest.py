# SPDX-License-Identifier: Apache-2.0
"""The tests of instructions hold for both engines: what they scanned in the interpreter, the native engine repeats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.plc.replaying import RECORDER


@pytest.fixture(scope="session", autouse=True)
def native_engine_agrees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After the last test, all programs are built together and their scans repeated."""
    yield
    if RECORDER.programs:
        assert RECORDER.differences(tmp_path_factory.mktemp("replay")) == []
