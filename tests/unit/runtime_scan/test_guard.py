# SPDX-License-Identifier: Apache-2.0
"""The guard: no end of a scan process goes unseen, whenever it comes."""

from __future__ import annotations

import os
import select
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from pilotlight.runtime import guard as module
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


def test_a_process_that_is_taken_away_while_the_guard_waits_for_it_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its descriptor is closed then: the guard has to be out of its wait before, or it ends with an error."""
    told, reported, turned = [], threading.Event(), threading.Event()
    first: Any = Ending(1 << 30)
    first.pidfd = os.eventfd(0, os.EFD_CLOEXEC)

    def report(process: Any, reason: str) -> None:
        told.append(process)
        reported.set()

    def take_away() -> None:
        guard.forget(first)
        os.close(first.pidfd)

    taker = threading.Thread(target=take_away)

    def waiting(descriptors: list[int], *others: Any) -> Any:
        if first.pidfd in descriptors and not taker.ident:
            taker.start()
            taker.join(0.3)  # until it is done, if nothing keeps it from that
            turned.set()
        return select.select(descriptors, *others)

    monkeypatch.setattr(module, "select", SimpleNamespace(select=waiting))
    guard = Guard(lambda: None, report, 0)
    second: Any = Ending(0)
    guard.watch(first)
    guard.start()
    try:
        assert turned.wait(5)
        taker.join(5)
        assert not taker.is_alive(), "the process is not let go of"
        guard.watch(second)
        assert reported.wait(5), "nobody watches any more"
        assert told == [second]
    finally:
        guard.stop()
        os.close(second.pidfd)
