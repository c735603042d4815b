# SPDX-License-Identifier: Apache-2.0
"""The trials of the bench, a few of each and without load: they find outputs that go off, and lines of the kernel."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pilotlight.igniter import pair
from pilotlight.igniter.commands import Verdict
from pilotlight.igniter.pair import LoopError

from tests.bench import igniter_rig
from tests.bench.bench_igniter import Counts, measure, pairs
from tests.bench.igniter_rig import KILL, OUTPUTS, KernelLines, Observer, Rig, lines


def test_after_every_trial_all_outputs_are_off_and_no_command_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(igniter_rig, "PRIORITY", 0)
    # The rig puts a loop of its own in its place.
    monkeypatch.setattr(pair, "_spawn", pair._spawn)
    seen = lines()
    observer = Observer(seen)
    rig = Rig(seen)
    try:
        rows = asyncio.run(measure(rig, observer, Counts(2, 1, 5), 0))
    finally:
        rig.close()
        observer.close()
    counted = [row for row in rows if row.name.endswith((", not off", ", lost"))]
    assert [row.value for row in counted] == [0] * 7
    assert {row.bar for row in counted} == {0}
    assert not seen.on()


class Scripted:
    """A rig whose pairs end as they are told to."""

    def __init__(self, *ends: str) -> None:
        self.ends = list(ends)
        self.upset = self.coming = False
        self.shots: list[SimpleNamespace] = []
        self.started = 0

    async def settle(self) -> None:
        self.upset = False

    async def start(self) -> None:
        self.started += 1

    async def arm_and_fire(self, window_ms: int) -> list[Verdict]:
        end = self.ends.pop(0)
        self.coming = end in ("watchdog", "ended by the guard")
        if end in ("no answer", "ended by the guard"):
            raise LoopError(end)
        self.shots = [SimpleNamespace(on_ns=end == "fired")] * 2
        last = {"fired": Verdict.ACCEPTED, "never on": Verdict.ACCEPTED, "late": Verdict.UNDONE}
        return [Verdict.ACCEPTED, Verdict.ACCEPTED, last.get(end, Verdict.WRONG_STATE)]

    async def look(self) -> None:
        self.upset = self.coming

    async def shot(self, count: int) -> bool:
        return len(self.shots) == count


@pytest.mark.parametrize(
    ("ends", "lost", "excused"),
    [
        (("fired", "fired", "fired"), 0, 0),
        (("fired", "refused", "fired"), 1, 0),
        (("never on", "fired", "fired"), 1, 0),
        (("no answer", "fired", "no answer"), 2, 0),
        (("watchdog", "fired", "late", "fired", "watchdog", "fired"), 0, 3),
        (("ended by the guard", "fired", "no answer", "fired"), 1, 1),
    ],
)
def test_only_what_a_watchdog_made_safe_is_excused_and_tried_again(
    ends: tuple[str, ...], lost: int, excused: int
) -> None:
    rig = Scripted(*ends)
    assert asyncio.run(pairs(cast(Rig, rig), 3, 1)) == (lost, excused)
    assert (rig.ends, rig.started) == ([], lost + excused)


@pytest.mark.parametrize(
    ("number", "upset", "reason"),
    [
        (signal.SIGSTOP, True, r"the guard ended the firing loop, which was silent for \d+ ms; all outputs are off"),
        (signal.SIGKILL, False, "the firing loop has ended .*; all outputs are off"),
    ],
)
def test_a_loop_ended_for_its_silence_is_told_from_one_that_died(
    number: int, upset: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(igniter_rig, "PRIORITY", 0)
    monkeypatch.setattr(pair, "_spawn", pair._spawn)
    rig = Rig(lines())

    async def end_one() -> bool:
        await rig.start()
        await rig.fire()
        os.kill(rig.pair.pid, number)
        async with asyncio.timeout(10):
            with pytest.raises(LoopError, match=reason):
                while True:
                    await rig.sound()
        return rig.upset

    try:
        assert asyncio.run(end_one()) is upset
    finally:
        rig.close()


def test_watchdogs_without_end_are_told() -> None:
    with pytest.raises(RuntimeError, match="too busy"):
        asyncio.run(pairs(cast(Rig, Scripted(*["watchdog"] * 1000)), 3, 1))


def test_lines_of_the_kernel_are_those_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in range(8):
        (tmp_path / f"sim_gpio{line}").mkdir()
        (tmp_path / f"sim_gpio{line}/value").write_text("0\n")
    monkeypatch.setenv("PILOTLIGHT_GPIO_SIM", f"bank:{tmp_path}")
    seen = lines()
    assert isinstance(seen, KernelLines)
    assert (seen.chip, seen.on()) == ("bank", False)
    (tmp_path / f"sim_gpio{OUTPUTS[1]}/value").write_text("1\n")
    assert seen.on()
    seen.drive(KILL, False)
    assert (tmp_path / "sim_gpio0/pull").read_text() == "pull-down"
