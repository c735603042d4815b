# SPDX-License-Identifier: Apache-2.0
"""Firing loop and guard as the daemon has them: their start, and the end of the silent."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from pilotlight.igniter import pair
from pilotlight.igniter.commands import Command, Kind
from pilotlight.tags import now_ns

from tests.unit.igniter.bench import Bench


def test_a_loop_that_is_being_started_is_not_killed_for_its_silence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleeper(*_: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "60"])

    async def ask() -> None:
        starting = pair.Pair(bench.job, bench.held, lambda _: None, lambda _: None)
        try:
            with pytest.raises(pair.LoopError, match="is being started; nothing was done"):
                await starting.ask(Command(Kind.LOOK))
            assert Path(f"/proc/{starting.pid}/stat").read_text().split()[2] != "Z", "it lives"
        finally:
            starting.close()

    monkeypatch.setattr(pair, "_spawn", sleeper)
    asyncio.run(ask())


@pytest.mark.parametrize("silent", ["guard", "firing loop"])
def test_a_child_that_never_gives_a_sign_of_life_is_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    reasons: list[str] = []

    async def wait() -> None:
        ended = asyncio.Event()
        monkeypatch.setattr(pair, "START_NS", 50_000_000)

        def has_ended(reason: str) -> None:
            reasons.append(reason)
            ended.set()

        stuck = pair.Pair(bench.job, bench.held, lambda _: None, has_ended)
        alive = "loop_ns" if silent == "guard" else "guard_ns"
        setattr(stuck._page, alive, now_ns() + 3600 * 1_000_000_000)
        try:
            await asyncio.wait_for(ended.wait(), 20)
        finally:
            stuck.close()

    monkeypatch.setattr(pair, "_spawn", lambda *_: subprocess.Popen(["sleep", "60"]))
    asyncio.run(wait())
    assert len(reasons) == 1
    assert reasons[0].startswith(f"the {silent} was silent for ")
