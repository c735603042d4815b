# SPDX-License-Identifier: Apache-2.0
"""The control loop as the runtime has it: its supervisor, and what is done beside it outside the real-time process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotlight.daemon import StateFile, Typed
from pilotlight.io.config import IoSettings
from pilotlight.runtime.control.flights import SYNC_S, Flights
from pilotlight.runtime.control.latches import ALL, Latch
from pilotlight.runtime.control.setpoints import SetPoints, Wish
from pilotlight.runtime.control.statusfile import StatusFile
from pilotlight.runtime.control.supervisor import LoopSupervisor
from pilotlight.runtime.keeping import Kept
from pilotlight.runtime.settings import ControlOptions
from pilotlight.tags import SegmentReader
from pilotlight.tags.mailbox import USUAL_PLACES, Places

FEED_S = 0.02
"""How often the tags of the PLC program are looked at."""
IDLE_S = 0.2
"""How often it is looked whether there is something to write or to feed, and how often steps are recorded."""


class KeptLoop(Kept, frozen=True):
    """What is kept of the loop over a restart."""

    latched: int = 0
    """What nobody has acknowledged; see `Latch`."""


class LoopKeeper:
    """Starts with `open`, ends with `close`; in between it is the notes of its own supervisor."""

    def __init__(
        self,
        options: ControlOptions,
        io: IoSettings,
        folder: Path,
        state: Path,
        say: Callable[[str, str], None],
        places: Places = USUAL_PLACES,
    ) -> None:
        """`folder` is the runtime's in /run, `state` the one on the disk, `say` takes a level and a text."""
        self._kept = StateFile(state / "control.json", KeptLoop)
        self._last = KeptLoop()
        self._keeping = asyncio.Lock()
        self._say = say
        self._status = StatusFile(folder / options.status_file, say) if options.status_file else None
        self._points = SetPoints(options.set_points)
        self._wish = Wish()
        self._flights = Flights(state / "flights", options.recording, say)
        self._tasks: list[asyncio.Task[None]] = []
        self.announce: Callable[[], None] = lambda: None
        """Called when state, fault or process have changed."""
        self.supervisor = LoopSupervisor(options, io, self, places)

    def open(self) -> None:
        """Begin as it was left: running, unless it had been told to stop."""
        self._last = before = self._kept.load(KeptLoop())
        self.supervisor.open(before.run, before.fault, Latch(before.latched & ALL))
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._keep_status()))
        self._tasks.append(loop.create_task(self._keep_latches()))
        if self._points.wanted:
            self._tasks.append(loop.create_task(self._feed()))
        if self._flights.wanted:
            self._tasks.append(loop.create_task(self._record()))
            self._tasks.append(loop.create_task(self._sync()))

    async def close(self) -> None:
        """End the loop, servos in failsafe."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.supervisor.close()
        await self._keep(self._last.run, self._last.fault)
        self._points.close()

    def problems(self) -> list[str]:
        """What keeps the loop from doing what it should, a sentence each."""
        problem = self._wish.problem if self.supervisor.process is not None else ""
        return [*self.supervisor.problems(), *([problem] if problem else [])]

    def status(self) -> dict[str, Any]:
        """The answer to ControlStatus."""
        supervisor, plan = self.supervisor, self.supervisor.plan
        process = supervisor.process
        return {
            "State": supervisor.state.name,
            "Pid": Typed("u", 0 if process is None else process.pid),
            "LastFault": supervisor.last_fault,
            "Restarts": Typed("t", supervisor.restarts),
            "Refusal": supervisor.refusal,
            "Warnings": Typed("as", [] if plan is None else list(plan.warnings)),
            "Simulated": plan is not None and not plan.real,
            "SetPointProblem": self._wish.problem,
        }

    def say(self, level: str, message: str) -> None:
        """Of the supervisor: a record for people."""
        self._say(level, message)

    def changed(self) -> None:
        """Of the supervisor: state, fault or process are not what they were."""
        self._follow()
        self.announce()

    def ended(self, reader: SegmentReader | None) -> None:
        """Of the supervisor: a process has ended; the file tells how it stood then."""
        self._wish = Wish()
        self._flights.end()
        if reader is not None:
            self._write(reader)

    async def remember(self, wanted: bool, fault: str) -> None:
        """Of the supervisor: keep this; a disk that refuses is reported and the loop goes on."""
        await self._keep(wanted, fault)

    async def _keep(self, wanted: bool, fault: str) -> None:
        """Keep these, and what is latched now, unless they are kept already."""
        kept = KeptLoop(wanted, fault, int(self.supervisor.latched))
        if kept == self._last:
            return
        self._last = kept
        async with self._keeping:
            try:
                await asyncio.to_thread(self._kept.save, self._last)
            except OSError as error:
                self._say("ERROR", f"the wanted mode of the control loop could not be kept on disk: {error}")

    async def _keep_latches(self) -> None:
        """What is latched while the loop runs outlives a fault of this daemon."""
        while True:
            await self._keep(self._last.run, self._last.fault)
            await asyncio.sleep(IDLE_S)

    async def _keep_status(self) -> None:
        while True:
            reader, plan = self.supervisor.reader, self.supervisor.plan
            if reader is not None:
                self._write(reader)
            await asyncio.sleep(IDLE_S if reader is None or plan is None else plan.period_s)

    def _write(self, reader: SegmentReader) -> None:
        plan = self.supervisor.plan
        if self._status is not None:
            self._status.write(reader, plan is not None and plan.simulated)

    async def _record(self) -> None:
        """Write the steps of the loop while it runs."""
        while True:
            self._follow()
            await asyncio.to_thread(self._flights.write)
            await asyncio.sleep(IDLE_S)

    async def _sync(self) -> None:
        """Bring them to the disk."""
        while True:
            await asyncio.to_thread(self._flights.sync)
            await asyncio.sleep(SYNC_S)

    def _follow(self) -> None:
        """Record the process that runs, if it is to be and is not yet."""
        process, plan = self.supervisor.process, self.supervisor.plan
        if self._flights.wanted and process is not None and plan is not None:
            self._flights.follow(process, plan.text)

    async def _feed(self) -> None:
        """Hand the loop what the program asks for, again and again: it does not hold for long."""
        while True:
            process = self.supervisor.process
            if process is None:
                await asyncio.sleep(IDLE_S)
                continue
            wish = self._points.look()
            if wish.problem and wish.problem != self._wish.problem:
                self._say("WARNING", wish.problem)
            self._wish = wish
            # An order that finds no room is given again with the next look.
            process.set_points(wish.roll, wish.pitch, wish.hold_ms)
            await asyncio.sleep(FEED_S)
