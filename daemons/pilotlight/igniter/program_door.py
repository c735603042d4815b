# SPDX-License-Identifier: Apache-2.0
"""The door of the PLC program: looks at its tags, has its requests carried out, tells the loop and the audit."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from . import checks
from .audit import Audit
from .channel import MS
from .commands import Command, Kind, Verdict
from .pair import Answer, LoopError
from .program import Look, Program, ProgramRules, Reply
from .program_tags import ProgramTags
from .settings import ArmingSettings, ProgramSettings

POLL_S = 0.005


class Ordering(Protocol):
    """Has the firing loop carry out a command, with a line in the audit. LoopError when it does not."""

    async def __call__(self, command: Command, **who: Any) -> Answer:
        """`who` asks goes into the audit."""


class ProgramDoor:
    """Serves the PLC program until it is stopped. All in the asyncio thread."""

    def __init__(self, arming: ArmingSettings, settings: ProgramSettings, audit: Audit) -> None:
        rules = ProgramRules(
            sum(1 << (number - 1) for number in set(settings.channels)),
            int(checks.parse(list(settings.forced))),
            settings.silent_ms * MS,
            arming.fresh_ms * MS,
        )
        self._program = Program(rules, lambda: secrets.randbits(63) | 1)
        self._tags = ProgramTags(settings)
        self._audit = audit
        self._trouble = ""
        self._told = (0, 0, Reply.NONE, 0)

    def text(self) -> str:
        """How it stands, for people."""
        program = self._program
        held = "holds the session" if program.session else "has no session"
        why = "; ".join(dict.fromkeys(reason for reason in (program.ended, self._trouble) if reason))
        return f"{held}; request {program.number}: {program.reply.name}" + (f" ({why})" if why else "")

    async def serve(self, order: Ordering, loop: Callable[[], int], stop: asyncio.Event) -> None:
        """Look and act until `stop`; `loop` tells the process number of the firing loop."""
        try:
            while not stop.is_set():
                await self._talk(order, self._tags.look())
                await self._tell(order, loop())
                try:
                    await asyncio.wait_for(stop.wait(), POLL_S)
                except TimeoutError:
                    continue
        finally:
            self._tags.close()

    async def _tell(self, order: Ordering, loop: int) -> None:
        """Have the loop publish what became of the last request, once."""
        program = self._program
        told = (loop, program.number, program.reply, program.session)
        if told == self._told or not loop:
            return
        with contextlib.suppress(LoopError):
            # Without an answer it is told again.
            await order(Command(Kind.REPLY, sequence=program.number, checks=program.reply, session=program.session))
            self._told = told

    async def _talk(self, order: Ordering, look: Look) -> None:
        self._trouble = look.trouble
        before = self._program.session, self._program.reply
        talk = self._program.follow(look)
        try:
            command = next(talk)
            while True:
                command = talk.send(await self._carry_out(order, command))
        except StopIteration:
            after = self._program.session, self._program.reply
        if after != before and self._program.ended:
            self._audit.note("program", why=self._program.ended)

    async def _carry_out(self, order: Ordering, command: Command) -> Verdict | None:
        try:
            return (await order(command, by="the PLC program", request=self._program.number)).verdict
        except LoopError:
            return None
