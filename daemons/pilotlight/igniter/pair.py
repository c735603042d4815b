# SPDX-License-Identifier: Apache-2.0
"""The firing loop and its guard as their parent sees them: spawned together, asked, watched, ended together.

The third net is here: a thread that switches all outputs off when either child ends or goes silent, which also covers
a guard that is stopped at the same moment as the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pilotlight
from pilotlight.io import jobs
from pilotlight.tags import CommandRing, SegmentWriter, now_ns

from . import commands, guard, reports
from .channel import End
from .checks import Check
from .commands import Command, Kind, Verdict
from .held import Held
from .job import Job
from .page import Page
from .publisher import tags
from .records import Shot
from .reports import Message, Report

JOURNAL = 4096
RING = 64
START_S = 25.0
START_NS = int(START_S * 1e9)
"""How long loop and guard may take to begin."""
VERDICT_S = 1.0
"""How long a command may take until its verdict."""
ROUND_S = 0.02
SILENT_NS, IDLE_NS = 200_000_000, 1_000_000_000
"""How old a child's sign of life may be while an output is on, and otherwise."""
PACKAGES = Path(pilotlight.__file__).parents[1]
ENVIRONMENT = {"PYTHONPATH": str(PACKAGES), "LC_ALL": "C.UTF-8"}


class LoopError(Exception):
    """The firing loop could not be started, did not answer, or ended. The message says why."""


@dataclass(frozen=True)
class Answer:
    """The verdict on a command, and the arming checks that failed if it was refused for them."""

    verdict: Verdict
    failing: Check


