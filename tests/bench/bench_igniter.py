# SPDX-License-Identifier: Apache-2.0
"""How fast the igniter's outputs go off, whatever happens while it fires, and whether a command is ever lost.

Each trial arms, fires two channels, does its worst, and looks from another process until both are off. All of it under
load: a computing process for each core. Which lines, and with which priority: see `igniter_rig`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pilotlight.igniter.commands import Verdict
from pilotlight.igniter.pair import LoopError

from tests.bench.common import Row, main
from tests.bench.igniter_nursery import HANG
from tests.bench.igniter_rig import KILL, Act, Observer, Rig, lines, load

UNKNOWN_KIND = 255
MOST_EXCUSED = 100
Trial = Callable[[Rig, Observer], Awaitable[float | None]]


async def open_kill_switch(rig: Rig, observer: Observer) -> float | None:
    """The kill switch opens, and closes again afterwards."""
    took = await observer.off(Act(open_kill_switch=True))
    rig.seen.drive(KILL, True)
    return took


def send(number: int) -> Trial:
    """The loop gets a signal."""

    async def trial(rig: Rig, observer: Observer) -> float | None:
        took = await observer.off(Act(rig.pair.pid, number))
        await rig.start()
        return took

    return trial


def spoil(kind: int) -> Trial:
    """The loop gets a command that makes it raise an exception, or hang."""

    async def trial(rig: Rig, observer: Observer) -> float | None:
        rig.spoil(kind)
        took = await observer.off(Act())
        await rig.start()
        return took

    return trial


async def times(rig: Rig, observer: Observer, trial: Trial, count: int) -> tuple[list[float], int]:
    """Milliseconds of each trial, in order of length, and how many did not go off at all."""
    found: list[float] = []
    for _ in range(count):
        await rig.fire()
        took = await trial(rig, observer)
        if took is not None:
            found.append(took)
    return sorted(found), count - len(found)


async def pairs(rig: Rig, count: int, window_ms: int) -> tuple[int, int]:
    """How many of `count` armings, each followed at once by firing, did not fire; and how many more were no pairs.

    What a watchdog of a busy machine has made safe is refused for that, or its loop was ended by the guard: whoever
    asked is told, nothing is lost. Such a one is tried again. A loop that gives no answer, or ends for another reason,
    has lost the pair. RuntimeError when there is no end of watchdogs.
    """
    lost = excused = judged = 0
    while judged < count:
        rig.shots.clear()
        await rig.settle()
        try:
            verdicts = await rig.arm_and_fire(window_ms)
            fired = verdicts == [Verdict.ACCEPTED] * 3 and await rig.shot(2) and all(s.on_ns for s in rig.shots)
        except LoopError:
            verdicts, fired = [], False
        if fired:
            judged += 1
            continue
        with contextlib.suppress(LoopError):
            # What made the loop safe is told after the verdict, and before the answer to the next question.
            await rig.look()
        if rig.upset or verdicts[-1:] == [Verdict.UNDONE]:
            excused += 1
            if excused > MOST_EXCUSED + count:
                raise RuntimeError("watchdogs make safe more often than not: this machine is too busy")
        else:
            judged += 1
            lost += 1
            said = ", ".join(verdict.name for verdict in verdicts) or "no answer"
            print(f"pair {judged} is lost: {said}; {rig.shots}", file=sys.stderr, flush=True)
        await rig.start()
    return lost, excused


@dataclass(frozen=True)
class Counts:
    """How many trials: openings of the kill switch, ends of each kind, and pairs of arming and firing.

    `pair_ms` is the window of a pair: one that is over before the loop has come to switch on is undone, not lost.
    """

    kills: int
    ends: int
    pairs: int
    pair_ms: int = 1


FULL, QUICK = Counts(10_000, 1_000, 100_000), Counts(200, 10, 500)


async def measure(rig: Rig, observer: Observer, counts: Counts, busy: int) -> list[Row]:
    """All trials; their rows. What was done is told on stderr: it can take long."""
    await rig.start()
    life = asyncio.create_task(rig.live())
    rows: list[Row] = []

    async def add(name: str, trial: Trial, count: int, median: float | None, worst: float | None) -> None:
        found, failed = await times(rig, observer, trial, count)
        peer = f"{count} trials, {busy} processes of load, chip {rig.seen.chip}"
        rows.append(Row(f"{name}, median", statistics.median(found), "ms", median, peer))
        rows.append(Row(f"{name}, worst", found[-1], "ms", worst))
        rows.append(Row(f"{name}, not off", failed, "", 0))
        said = f"{statistics.median(found):.3g} ms at the median, {found[-1]:.3g} at worst, {failed} not off"
        print(f"{name}: {count} trials, {said}", file=sys.stderr, flush=True)

    try:
        await add("kill switch to all off", open_kill_switch, counts.kills, 2, None)
        await add("SIGKILL to all off", send(signal.SIGKILL), counts.ends, None, 20)
        await add("SIGSEGV to all off", send(signal.SIGSEGV), counts.ends, None, 20)
        await add("exception to all off", spoil(UNKNOWN_KIND), counts.ends, None, 20)
        await add("SIGSTOP to all off", send(signal.SIGSTOP), counts.ends, 20, 200)
        await add("endless loop to all off", spoil(HANG), counts.ends, 20, 200)
        lost, excused = await pairs(rig, counts.pairs, counts.pair_ms)
        rows.append(Row("arm and fire at once, lost", lost, "", 0, f"{counts.pairs} pairs"))
        rows.append(Row("arm and fire at once, made safe by a watchdog and tried again", excused, ""))
        rows.append(Row("armings that a watchdog made safe", rig.disturbed, ""))
    finally:
        life.cancel()
    return rows


def trials(counts: Counts, busy: int) -> list[Row]:
    """So many trials with the lines that the environment names, beside so many processes that compute."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        os.environ["PILOTLIGHT_RUN"] = folder
        seen = lines()
        observer = Observer(seen)
        rig = Rig(seen)
        try:
            with load(busy):
                return asyncio.run(measure(rig, observer, counts, busy))
        finally:
            rig.close()
            observer.close()


def run(quick: bool) -> list[Row]:
    """Measure; `quick` takes a fiftieth of the openings, a hundredth of the ends, a two hundredth of the pairs."""
    return trials(QUICK if quick else FULL, os.cpu_count() or 1)


if __name__ == "__main__":
    main("igniter", run)
