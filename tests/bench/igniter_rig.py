# SPDX-License-Identifier: Apache-2.0
"""What the igniter's bench works with: lines, a process that looks at them, load, and a firing loop with its guard.

The lines are those of the simulated chip. With `PILOTLIGHT_GPIO_SIM=LABEL:FOLDER` they are those of a chip of the
kernel's gpio-sim with eight lines or more; FOLDER is its folder in sysfs, with `sim_gpio0` and so on.
`PILOTLIGHT_BENCH_PRIORITY` is the real-time priority of the loop (60 by default, 0: none).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from pilotlight.daemon.settings import parse_settings
from pilotlight.igniter import pair as pairs
from pilotlight.igniter.arming import Cause
from pilotlight.igniter.checks import FORCEABLE
from pilotlight.igniter.commands import Command, Kind, Verdict, encode
from pilotlight.igniter.firing import job_of
from pilotlight.igniter.held import Held
from pilotlight.igniter.outputs import simulated_path
from pilotlight.igniter.pair import Answer, LoopError, Pair
from pilotlight.igniter.records import Shot
from pilotlight.igniter.reports import Message, Report
from pilotlight.igniter.settings import IgniterSettings
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import now_ns

from tests.bench.igniter_fork import Nursery

KILL, OUTPUTS, STATUS = 0, (2, 3), (4, 5)
PRIORITY = int(os.environ.get("PILOTLIGHT_BENCH_PRIORITY", "60"))
LONGEST_NS = 5_000_000_000
"""So long an output may stay on until the trial counts as one that never went off."""
WINDOW_MS = 20_000
MASK = 0b0101
TRIES = 100
PROCESSES = multiprocessing.get_context("fork")
_YAML = """
channels: {{1: {{chip: {chip}, line: 2, status: 4}}, 3: {{chip: {chip}, line: 3, status: 5}}}}
arming:
  kill_switch: {{chip: {chip}, line: 0}}
  priority: {priority}
  countdown_ms: 0
  lease_ms: 30000
  fresh_ms: 10000
  max_fire_ms: 30000