class Pair:
    """A running loop with its guard. For the asyncio thread, but for its own thread that watches."""

    def __init__(self, job: Job, held: Held, heard: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Spawn both. `heard` gets reports that are no verdicts, `ended` the reason once both are gone. OSError."""
        self._held = held
        self._heard = heard
        self._ended = ended
        self._stall_ns = job.stall_ns
        self._asyncio = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._asyncio.create_future()
        self._verdicts: dict[int, asyncio.Future[Answer]] = {}
        self._next = 1
        self._page = Page.create()
        self._page.parent_ns = self._started_ns = now_ns()
        self._ring = CommandRing.create(RING, commands.SLOT)
        self._writer = SegmentWriter.create("igniter", tags(), journal=JOURNAL)
        self.last_shot = job.first_shot - 1
        """The number of the loop's last shot; right once this is closed."""
        self.unfinished: list[Shot] = []
        """Once this is closed: the shots that were under way then, as far as the loop has shown them.

        One that it had told of just before may be among them.
        """
        self._off_ns = 0
        """When all outputs were off for certain after the loop's end; 0 while they are not."""
        self._reason = "the daemon ended the loop"
        self._over = ""
        """Once both are gone: why no command is carried out any more."""
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        alive, self._alive = os.pipe2(os.O_CLOEXEC)
        self._reports, reporting = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        job = replace(job, page=self._page.fd, alive=alive, segment=self._writer.fd, ring=self._ring.fd,
                      reports=reporting, outputs=held.outputs.handle, status=held.status.handle,
                      kill_switch=held.kill_switch.handle, enabled=held.enabled)  # fmt: skip
        lines = (*held.outputs.descriptors(), *held.kill_switch.descriptors(), self._page.fd, alive)
        own = (*held.status.descriptors(), self._writer.fd, self._ring.fd, reporting)
        try:
            self._loop = _spawn("loop", job, (*lines, *own))
            self.pid = self._loop.pid
            self._loop_fd = os.pidfd_open(self._loop.pid)
            self._guard = _spawn("guard", replace(job, watched=self._loop_fd), (*lines, self._loop_fd))
            self.guard_pid = self._guard.pid
            self._guard_fd = os.pidfd_open(self._guard.pid)
        except OSError:
            # What was spawned sees the parent's end of the pipe close, and ends.
            os.close(self._alive)
            raise
        finally:
            os.close(alive)
            os.close(reporting)
        self._asyncio.add_reader(self._reports, self._read)
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    async def ready(self) -> None:
        """Wait until the loop runs. LoopError when it does not, at once when it has ended."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), START_S)
        except TimeoutError:
            raise LoopError(f"the firing loop did not begin within {START_S:g} s; all outputs stay off") from None

    def alive(self) -> None:
        """The parent's sign of life."""
        self._page.parent_ns = now_ns()

    async def ask(self, command: Command) -> Answer:
        """Send a command and wait for its verdict. LoopError when it does not come; what was armed is safe then."""
        if not self._ready.done():
            # One that starts has armed nothing, and to kill it for its silence would only have it start again.
            raise LoopError("the firing loop is being started; nothing was done, all outputs are off. Try again")
        if self._over:
            raise LoopError(self._over)
        number = self.send(command)
        verdict = self._verdicts[number] = self._asyncio.create_future()
        try:
            return await asyncio.wait_for(verdict, VERDICT_S)
        except TimeoutError:
            if self._over:
                # It was closed meanwhile, and its descriptor may be that of the next one.
                raise LoopError(self._over) from None
            guard.kill(self._loop_fd)
            raise LoopError(
                f"the firing loop gave no verdict within {VERDICT_S:g} s and was killed: all outputs are off. "
                "Wait until it is up again and begin anew"
            ) from None
        finally:
            self._verdicts.pop(number, None)

    def send(self, command: Command) -> int:
        """Send a command without waiting; its number. LoopError when the ring is full."""
        number, self._next = self._next, self._next % 0xFFFFFFFF + 1
        if not self._ring.push(commands.encode(replace(command, number=number))):
            raise LoopError("the firing loop does not take commands; nothing was done")
        return number

    def facts(self, failing: Check) -> None:
        """Tell what only the parent can know."""
        self.send(Command(Kind.FACTS, checks=int(failing)))

    def close(self) -> None:
        """End both, all outputs off. Once, in the asyncio thread. OSError when an output could not be switched off."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        try:
            self._contain()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._asyncio.remove_reader(self._reports)
        self._hear_the_rest()
        self.last_shot = self._page.last_shot
        self.unfinished = [
            replace(shot, off_ns=self._off_ns, ended_ns=self._off_ns, end=End.LOOP_ENDED, cause=self._reason)
            for shot in self._page.kept()
        ]
        for child in (self._loop, self._guard):
            child.wait(guard.END_S)
        for descriptor in (self._alive, self._reports, self._loop_fd, self._guard_fd, self._stop):
            os.close(descriptor)
        self._writer.close()
        self._ring.close()
        self._page.close()
        self._refuse("the firing loop was ended; all outputs are off")

    def _watch(self) -> None:
        """The thread: waits for an end or a silence, switches off, and tells once."""
        reason = ""
        while not reason:
            watched = [self._stop, self._loop_fd, self._guard_fd]
            ready, _, _ = select.select(watched, [], [], ROUND_S)
            if self._stop in ready:
                return
            reason = self._end(ready) if ready else self._silence()
        self._reason = reason
        try:
            self._contain()
        except OSError as error:
            reason += f", and an output could not be switched off: {error}"
        text = f"{reason}; all outputs are off, loop and guard are started anew"
        self._asyncio.call_soon_threadsafe(self._end_of_both, text)

    def _end_of_both(self, reason: str) -> None:
        """In the asyncio thread, as the watching thread's last act."""
        if not self._over:
            self._hear_the_rest()
            self._refuse(reason)
            self._ended(reason)

    def _end(self, ready: list[int]) -> str:
        """Which of the children has ended, and how; or what the guard ended the loop for."""
        if self._page.stalled_ns:
            return f"the guard ended the firing loop, which was silent for {self._page.stalled_ns / 1e6:.0f} ms"
        ended = [("firing loop", self._loop, self._loop_fd), ("guard", self._guard, self._guard_fd)]
        return " and ".join(f"the {name} has ended ({child.poll()})" for name, child, fd in ended if fd in ready)

    def _silence(self) -> str:
        """Which of the children gives no sign of life; empty when both do, or may still begin."""
        limit = max(SILENT_NS if self._page.outputs else IDLE_NS, 2 * self._stall_ns)
        beats = [("firing loop", self._page.loop_ns), ("guard", self._page.guard_ns)]
        ages = [(name, now_ns() - (beat or self._started_ns), limit if beat else START_NS) for name, beat in beats]
        return " and ".join(f"the {name} was silent for {age / 1e6:.0f} ms" for name, age, most in ages if age > most)

    def _contain(self) -> None:
        """All off, both gone, all off again."""
        try:
            self._held.outputs.write(0)
        finally:
            guard.kill(self._loop_fd)
            guard.kill(self._guard_fd)
            self._held.outputs.write(0)
        self._off_ns = self._off_ns or now_ns()

    def _hear_the_rest(self) -> None:
        """Take what the loop has told before its end."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._reports, reports.SIZE * 16):
                self._split(data)

    def _read(self) -> None:
        data = os.read(self._reports, reports.SIZE * 16)
        if not data:
            self._asyncio.remove_reader(self._reports)
        self._split(data)

    def _split(self, data: bytes) -> None:
        for start in range(0, len(data), reports.SIZE):
            self._take(reports.decode(data[start : start + reports.SIZE]))

    def _take(self, message: Message) -> None:
        if message.kind is Report.READY and not self._ready.done():
            self._ready.set_result(None)
        elif message.kind is Report.VERDICT:
            waiting = self._verdicts.get(message.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(Answer(Verdict(message.value), Check(int.from_bytes(message.text[:4], "little"))))
        else:
            self._heard(message)

    def _refuse(self, reason: str) -> None:
        """Whoever waits, and whoever asks from now on, hears this."""
        self._over = reason
        waiting: list[asyncio.Future[Any]] = [self._ready, *self._verdicts.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(LoopError(reason))
                future.exception()


def _spawn(module: str, job: Job, descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-s", "-S", "-P", "-B", "-m", f"pilotlight.igniter.{module}", *jobs.encode(job)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=descriptors,
        cwd="/",
    )
