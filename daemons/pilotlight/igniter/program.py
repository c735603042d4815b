# SPDX-License-Identifier: Apache-2.0
"""A PLC program that arms and fires: what its requests mean, and when it loses its session. No I/O.

A request is a number that has grown by one, and what stood in the program's other tags in the same scan. The program
holds a session like anybody else: code and token are kept for it here, and its second step has to name the channels of
its first one again. It loses the session at once when it stops, is silent, has forces, or a request of it was lost.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator
from dataclasses import dataclass

from .bank import ALL
from .channel import MS
from .commands import Command, Kind, Verdict

KEEP_NS = 50 * MS
"""How often the lease is kept, at most."""
CODES = 1_000_000
"""A code is below it; it is a wrong code itself."""
NUMBER_MAX = WINDOW_MAX = 0xFFFFFFFF


class Ask(enum.IntEnum):
    """What a program can ask for."""

    OPEN = 1
    """Take the lease."""
    PREPARE = 2
    """First step of arming."""
    ARM = 3
    """Second step, for the same channels."""
    FIRE = 4
    CLEAR = 5
    """Forget the faults, while safe."""
    CLOSE = 6
    """Give the lease back; all off and safe."""
    DISARM = 7
    """All off and safe."""


_ASKS = frozenset(ask.value for ask in Ask)


class Reply(enum.IntEnum):
    """What became of the last request; those of verdicts have their names."""

    NONE = 0
    ACCEPTED = 1
    NO_SESSION = 2
    BUSY = 3
    STALE = 4
    REPEATED = 5
    WRONG_STATE = 6
    CHECKS = 7
    WRONG_CODE = 8
    TOO_EARLY = 9
    WRONG_TOKEN = 10
    BAD_CHANNELS = 11
    BAD_WINDOW = 12
    REFUSED = 13
    UNKNOWN = 14
    """There is no such request."""
    LOST = 15
    """Its number has not grown by one: requests were lost, so the session ended."""
    ENDED = 16
    """The program stopped, was silent, has forces or began anew: the session ended, if it had one."""
    FAILED = 17
    """The firing loop gave no verdict."""
    UNDONE = 18


@dataclass(frozen=True)
class Request:
    """A request as it stood in one scan; `stamp_ns` is when (CLOCK_MONOTONIC)."""

    number: int
    ask: int
    mask: int
    window_ms: int
    stamp_ns: int


@dataclass(frozen=True)
class Look:
    """What is seen of the program at a time."""

    now_ns: int
    life_ns: int = 0
    """When its sign of life last changed."""
    requests: tuple[Request, ...] = ()
    """Those since the last look, each once."""
    first: int | None = None
    """When it was found anew: the number that stood there. It is older than the look and never carried out."""
    trouble: str = ""
    """Why it cannot be trusted, whatever its tags say; empty when it can."""


@dataclass(frozen=True)
class ProgramRules:
    """What a program may do: its channels, the checks that are forced for it, how old its signs may be."""

    channels: int
    forced: int
    silent_ns: int
    fresh_ns: int


Talk = Generator[Command, Verdict | None, None]
"""Yields commands for the firing loop, and is sent the verdict of each; None when there was none."""


class Program:
    """The program as a holder of a session."""

    def __init__(self, rules: ProgramRules, draw: Callable[[], int]) -> None:
        """`draw` gives a random number from 1 to 2^63 - 1."""
        self._rules = rules
        self._draw = draw
        self.session = 0
        self.number = 0
        """Of the last request."""
        self.reply = Reply.NONE
        self.ended = ""
        """Why the session ended, when the program did not close it itself."""
        self._sequence = 0
        self._kept_ns = 0
        self._prepared = self._code = self._token = 0

    def follow(self, look: Look) -> Talk:
        """Act on what is seen."""
        trouble = look.trouble or self._silence(look)
        if look.first is not None:
            trouble = trouble or ("it began anew" if self.session else "")
            self.number, self.reply = look.first, Reply.NONE
        if trouble:
            yield from self._end(look.now_ns, trouble, Reply.ENDED, bool(look.requests))
            self.number = look.requests[-1].number if look.requests else self.number
            return
        if self.session and look.life_ns - self._kept_ns >= KEEP_NS:
            self._kept_ns = look.life_ns
            yield from self._say(self._command(Kind.KEEP, look.life_ns))
        for request in look.requests:
            yield from self._take(request, look.now_ns)

    def _silence(self, look: Look) -> str:
        age = look.now_ns - look.life_ns
        return "" if 0 <= age <= self._rules.silent_ns else f"it gave no sign of life for {age // MS} ms"

    def _take(self, request: Request, now_ns: int) -> Talk:
        due, self.number = self.number + 1, request.number
        if request.number != due:
            yield from self._end(now_ns, f"request {due} was lost", Reply.LOST, True)
        elif not 0 <= now_ns - request.stamp_ns <= self._rules.fresh_ns:
            self.reply = Reply.STALE
        else:
            command = self._meant(request)
            if isinstance(command, Reply):
                self.reply = command
            else:
                yield from self._say(command)

    def _meant(self, request: Request) -> Command | Reply:
        """The command that a request asks for, or why there is none."""
        if request.ask not in _ASKS:
            return Reply.UNKNOWN
        ask, stamp = Ask(request.ask), request.stamp_ns
        if ask is Ask.OPEN:
            return Command(Kind.OPEN, session=self._draw())
        if ask is Ask.DISARM:
            return Command(Kind.DISARM)
        if not self.session:
            return Reply.NO_SESSION
        if ask in (Ask.CLEAR, Ask.CLOSE):
            return self._command(Kind.CLEAR if ask is Ask.CLEAR else Kind.CLOSE, stamp)
        if not 0 < request.mask <= ALL or request.mask & ~self._rules.channels:
            return Reply.BAD_CHANNELS
        if ask is Ask.PREPARE:
            code = self._draw() % CODES
            return self._command(Kind.PREPARE, stamp, mask=request.mask, checks=self._rules.forced, secret=code)
        if ask is Ask.ARM:
            # Other channels than were prepared are a wrong code, which makes safe.
            code = self._code if request.mask == self._prepared else CODES
            return self._command(Kind.ARM, stamp, secret=code, token=self._draw())
        if not 0 <= request.window_ms <= WINDOW_MAX:
            return Reply.BAD_WINDOW
        return self._command(
            Kind.FIRE, stamp, mask=request.mask, secret=self._token, durations_ms=(request.window_ms,) * 4
        )

    def _command(
        self, kind: Kind, stamp_ns: int, mask: int = 0, checks: int = 0, secret: int = 0, token: int = 0,
        durations_ms: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Command:  # fmt: skip
        """A command of the session, numbered."""
        self._sequence += 1
        return Command(
            kind, mask=mask, checks=checks, sequence=self._sequence, secret=secret, session=self.session,
            stamp_ns=stamp_ns, token=token, durations_ms=durations_ms,
        )  # fmt: skip

    def _say(self, command: Command) -> Talk:
        """Have a command carried out, and take in its verdict."""
        verdict = yield command
        kept = command.kind is Kind.KEEP
        if verdict is None:
            self._forget("the firing loop gave no verdict", Reply.FAILED)
        elif verdict is Verdict.NO_SESSION:
            self._forget("its lease has ended", Reply.ENDED if kept else Reply.NO_SESSION)
        elif not kept:
            self.reply = Reply[verdict.name]
        if verdict is Verdict.ACCEPTED:
            self._remember(command)

    def _remember(self, command: Command) -> None:
        """What an accepted command leaves."""
        if command.kind is Kind.PREPARE:
            self._prepared, self._code = command.mask, command.secret
        elif command.kind is Kind.ARM:
            self._token = command.token
        elif command.kind in (Kind.OPEN, Kind.CLOSE):
            self._forget("", Reply.ACCEPTED)
            self.session = command.session if command.kind is Kind.OPEN else 0
            self._sequence = 0

    def _end(self, now_ns: int, reason: str, reply: Reply, asked: bool) -> Talk:
        """End the session, if there is one; `reply` is for who has asked for something or had one."""
        if self.session:
            # Disarming cannot be refused, however late it comes.
            yield Command(Kind.DISARM)
            yield self._command(Kind.CLOSE, now_ns)
            self._forget(reason, reply)
        elif asked:
            self._forget(reason, reply)

    def _forget(self, reason: str, reply: Reply) -> None:
        self.session = self._prepared = self._code = self._token = self._kept_ns = 0
        self.ended, self.reply = reason, reply
