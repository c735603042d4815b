# SPDX-License-Identifier: Apache-2.0
"""Firing loop and guard as the daemon has them: their start, and the end of the silent."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
from pilotlight.igniter import guard, pair
from pilotlight.igniter.commands import Command, Kind
from pilotlight.tags import now_ns

from tests.unit.igniter.bench import Bench

VERDICT_S = 0.05


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


def test_who_waits_for_a_loop_that_ends_in_its_start_is_told_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def wait() -> None:
        starting = pair.Pair(bench.job, bench.held, lambda _: None, ended.append)
        try:
            with pytest.raises(pair.LoopError, match="the firing loop has ended"):
                await asyncio.wait_for(starting.ready(), 10)
            with pytest.raises(pair.LoopError, match="the firing loop has ended"):
                await starting.ask(Command(Kind.LOOK))
        finally:
            starting.close()

    monkeypatch.setattr(
        pair, "_spawn", lambda module, *_: subprocess.Popen(["sleep", "60" if module == "guard" else "0"])
    )
    asyncio.run(wait())
    assert len(ended) == 1


@pytest.mark.parametrize("rounds", [0, 1])
def test_a_command_that_waits_for_a_closed_loop_kills_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    killed: list[int] = []

    async def ask() -> None:
        asked = pair.Pair(bench.job, bench.held, lambda _: None, lambda _: None)
        asked._ready.set_result(None)

        def close(rounds: int) -> None:
            if rounds:
                asyncio.get_running_loop().call_soon(close, rounds - 1)
                return
            asked.close()
            # From here on the number of its descriptor may be that of another loop.
            monkeypatch.setattr(guard, "kill", killed.append)

        waiting = asyncio.create_task(asked.ask(Command(Kind.LOOK)))
        await asyncio.sleep(0)
        # Its time is up, and before it hears of that, so many rounds of asyncio later, the loop is closed.
        asyncio.get_running_loop().call_later(2 * VERDICT_S, close, rounds)
        time.sleep(4 * VERDICT_S)
        with pytest.raises(pair.LoopError, match="was ended; all outputs are off"):
            await waiting

    monkeypatch.setattr(pair, "VERDICT_S", VERDICT_S)
    monkeypatch.setattr(pair, "_spawn", lambda *_: subprocess.Popen(["sleep", "60"]))
    asyncio.run(ask())
    assert killed == []


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
