# SPDX-License-Identifier: Apache-2.0
"""The life of the control loop: its process is started, watched, started again after a fault, and ended in good order.

A guard (`runtime.guard`) watches the process from a thread of its own: when it dies or hangs, servos are driven to
failsafe at once. Whatever befalls the loop, the PLC beside it goes on. All coroutines belong to one asyncio loop.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from pilotlight.io.config import IoSettings
from pilotlight.io.lines import LineError
from pilotlight.runtime.control.child import ControlProcess, remove_boxes
from pilotlight.runtime.control.latches import Latch, problem
from pilotlight.runtime.control.loading import ControlSettingsError
from pilotlight.runtime.control.notes import LoopNotes, LoopState
from pilotlight.runtime.control.plan import Plan, hold_switch, make_plan
from pilotlight.runtime.control.restarts import Restarts
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.session import Session, SessionError
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.simdoor import SimulatorDoor, wanted
from pilotlight.runtime.exclusive import one_at_a_time
from pilotlight.runtime.settings import ControlOptions
from pilotlight.runtime.verdicts import SupervisorError
from pilotlight.tags import SegmentError, SegmentReader
from pilotlight.tags.mailbox import USUAL_PLACES, MailboxError, Places

HARDWARE = (LineError, SessionError)
"""What a failed device is told by at a start."""
FINISH_S = 1.0
"""How long the process may take to end by itself when it is told to."""
NO_LOOP = "there is no control loop here; the PLC goes on: write the configuration, then reload"


class LoopSupervisor:
    """Owns the control process. Every command raises SupervisorError, and then nothing was changed, or servos are in
    failsafe."""

    def __init__(
        self, options: ControlOptions, io: IoSettings, notes: LoopNotes, places: Places = USUAL_PLACES
    ) -> None:
        self._options = options
        self._io = io
        self._notes = notes
        self._places = places
        self._loop = asyncio.get_running_loop()
        self._changing = asyncio.Lock()
        self._restarts = Restarts(options.restarts)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._session: Session | None = None
        self._left: ControlSettings | None = None
        """The settings of a process whose mailboxes wait for the next one."""
        self._closed = False
        self._wanted = True
        self.plan: Plan | None = None
        """The configuration that is run, or would be."""
        self.refusal = ""
        """Why the configuration was refused when it was read last; empty when it was not."""
        self.state = LoopState.OFF
        self.last_fault = ""
        self.restarts = 0
        """How often the loop was started again after a fault."""
        self._latched = Latch.NONE
        """What the processes so far had latched, and nobody acknowledged."""

    @property
    def latched(self) -> Latch:
        """What keeps the servos in failsafe until somebody starts the loop."""
        return self._latched if self._session is None else self._latched | self._session.process.latched

    @property
    def process(self) -> ControlProcess | None:
        """The process that has the servos; None while there is none."""
        return self._session.process if self._session is not None and self.state is LoopState.RUNNING else None

    @property
    def reader(self) -> SegmentReader | None:
        """Its segment; None while there is no process."""
        return self.process.reader if self.process is not None else None

    def alive(self, within_ns: int) -> bool:
        """Whether the watching thread, if there is one, has gone round within this time."""
        return self._session is None or self._session.alive(within_ns)

    def problems(self) -> list[str]:
        """What keeps the loop from doing what it should, a sentence each."""
        found = [self.refusal] if self.refusal else []
        if self.state in (LoopState.WAITING, LoopState.ERROR):
            found.append(f"the control loop does not run, servos are in failsafe: {self.last_fault}")
        if self.plan is not None and self.plan.simulated:
            found.append("the control loop runs on simulated sensors, since its devices did not start")
        if latched := problem(self.latched):
            found.append(latched)
        elif self.reader is not None and (number := int(self.reader.read("Servo.Reason")[0].value)):
            found.append(f"servos are in failsafe: {Reason(number).text}")
        return found

    def open(self, run: bool, fault: str, latched: Latch = Latch.NONE) -> None:
        """Begin: read the configuration and, when there is one, start the loop; `run` False leaves it stopped.

        `latched` is what the loop had latched before, which nobody has acknowledged.
        """
        self.last_fault, self._wanted, self._latched = fault, run, latched
        self._run_task(self._open())

    async def start(self) -> LoopState:
        """Run the loop on its real devices. Faults so far are forgotten, what was latched is acknowledged by it."""
        async with one_at_a_time(self._changing):
            self._check_plan()
            if self.state is LoopState.RUNNING:
                raise SupervisorError("AlreadyRunning", "the control loop runs already; nothing was changed")
            self._wanted, self._latched = True, Latch.NONE
            self._restarts.forget()
            assert self.plan is not None
            self.plan = replace(self.plan, simulated=False)
            await self._begin_or_say()
            await self._notes.remember(True, self.last_fault)
        return self.state

    async def stop(self) -> LoopState:
        """End the loop, servos in failsafe; it stays so over restarts of the device."""
        async with one_at_a_time(self._changing):
            self._check_plan()
            if self.state is LoopState.STOPPED:
                raise SupervisorError("AlreadyStopped", "the control loop does not run; servos are in failsafe")
            self._wanted = False
            await self._end("it was told to stop")
            await self._notes.remember(False, self.last_fault)
        return self.state

    async def reload(self) -> LoopState:
        """Read the configuration again and run the loop with it; one that is refused changes nothing."""
        async with one_at_a_time(self._changing):
            plan = self._read()
            if self.refusal:
                raise SupervisorError("Failed", self.refusal)
            if self._session is not None or self._timer is not None:
                # With the servos of the configuration that they were driven with.
                await self._end("its configuration was read again")
            self.plan = plan
            if self.plan is None:
                self._now(LoopState.OFF)
            elif self._wanted:
                self._restarts.forget()
                await self._begin_or_say()
            else:
                self._now(LoopState.STOPPED)
        return self.state

    async def close(self) -> None:
        """End the loop, servos in failsafe."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end("the runtime ends")

    async def _open(self) -> None:
        async with one_at_a_time(self._changing):
            self.plan = self._read()
            if self.plan is None:
                self._now(LoopState.REFUSED if self.refusal else LoopState.OFF)
            elif not self._wanted:
                self._now(LoopState.STOPPED)
            else:
                await self._try()

    def _check_plan(self) -> None:
        if self.plan is None:
            raise SupervisorError("Refused", self.refusal or NO_LOOP)

    def _read(self) -> Plan | None:
        """The configuration, if there is one; one that is refused is told, and none."""
        try:
            plan = make_plan(self._options)
        except ControlSettingsError as error:
            self.refusal = str(error)
            self._notes.say("ERROR", self.refusal)
            return None
        self.refusal = ""
        for warning in plan.warnings if plan is not None else ():
            self._notes.say("WARNING", warning)
        return plan

    async def _begin_or_say(self) -> None:
        """Start the process for somebody who waits for the verdict."""
        await self._try()
        if self.state is not LoopState.RUNNING:
            raise SupervisorError("Failed", f"the control loop did not start: {self.last_fault}")

    async def _try(self, fallback: bool = True) -> None:
        """Start the process; a failure is a fault like any other.

        With `fallback` devices that do not start may be replaced by simulated ones, if the configuration allows it.
        """
        self._cancel_timer()
        try:
            await self._begin()
        except (ControlSettingsError, LineError, MailboxError, SegmentError, SessionError, OSError) as error:
            self._drop(leave_boxes=True)
            plan = self.plan
            assert plan is not None
            allowed = fallback and plan.real and plan.settings.runtime.allow_auto_sim_fallback
            if allowed and isinstance(error, HARDWARE):
                self._put_in_failsafe()
                self._notes.say("ERROR", f"devices did not start, the loop goes on with simulated ones: {error}")
                self.plan = replace(plan, simulated=True)
                await self._try()
                return
            await self._after_fault(f"the control loop did not start: {error}")

    async def _begin(self) -> None:
        plan = self.plan
        assert plan is not None
        self._now(LoopState.STARTING)
        with ExitStack() as undo:
            switch = hold_switch(plan.settings, self._io)
            if switch is not None:
                undo.callback(switch.close)
            door = SimulatorDoor(plan.settings) if wanted(plan.settings) else None
            if door is not None:
                undo.callback(door.close)
            bridge, limit_ns = None if door is None else door.descriptors, self._options.limit_ms * 1_000_000
            process = ControlProcess.spawn(
                plan.text,
                switch,
                self._places,
                record=self._options.recording.enabled,
                simulated=plan.simulated,
                limit_ns=limit_ns,
                simulator=bridge,
                latched=self._latched,
            )
            undo.pop_all()
        self._left = None
        notice = partial(self._notes.say, "WARNING")
        self._session = session = Session(process, switch, self._drive_failsafe, self._lost, notice, door)
        await session.begin(self._options.start_timeout_ms / 1000)
        self._now(LoopState.RUNNING)
        self._notes.say("INFO", "the control loop runs")
        duration_s = plan.settings.runtime.run_duration_s
        if duration_s > 0:
            self._timer = self._loop.call_later(duration_s, lambda: self._run_task(self._time_is_over(session)))

    def _drive_failsafe(self) -> None:
        if self.plan is not None:
            self.plan.drive_failsafe()

    def _put_in_failsafe(self) -> None:
        """Drive the servos, which no process has, to failsafe; say it when they refuse."""
        try:
            self._drive_failsafe()
        except OSError as error:
            self._notes.say("ERROR", str(error))

    async def _end(self, why: str) -> None:
        """No process has the servos, and none will by itself: they are in failsafe."""
        self._cancel_timer()
        session = self._session
        if session is not None:
            if not await session.finish(FINISH_S):
                self._notes.say("WARNING", f"the control process does not end by itself and is killed: {why}")
            self._notes.ended(session.process.reader)
            self._drop()
        self._remove_left()
        self._put_in_failsafe()
        if self.state not in (LoopState.OFF, LoopState.REFUSED):
            self._now(LoopState.STOPPED)
            self._notes.say("INFO", f"the control loop is stopped, servos are in failsafe: {why}")

    async def _time_is_over(self, session: Session) -> None:
        async with self._changing:
            if session is self._session:
                await self._end("the time of runtime.run_duration_s is over")

    def _lost(self, process: ControlProcess, reason: str) -> None:
        """Servos are in failsafe and the process is gone."""
        if not self._closed:
            self._run_task(self._recover(process, reason))

    async def _recover(self, process: ControlProcess, reason: str) -> None:
        async with self._changing:
            session = self._session
            if session is None or session.process is not process:
                return
            session.drain()
            self._notes.ended(process.reader)
            self._drop(leave_boxes=True)
            await self._after_fault("; ".join(dict.fromkeys(part for part in (process.last_words, reason) if part)))

    async def _after_fault(self, reason: str) -> None:
        """No process has the servos: failsafe. Keep the reason, and start again, unless that was too often."""
        try:
            self._drive_failsafe()
        except OSError as error:
            reason = f"{reason}; {error}"
        self.last_fault = reason
        self._notes.say("ERROR", reason)
        self._cancel_timer()
        delay_s = self._restarts.after_fault(self._loop.time())
        if delay_s is None:
            self._remove_left()
            self._now(LoopState.ERROR)
            self._notes.say("ERROR", "the control loop failed too often and stays off, servos in failsafe: start it")
        else:
            self._now(LoopState.WAITING)
            self._timer = self._loop.call_later(delay_s, lambda: self._run_task(self._again()))
        await self._notes.remember(True, reason)

    async def _again(self) -> None:
        async with self._changing:
            if self.state is LoopState.WAITING and not self._closed:
                self.restarts += 1
                # Devices that were there before are waited for: whoever flies does not go on with simulated ones.
                await self._try(fallback=False)

    def _drop(self, leave_boxes: bool = False) -> None:
        """Forget the process; it is killed if it lives. With `leave_boxes` its mailboxes stay for the next one."""
        session = self._session
        if session is None:
            return
        self._latched, self._session = self.latched, None
        if leave_boxes:
            self._left = session.process.settings
        try:
            session.close(leave_boxes)
        except subprocess.TimeoutExpired as error:
            self._notes.say("ERROR", f"the control process cannot be killed: {error}")

    def _remove_left(self) -> None:
        """There is no next process: mailboxes that waited for it go."""
        settings, self._left = self._left, None
        if settings is not None:
            remove_boxes(settings, self._places)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _now(self, state: LoopState) -> None:
        self.state = state
        self._notes.changed()

    def _run_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
