# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of the igniter's processes."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from pilotlight.igniter import guard, loop

from tests.unit.igniter.bench import Bench


@pytest.fixture
def this_process_as_it_was() -> Iterator[None]:
    """Loop and guard ignore signals and collect no garbage, as they must in a process of their own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def bench(this_process_as_it_was: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(loop, "become_real_time", lambda priority: [])
    monkeypatch.setattr(guard, "become_real_time", lambda priority: [])
    yield Bench()
