# SPDX-License-Identifier: Apache-2.0
"""One scan process as its supervisor sees it: spawned, asked, watched, ended."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilotlight.io import jobs
from pilotlight.runtime import commands
from pilotlight.runtime.children import END_S, ENVIRONMENT, ChildProcess, memory_of
from pilotlight.runtime.commands import Command, Message, Report
from pilotlight.runtime.job import Job
from pilotlight.tags import CommandRing, SegmentWriter, now_ns

VERDICT_S = 2.0
"""How long a command may take until the scan process has reported its result."""
EXIT_S = 0.1
"""How long its exit may take to show after its last report."""
UNREAD_MAX = 512
"""More reports than a pipe holds."""


class ScanError(Exception):
    """A scan process could not be started, did not answer, or ended. The message says why."""


class ScanProcess(ChildProcess):
    """A spawned scan process. Its coroutines and callbacks belong to one asyncio loop."""

    what = "the scan process"
    work = "the scan"

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        writer: SegmentWriter,
        ring: CommandRing,
        reports: int,
        saved: int,
        notice: Callable[[str], None],
    ) -> None:
        super().__init__(child, writer, ring, reports, "plc")
        self.saved = saved
        """Descriptor of the memory with what its program remembered when it finished; -1 when it saves nothing."""
        self.stopped_itself: Callable[[ScanProcess], None] | None = None
        """Called when the program has asked to be stopped, and has been."""
        self._closed = False
        self._notice = notice
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._finished: asyncio.Future[int] = self._loop.create_future()
        self._verdicts: dict[int, asyncio.Future[int]] = {}
        self._next = 1
        self._loop.add_reader(reports, self._read_report)

    @classmethod
    def spawn(
        cls, job: Job, writer: SegmentWriter, lines: tuple[int, ...], notice: Callable[[str], None], memory: int = 0
    ) -> ScanProcess:
        """Start the process for `job`, whose `parent`, `segment`, `ring`, `reports` and `saved` are filled in here.

        `lines` are the descriptors of the line requests, `memory` the bytes that its program needs to save what it
        remembers. `notice` gets what the process has to say to people.
        Call it in the main thread: the process ends when the thread that spawned it ends. Raises OSError.
        """
        ring = CommandRing.create(slot=commands.SLOT)
        ring.touch(now_ns())
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        saved = memory_of(memory) if memory else -1
        job = replace(job, parent=os.getpid(), segment=writer.fd, ring=ring.fd, reports=writing, saved=saved)
        passed = [each for each in (saved, job.carried) if each >= 0]
        try:
            child = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-B", "-m", "pilotlight.runtime.scan", *jobs.encode(job)],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(writer.fd, ring.fd, writing, *passed, *lines),
                cwd="/",
            )
        except OSError:
            for descriptor in (reading, saved):
                if descriptor >= 0:
                    os.close(descriptor)
            ring.close()
            raise
        finally:
            os.close(writing)
        return cls(child, writer, ring, reading, saved, notice)

    async def ready(self, timeout_s: float) -> None:
        """Wait until its program is loaded and initialised. ScanError otherwise; kill it then."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), timeout_s)
        except TimeoutError:
            raise ScanError(f"the program was not initialised within {timeout_s:g} s") from None

    async def ask(self, kind: Command, argument: int = 0, value: bytes = b"") -> int:
        """Send a command and wait for its result, a code. ScanError when it does not come."""
        number = self.send(kind, argument, value)
        verdict = self._verdicts[number] = self._loop.create_future()
        try:
            return await asyncio.wait_for(verdict, VERDICT_S)
        except TimeoutError:
            raise ScanError(f"the scan process did not answer within {VERDICT_S:g} s") from None
        finally:
            self._verdicts.pop(number, None)

    def send(self, kind: Command, argument: int = 0, value: bytes = b"") -> int:
        """Send a command without waiting; its number. ScanError when the ring is full."""
        number = self._next
        self._next = self._next % 0xFFFFFFFF + 1
        if not self.ring.push(commands.encode(kind, number, argument, value)):
            raise ScanError("the scan process does not take commands")
        return number

    async def finish(self, timeout_s: float) -> int:
        """End it with the lines as they are; the time of the slot it would have served next. ScanError."""
        self.ending = True
        self.send(Command.FINISH)
        try:
            return await asyncio.wait_for(asyncio.shield(self._finished), timeout_s)
        except TimeoutError:
            raise ScanError(f"the scan did not end within {timeout_s:g} s") from None

    def drain(self) -> None:
        """Read what it still has to say. Call it when the process is gone."""
        for _ in range(UNREAD_MAX):
            if self.reports < 0:
                return
            self._read_report()

    def close(self) -> None:
        """Kill it if it lives, take its exit and let go of everything; again is harmless. In the asyncio thread."""
        if self._closed:
            return
        self._closed = True
        self.kill()
        if self.reports >= 0:
            self._close_reports("the scan process was ended")
        if not self.let_go():
            self._notice(f"process {self.pid} is not gone {END_S:g} s after it was killed")
        if self.saved >= 0:
            os.close(self.saved)

    def _read_report(self) -> None:
        try:
            message = self.next_report()
        except ValueError as error:
            self._notice(f"process {self.pid} is killed because it reports nonsense: {error}")
            self.kill()
            self._close_reports("the scan process reported nonsense")
            return
        if message is not None:
            self._take(message)
        elif self.silent:
            # Its end of the pipe is closed an instant before its exit can be read.
            select.select([self.pidfd], [], [], EXIT_S)
            self._close_reports(self.exit_reason() or "the scan process ended")

    def _take(self, message: Message) -> None:
        if message.kind is Report.READY and not self._ready.done():
            self._ready.set_result(None)
        elif message.kind is Report.FAILED:
            self._refuse(message.text)
        elif message.kind is Report.DONE and message.command in self._verdicts:
            verdict = self._verdicts[message.command]
            if not verdict.done():
                verdict.set_result(message.value)
        elif message.kind is Report.FINISHED and not self._finished.done():
            self._finished.set_result(message.value)
        elif message.kind is Report.NOTICE:
            self._notice(message.text)
        elif message.kind is Report.ENDED:
            self.last_words = message.text
        elif message.kind is Report.STOPPED and self.stopped_itself is not None:
            self.stopped_itself(self)

    def _close_reports(self, reason: str) -> None:
        self._loop.remove_reader(self.reports)
        os.close(self.reports)
        self.reports, self.silent = -1, True
        self._refuse(reason)

    def _refuse(self, reason: str) -> None:
        """Answer everybody who waits that nothing will come."""
        waiting: list[asyncio.Future[Any]] = [self._ready, self._finished, *self._verdicts.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(ScanError(reason))
                future.exception()
