# SPDX-License-Identifier: Apache-2.0
"""The parent's side of arming: keeps a pair of children running, feeds them facts, remembers shots, keeps the audit."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilotlight.daemon import Logger
from pilotlight.tags import SegmentError, SegmentReader, now_ns
from pilotlight.tags.messages import IgniterCommand

from . import checks, facts
from .arming import Cause, Mode
from .audit import UNHEARD, Audit
from .boxes import POLL_S, Boxes, command_of, late
from .channel import MS
from .checks import Check
from .commands import DANGEROUS, UNCOUNTED, Command, Kind, numbers_of
from .held import Held
from .job import Job
from .pair import Answer, LoopError, Pair
from .program_door import ProgramDoor
from .records import Shot, verdict
from .reports import Message, Report
from .settings import ArmingSettings, IgniterSettings

ALIVE_S = 0.05
RESTART_S = 1.0
SHOTS_KEPT = 64


def job_of(arming: ArmingSettings) -> Job:
    """The job of the children, without descriptors."""
    return Job(
        page=-1, alive=-1, outputs="", kill_switch="",
        stall_ns=arming.stall_ms * MS,
        policy=0 if arming.policy == "global" else 1,
        priority=arming.priority,
        settle_ns=arming.settle_ms * MS,
        default_fire_ms=arming.default_fire_ms,
        max_fire_ms=arming.max_fire_ms,
        latch_faults=int(arming.latch_faults),
        opened_is_fault=int(arming.open_load_while_firing == "fault"),
        off_means_open=int(arming.continuity),
        countdown_ns=arming.countdown_ms * MS,
        confirm_ns=arming.confirm_ms * MS,
        armed_ns=arming.armed_ms * MS,
        lease_ns=arming.lease_ms * MS,
        fresh_ns=arming.fresh_ms * MS,
        stay_armed=int(arming.stay_armed),
        supervisor_ns=arming.supervisor_ms * MS,
    )  # fmt: skip


def _said(answer: Answer) -> str:
    reasons = f": {checks.explain(answer.failing)}" if answer.failing else ""
    return answer.verdict.name + reasons


class Firing:
    """Runs the children until it is closed. All in the asyncio thread."""

    def __init__(self, settings: IgniterSettings, arming: ArmingSettings, log: Logger) -> None:
        """Hold the lines, all off. Raises LineError."""
        self.arming = arming
        self.held = Held(settings, arming)
        self.audit = Audit()
        self.audit.settle()
        self.shots: deque[Shot] = deque(maxlen=SHOTS_KEPT)
        self.trouble = ""
        """Why the loop does not run; empty while it does."""
        self.unlocked: list[str] = []
        """Interlocks that do not hold, with the reason."""
        self.lost: list[str] = []
        """What did not hold when the cause INTERLOCK last made safe."""
        self.changed: Callable[[], None] = lambda: None
        """Called after every report of the loop."""
        self._log = log
        self._in_order = asyncio.Lock()
        self.last_box = (0, "")
        """Sequence number and verdict of the last command of the mailbox."""
        self.door = ProgramDoor(arming, arming.program, self.audit) if arming.program is not None else None
        """Where the PLC program asks, if the settings let it."""
        self._interlocks = facts.Interlocks(arming.interlocks)
        self._sensors = facts.Sensors()
        self._told: list[str] = []
        """What the loop was last told of that makes safe by the cause INTERLOCK."""
        self._pair: Pair | None = None
        self._last_shot = 0
        self._reader: SegmentReader | None = None

    @property
    def pids(self) -> tuple[int, int]:
        """Process numbers of loop and guard; 0 while there is none."""
        return (self._pair.pid, self._pair.guard_pid) if self._pair is not None else (0, 0)

    async def start(self) -> None:
        """Start loop and guard. LoopError or OSError when they do not come up; then none of them runs."""
        job = replace(job_of(self.arming), first_shot=self._last_shot + 1)
        self._pair = pair = Pair(job, self.held, self._heard, self._ended)
        try:
            await pair.ready()
        except LoopError:
            self._drop()
            raise
        self._reader = SegmentReader.open("igniter")
        self.trouble = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Give signs of life and facts until `stop`; start the children anew when they have ended."""
        restart_at = 0.0
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            if self._pair is not None and self.trouble:
                self._drop()
                restart_at = clock() + RESTART_S
            if self._pair is None and clock() >= restart_at:
                try:
                    await self.start()
                except (LoopError, OSError, SegmentError) as error:
                    self.trouble = str(error)
                    self._log.error(self.trouble, event="loop-failed")
                    restart_at = clock() + RESTART_S
            self._tell()
            try:
                await asyncio.wait_for(stop.wait(), ALIVE_S)
            except TimeoutError:
                continue

    async def serve_program(self, stop: asyncio.Event) -> None:
        """Serve the PLC program until `stop`, if the settings let it arm."""
        if self.door is not None:
            await self.door.serve(self.order, lambda: self.pids[0], stop)

    async def serve_boxes(self, boxes: Boxes, forced: tuple[str, ...], stop: asyncio.Event) -> None:
        """Carry out what comes through the mailboxes, one command at a time, and publish the status, until `stop`."""
        force = int(checks.parse(list(forced)))
        while not stop.is_set():
            try:
                message = boxes.take()
            except ValueError as error:
                self._refuse_box(self.last_box[0], "", str(error))
            else:
                if message is not None:
                    await self._serve_box(message, force)
            boxes.publish(self.values(), now_ns())
            try:
                await asyncio.wait_for(stop.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _serve_box(self, message: IgniterCommand, force: int) -> None:
        try:
            command = command_of(message, force)
        except ValueError as error:
            self._refuse_box(message.seq, "", str(error))
            return
        if command is None:
            return
        if why := late(message, now_ns(), self.arming.fresh_ms * MS):
            self._refuse_box(message.seq, command.kind.name, why)
            return
        try:
            said = _said(await self.order(command, by="the mailbox", message=message.seq))
        except LoopError as error:
            said = str(error)
        self.last_box = (message.seq, said)

    def _refuse_box(self, number: int, command: str, why: str) -> None:
        self.last_box = (number, why)
        self.refuse(command, why, by="the mailbox", message=number)

    async def order(self, command: Command, **who: Any) -> Answer:
        """Have somebody's command carried out and audited; `who` goes into its entries. LoopError as `ask`.

        What arms or fires is on the disk before it is sent. Commands are sent in the order of the calls, but one that
        makes safe waits for nobody.
        """
        entry = {
            **who, "command": command.kind.name, "channels": numbers_of(command.mask),
            "durations_ms": list(command.durations_ms), "forced": checks.names(Check(command.checks)),
            "sequence": command.sequence,
        }  # fmt: skip
        if command.kind is not Kind.DISARM:
            async with self._in_order:
                if command.kind in DANGEROUS:
                    await self.audit.durable("asked", **entry)
        said = UNHEARD
        try:
            answer = await self.ask(command)
            said = _said(answer)
            return answer
        except LoopError as error:
            said = str(error)
            raise
        finally:
            if command.kind not in UNCOUNTED:
                self.audit.note("command", **entry, verdict=said)

    async def ask(self, command: Command) -> Answer:
        """Send a command to the loop. LoopError when there is none, or it gives no verdict."""
        if self._pair is None:
            raise LoopError(f"the firing loop does not run ({self.trouble}); all outputs are off")
        return await self._pair.ask(command)

    def refuse(self, command: str, why: str, counted: bool = True, **who: Any) -> None:
        """Audit a command that was refused before it came to the loop, and have the loop count it, if there is one."""
        self.audit.note("refused", **who, command=command, why=why)
        if counted and self._pair is not None:
            with contextlib.suppress(LoopError):
                self._pair.send(Command(Kind.REFUSED))

    def values(self) -> dict[str, Any]:
        """The tags of the segment by name; empty while there is no loop: one that has ended left its last ones."""
        if self._reader is None or self.trouble:
            return {}
        try:
            snapshot = self._reader.snapshot()
        except SegmentError as error:
            self._log.error(f"the segment cannot be read: {error}", event="segment-failed")
            return {}
        return {tag.name: snapshot.value(index) for index, tag in enumerate(self._reader.directory)}

    def close(self) -> None:
        """End the children, all outputs off, lines let go."""
        self._drop()
        self._interlocks.close()
        self._sensors.close()
        self.held.close()

    def _tell(self) -> None:
        self.unlocked = self._interlocks.failing()
        if self._pair is None:
            return
        self._pair.alive()
        try:
            failing = facts.failing(self.unlocked, self.held.persistent(), self._sensors.sound())
            self._pair.facts(failing)
        except LoopError as error:
            self._log.error(str(error), event="loop-late")
            return
        persists = [checks.TEXTS[Check.PERSISTENCE]] if failing & Check.PERSISTENCE else []
        self._told = [*self.unlocked, *persists] or self._told

    def _heard(self, message: Message) -> None:
        if message.kind is Report.MODE:
            mode, cause = Mode(message.number), Cause(message.value)
            entry: dict[str, Any] = {"mode": mode.name, "cause": cause.name}
            if mode is Mode.SAFE and cause is Cause.INTERLOCK:
                self.lost = entry["lost"] = self._told
            self.audit.note("mode", **entry)
        elif message.kind is Report.SHOT:
            self._record(Shot.decode(message.text))
        elif message.kind is Report.NOTICE:
            self._log.warning(message.text.rstrip(b"\0").decode(errors="replace"), event="loop-notice")
        self.changed()

    def _record(self, shot: Shot) -> None:
        """Keep the record of a shot, which nobody has told of before."""
        self.shots.append(shot)
        self.audit.note(
            "shot", number=shot.number, channel=shot.channel, window_ms=shot.window_ms, verdict=verdict(shot),
            commanded_ns=shot.commanded_ns, on_ns=shot.on_ns, off_ns=shot.off_ns, trace=shot.trace,
        )  # fmt: skip

    def _ended(self, reason: str) -> None:
        self.trouble = reason
        self.audit.note("loop-ended", reason=reason)
        self.changed()

    def _drop(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._pair is not None:
            pair, self._pair = self._pair, None
            try:
                pair.close()
            finally:
                told = {shot.number for shot in self.shots}
                for shot in pair.unfinished:
                    if shot.number not in told:
                        self._record(shot)
                self._last_shot = pair.last_shot
