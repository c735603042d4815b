# SPDX-License-Identifier: Apache-2.0
"""A control process in its parent's hands: its reports are read in the asyncio loop, its life is watched by a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilotlight.io.edges import EdgeInput
from pilotlight.runtime.commands import Message, Report
from pilotlight.runtime.control import orders
from pilotlight.runtime.control.child import ControlProcess
from pilotlight.runtime.control.simdoor import SimulatorDoor
from pilotlight.runtime.guard import Guard
from pilotlight.tags import now_ns

READ_MAX = 512
"""More reports than a pipe holds."""


class SessionError(Exception):
    """The process did not get ready, or did not answer. The message says why."""


class Session:
    """One control process, from its spawning to its end. All in the asyncio thread."""

    def __init__(
        self,
        process: ControlProcess,
        switch: EdgeInput | None,
        drive_failsafe: Callable[[], None],
        lost: Callable[[ControlProcess, str], None],
        notice: Callable[[str], None],
        door: SimulatorDoor | None = None,
    ) -> None:
        """`switch` is the line of the kill switch, `door` where a simulator's bridge finds it: `close` closes both.
        `notice` gets what people should read.

        `drive_failsafe` is called by the guard's thread when the process dies or hangs, and then `lost`, with why.
        """
        self.process = process
        self._switch = switch
        self._door = door
        self._notice = notice
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        priority = process.settings.threads.control_priority
        # One step more urgent than what it watches.
        self._guard: Guard[ControlProcess] = Guard(
            drive_failsafe, self._report_fault, min(priority + 1, 99) if priority > 0 else 0
        )
        self._guard.keep(process)
        self._guard.start()
        self._loop.add_reader(process.reports, self._read)

    async def begin(self, limit_s: float) -> None:
        """Wait until its devices are open and its loop begins; from then on it is watched.

        SessionError or SegmentError otherwise; close it then.
        """
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), limit_s)
        except TimeoutError:
            raise SessionError(f"its devices were not ready within {limit_s:g} s") from None
        self.process.activate()
        self._guard.watch(self.process)

    def alive(self, within_ns: int) -> bool:
        """Whether the watching thread has gone round within this time."""
        return now_ns() - self._guard.alive_ns < within_ns

    async def finish(self, limit_s: float) -> bool:
        """Ask it to end with the servos in failsafe; whether it did, within `limit_s`."""
        if self.process.finish() is None:
            return False
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), limit_s)
        except TimeoutError:
            return False
        return True

    def drain(self) -> None:
        """Read what it still has to say. Call it when the process is gone."""
        if not self._closed:
            self._read()

    def close(self, leave_boxes: bool = False) -> None:
        """Kill it if it lives and let go of everything; again is harmless. TimeoutExpired when it is not gone.

        With `leave_boxes` its mailboxes stay for the next process.
        """
        if self._closed:
            return
        self._closed = True
        self._mute("it was ended")
        self._guard.forget(self.process)
        self._guard.stop()
        for held in (self._switch, self._door):
            if held is not None:
                held.close()
        self.process.close(leave_boxes)

    def _report_fault(self, process: ControlProcess, reason: str) -> None:
        """From the guard's thread: servos are in failsafe and the process is gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._lost, process, reason)

    def _read(self) -> None:
        for _ in range(READ_MAX):
            try:
                message = self.process.next_report()
            except ValueError as error:
                self._notice(f"the control process is killed because it reports nonsense: {error}")
                self.process.kill()
                self._mute("it reported nonsense")
                return
            if message is None:
                if self.process.silent:
                    self._mute("it ended")
                return
            self._take(message)

    def _take(self, message: Message) -> None:
        if message.kind is Report.READY and not self._ready.done():
            self._ready.set_result(None)
        elif message.kind is Report.FAILED:
            self._refuse(message.text)
        elif message.kind is Report.ENDED:
            self.process.last_words = message.text
        elif message.kind is Report.NOTICE:
            self._notice(message.text)
        elif message.kind is Report.DONE and message.value == orders.REFUSED:
            self._notice("the control loop refuses an order that makes no sense; it goes on as before")

    def _mute(self, reason: str) -> None:
        """There will be no more reports."""
        self._loop.remove_reader(self.process.reports)
        self._refuse(self.process.last_words or reason)
        if not self._gone.done():
            self._gone.set_result(None)

    def _refuse(self, reason: str) -> None:
        if not self._ready.done():
            self._ready.set_exception(SessionError(reason))
            self._ready.exception()