simulated: {{}}
"""


class Lines(Protocol):
    """The lines as seen from outside."""

    chip: str

    def drive(self, line: int, level: bool) -> None:
        """Drive an input of the igniter."""

    def on(self) -> bool:
        """Whether any output is on."""


class SimulatedLines:
    """Lines of the simulated chip."""

    chip = "igniter0"

    def __init__(self) -> None:
        path = simulated_path(self.chip)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._chip = SimulatedChip.create(path, 8)

    def drive(self, line: int, level: bool) -> None:
        self._chip.drive(line, level)

    def on(self) -> bool:
        return any(self._chip.level(line)[0] for line in OUTPUTS)


class KernelLines:
    """Lines of a chip of gpio-sim."""

    def __init__(self, chip: str, folder: Path) -> None:
        self.chip = chip
        self._folder = folder
        self._values = [os.open(folder / f"sim_gpio{line}/value", os.O_RDONLY) for line in OUTPUTS]

    def drive(self, line: int, level: bool) -> None:
        (self._folder / f"sim_gpio{line}/pull").write_text("pull-up" if level else "pull-down")

    def on(self) -> bool:
        return any(os.pread(value, 1, 0) == b"1" for value in self._values)


def lines() -> Lines:
    """The lines that the environment names."""
    chip, _, folder = os.environ.get("PILOTLIGHT_GPIO_SIM", "").partition(":")
    return KernelLines(chip, Path(folder)) if chip else SimulatedLines()


@dataclass(frozen=True)
class Act:
    """What the observer does before it looks: send a signal, open the kill switch, or nothing."""

    pid: int = 0
    signal: int = 0
    open_kill_switch: bool = False


class Observer:
    """A process that acts and says when all outputs were off. It has a real-time priority below the loop's, if it may:
    otherwise the load would be measured. Make it before any thread."""

    def __init__(self, seen: Lines) -> None:
        self._end, end = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_observe, args=(seen, end), daemon=True)
        self._process.start()

    async def off(self, act: Act) -> float | None:
        """Milliseconds from the act until all outputs were off; None when they did not go off."""
        self._end.send(act)
        start, end = await asyncio.to_thread(self._end.recv)
        return None if end is None else (end - start) / 1e6

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _observe(seen: Lines, end: Connection) -> None:
    if PRIORITY:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(max(1, PRIORITY - 10)))
    while True:
        act: Act = end.recv()
        start = now = now_ns()
        if act.signal:
            os.kill(act.pid, act.signal)
        if act.open_kill_switch:
            seen.drive(KILL, False)
        while seen.on() and now - start < LONGEST_NS:
            now = now_ns()
        end.send((start, now_ns() if not seen.on() else None))


@contextlib.contextmanager
def load(count: int) -> Iterator[None]:
    """So many processes that compute."""
    busy = [PROCESSES.Process(target=_compute, daemon=True) for _ in range(count)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def _compute() -> None:
    while True:
        sum(range(10_000))


@dataclass
class Rig:
    """Held lines, and a loop with its guard. `disturbed` counts armings that did not last until the trial."""

    seen: Lines
    disturbed: int = 0
    shots: list[Shot] = field(default_factory=list)

    def __post_init__(self) -> None:
        text = _YAML.format(chip=self.seen.chip, priority=PRIORITY)
        settings = parse_settings(IgniterSettings, text.encode(), "igniter.yaml")
        assert settings.arming is not None
        self._job = job_of(settings.arming)
        self._held = Held(settings, settings.arming)
        # Only now: to ask the kernel for a line with a bias drives it.
        for line in (KILL, *STATUS):
            self.seen.drive(line, True)
        self._fired = asyncio.Event()
        self._pair: Pair | None = None
        self.upset = False
        """Whether a watchdog has made safe since this was last cleared."""
        self._session = self._sequence = 0
        self._nursery = Nursery()
        pairs._spawn = self._nursery.spawn

    @property
    def pair(self) -> Pair:
        """The present loop and guard."""
        assert self._pair is not None
        return self._pair

    async def start(self) -> None:
        """A new loop and guard in place of those before. RuntimeError when they do not begin, however often."""
        for _ in range(TRIES):
            self.close_pair()
            self._pair = Pair(self._job, self._held, self._heard, self._has_ended)
            with contextlib.suppress(LoopError):
                await self._pair.ready()
                break
        else:
            raise RuntimeError("the firing loop does not begin")
        self.upset = False
        self._session += 1
        self._sequence = 0

    async def live(self) -> None:
        """Give the parent's signs of life, until it is cancelled."""
        while True:
            with contextlib.suppress(LoopError):
                if self._pair is not None:
                    self.tell_life()
            await asyncio.sleep(0.05)

    def tell_life(self) -> None:
        """The parent's sign of life, and that nothing stands against arming."""
        self.pair.alive()
        self.pair.send(Command(Kind.FACTS))

    async def arm_and_fire(self, window_ms: int) -> list[Verdict]:
        """Prepare, arm and fire, each sent without waiting for the one before; their verdicts."""
        self.tell_life()
        now, secret = now_ns(), self._sequence + 1
        self._sequence += 3
        first = Command(Kind.OPEN, session=self._session)
        three = [
            Command(kind, mask=MASK, checks=int(FORCEABLE), sequence=secret + place, secret=secret,
                    session=self._session, stamp_ns=now, token=secret, durations_ms=(window_ms,) * 4)
            for place, kind in enumerate((Kind.PREPARE, Kind.ARM, Kind.FIRE))
        ]  # fmt: skip
        answers = await asyncio.gather(*(self.pair.ask(command) for command in (first, *three)))
        return [answer.verdict for answer in answers[1:]]

    async def look(self) -> Answer:
        """Ask what stands against arming."""
        return await self.pair.ask(Command(Kind.LOOK, mask=MASK))

    async def sound(self) -> None:
        """Wait until nothing stands against arming but what is forced."""
        for _ in range(TRIES):
            self.tell_life()
            if not (await self.look()).failing & ~FORCEABLE:
                return

    async def settle(self) -> None:
        """Wait until a loop runs that nothing stands against, however often a watchdog of this machine ends it."""
        for _ in range(TRIES):
            try:
                await self.sound()
            except LoopError:
                self.disturbed += 1
                await self.start()
            else:
                self.upset = False
                return
        raise RuntimeError("the firing loop does not stay")

    async def fire(self) -> None:
        """Fire for longer than any trial takes. What a watchdog has made safe on a busy machine is done again."""
        verdicts: list[Verdict] = []
        for _ in range(TRIES):
            try:
                await self.sound()
                verdicts = await self.arm_and_fire(WINDOW_MS)
            except LoopError:
                verdicts = []
                await self.start()
            if verdicts == [Verdict.ACCEPTED] * 3 and self.seen.on():
                return
            self.disturbed += 1
        raise RuntimeError(f"the igniter cannot be fired ({verdicts})")

    async def shot(self, count: int) -> bool:
        """Wait until there are the records of `count` shots; False when they do not come."""
        while len(self.shots) < count:
            self._fired.clear()
            try:
                await asyncio.wait_for(self._fired.wait(), 1.0)
            except TimeoutError:
                return False
        return True

    def spoil(self, kind: int) -> None:
        """Send the loop a command of a kind that it does not know."""
        self.pair._ring.push(bytes([kind]) + encode(Command(Kind.LOOK))[1:])

    def close_pair(self) -> None:
        """End loop and guard."""
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.close()

    def close(self) -> None:
        """End everything, all off."""
        self.close_pair()
        self._nursery.close()
        self._held.close()

    def _has_ended(self, _: str) -> None:
        """Who waits for it hears of it by his command. Whether the guard ended it for its silence is seen here."""
        self.upset |= bool(self.pair._page.stalled_ns)

    def _heard(self, message: Message) -> None:
        if message.kind is Report.MODE and message.value == Cause.WATCHDOGS:
            self.upset = True
        if message.kind is Report.SHOT:
            self.shots.append(Shot.decode(message.text))
            self._fired.set()
