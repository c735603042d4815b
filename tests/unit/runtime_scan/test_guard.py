# SPDX-License-Identifier: Apache-2.0
"""The guard: no end of a scan process goes unseen, whenever it comes."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from pilotlight.runtime.guard import Guard
from pilotlight.tags import now_ns

HOUR_NS = 3_600_000_000_000


class Ending:
    """A scan process that is killed right after its `looks`-th question, whichever that is."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.pidfd = os.eventfd(1, os.EFD_CLOEXEC)
        self.ring = SimpleNamespace(touch=lambda now: None)
        self.reader = SimpleNamespace(beat=lambda: SimpleNamespace(deadline_ns=now_ns() + HOUR_NS))

    def _lives(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def ended(self) -> bool:
        return not self._lives()

    def exit_reason(self) -> str:
        return "" if self._lives() else "the scan process ended by SIGKILL"

    def kill(self) -> None:
        """It is gone."""


@pytest.mark.parametrize("looks", range(6))
def test_a_process_that_ends_between_two_looks_is_noticed(looks: int) -> None:
    reported, safe = threading.Event(), threading.Event()
    told: list[str] = []

    def report(process: Any, reason: str) -> None:
        told.append(reason)
        reported.set()

    guard = Guard(safe.set, report, 0)
    process: Any = Ending(looks)
    guard.watch(process)
    guard.start()
    try:
        assert reported.wait(5), "nobody was told, outputs were left as they were"
        assert safe.is_set()
        assert told == ["the scan process ended by SIGKILL"]
    finally:
        guard.stop()
        os.close(process.pidfd)
