# SPDX-License-Identifier: Apache-2.0
"""The door of the PLC program: looks at its tags, has its requests carried out, tells the loop and the audit."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from . import checks
from .audit import Audit
from .channel import MS
from .checks import Check
from .commands import Command, Kind, Verdict
from .pair import Answer, LoopError
from .program import Look, Program, ProgramRules, Reply
from .program_tags import ProgramTags
from .settings import ArmingSettings, ProgramSettings

POLL_S = 0.005
Asking = Callable[[Command], Awaitable[Answer]]


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

    async def serve(self, ask: Asking, loop: Callable[[], int], stop: asyncio.Event) -> None:
        """Look and act until `stop`.

        `ask` has the firing loop carry out a command, LoopError when it does not; `loop` tells its process number.
        """
        try:
            while not stop.is_set():
                await self._talk(ask, self._tags.look())
                await self._tell(ask, loop())
                try:
                    await asyncio.wait_for(stop.wait(), POLL_S)
                except TimeoutError:
                    continue
        finally:
            self._tags.close()

    async def _tell(self, ask: Asking, loop: int) -> None:
        """Have the loop publish what became of the last request, once."""
        program = self._program
        told = (loop, program.number, program.reply, program.session)
        if told == self._told or not loop:
            return
        with contextlib.suppress(LoopError):
            # Without an answer it is told again.
            await ask(Command(Kind.REPLY, sequence=program.number, checks=program.reply, session=program.session))
            self._told = told

    async def _talk(self, ask: Asking, look: Look) -> None:
        self._trouble = look.trouble
        before = self._program.session, self._program.reply
        talk = self._program.follow(look)
        try:
            command = next(talk)
            while True:
                command = talk.send(await self._carry_out(ask, command))
        except StopIteration:
            after = self._program.session, self._program.reply
        if after != before and self._program.ended:
            self._audit.note("program", why=self._program.ended)

    async def _carry_out(self, ask: Asking, command: Command) -> Verdict | None:
        verdict: Verdict | None = None
        try:
            answer = await ask(command)
            verdict, said = answer.verdict, answer.verdict.name
            if answer.failing:
                said += f": {checks.explain(answer.failing)}"
        except LoopError as error:
            said = str(error)
        if command.kind is not Kind.KEEP:
            self._audit.note(
                "command", command=command.kind.name, by="the PLC program", request=self._program.number,
                mask=command.mask, durations_ms=list(command.durations_ms),
                forced=checks.names(Check(command.checks)), sequence=command.sequence, verdict=said,
            )  # fmt: skip
        return verdict
