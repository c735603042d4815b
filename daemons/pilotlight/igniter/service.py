# SPDX-License-Identifier: Apache-2.0
"""D-Bus object of the igniter; see the interface file."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pilotlight.daemon import Busy as BusyError
from pilotlight.daemon import (
    Caller,
    DaemonError,
    InvalidArgument,
    NotPermitted,
    Service,
    Typed,
    WrongState,
    caller,
    command,
    urgent,
)

from . import checks, core, views
from .audit import Audit
from .bank import CHANNELS
from .checks import Check
from .commands import TEXTS, UNCOUNTED, Command, Kind, Verdict
from .core import Channel, unconfigured, why_not_armable
from .firing import Firing
from .pair import Answer, LoopError
from .settings import ChannelSettings

OFF = "Nothing was done by it"


class NotArmable(DaemonError):
    """It cannot be armed; the message has the reasons."""

    dbus_name = "io.pilotlight.Error.NotArmable"


_ERRORS: dict[Verdict, type[DaemonError]] = {
    Verdict.NO_SESSION: NotPermitted,
    Verdict.BUSY: BusyError,
    Verdict.STALE: InvalidArgument,
    Verdict.REPEATED: InvalidArgument,
    Verdict.WRONG_STATE: WrongState,
    Verdict.CHECKS: NotArmable,
    Verdict.WRONG_CODE: NotPermitted,
    Verdict.TOO_EARLY: WrongState,
    Verdict.WRONG_TOKEN: NotPermitted,
    Verdict.BAD_CHANNELS: InvalidArgument,
    Verdict.BAD_WINDOW: InvalidArgument,
    Verdict.REFUSED: NotArmable,
    Verdict.UNDONE: WrongState,
}


class Igniter(Service):
    """Channel states, arming and firing; without `arming` in the settings, the refusal to arm."""

    interface = "io.pilotlight.Igniter1"

    def __init__(self, configured: dict[int, ChannelSettings], firing: Firing | None = None, why: str = "") -> None:
        """`firing` is None while outputs are only held off, `why` then what is wrong, if anything is."""
        super().__init__()
        self._configured = configured
        self._firing = firing
        self._why = why
        self._channels = {number: unconfigured(number) for number in range(1, CHANNELS + 1)}
        self._states = [channel.state.name for channel in self._channels.values()]
        self._owner: tuple[int, str] = (0, "")
        self._audit = Audit() if firing is None else firing.audit
        self.refused = 0
        """Commands that were refused while outputs are only held off."""

    @property
    def States(self) -> list[str]:
        """State of channel 1 to 4."""
        return self._states

    def Channels(self) -> list[dict[str, Any]]:
        """All channels with their lines."""
        if self._firing is not None:
            values = self._firing.values()
            return [views.channel(n, values, self._configured.get(n)) for n in range(1, CHANNELS + 1)]
        return [views.held_channel(channel, self._configured) for channel in self._channels.values()]

    async def Checks(self, channels: list[int]) -> list[dict[str, Any]]:
        """Every arming check, for these channels."""
        failing = (await self._ask(Command(Kind.LOOK, mask=mask_of(channels)))).failing
        return views.checks(failing, self._armable().unlocked)

    def Shots(self) -> list[dict[str, Any]]:
        """The last shots, oldest first."""
        return [views.shot(shot) for shot in self._firing.shots] if self._firing is not None else []

    @urgent
    async def Disarm(self) -> None:
        """All off and safe, for everybody who may read."""
        with self._making(Kind.DISARM):
            self._armable()
        await self._accepted(Command(Kind.DISARM))

    @command(group="pilotlight-igniter")
    async def OpenSession(self) -> tuple[int, int]:
        """Take the lease."""
        with self._making(Kind.OPEN):
            self._armable()
        session = secrets.randbits(63) | 1
        await self._accepted(Command(Kind.OPEN, session=session))
        self._owner = (session, caller().bus_name)
        return session, self._armable().arming.lease_ms

    @command(group="pilotlight-igniter")
    async def KeepAlive(self, session: int, sequence: int, stamp: int) -> None:
        """Keep the lease."""
        await self._accepted(self._of_session(Kind.KEEP, session, sequence, stamp))

    @command(group="pilotlight-igniter")
    async def CloseSession(self, session: int, sequence: int, stamp: int) -> None:
        """Give the lease back; all off and safe."""
        await self._accepted(self._of_session(Kind.CLOSE, session, sequence, stamp))

    @command(group="pilotlight-igniter")
    async def Prepare(
        self, session: int, sequence: int, stamp: int, channels: list[int], forced: list[str]
    ) -> tuple[str, int, int]:
        """First step of arming."""
        code = secrets.randbelow(1_000_000)
        with self._making(Kind.PREPARE):
            arguments = {"mask": mask_of(channels), "checks": checks_of(forced), "secret": code}
        await self._accepted(self._of_session(Kind.PREPARE, session, sequence, stamp, **arguments))
        arming = self._armable().arming
        return f"{code:06}", arming.countdown_ms, arming.confirm_ms

    @command(group="pilotlight-igniter")
    async def Arm(self, session: int, sequence: int, stamp: int, code: str) -> str:
        """Second step of arming."""
        token = secrets.randbits(63) | 1
        # What is no code is passed on as a wrong one, so that it makes safe as a wrong one does.
        secret = int(code) if code.isascii() and code.isdigit() and len(code) == 6 else 1_000_000
        await self._accepted(self._of_session(Kind.ARM, session, sequence, stamp, secret=secret, token=token))
        return f"{token:016x}"

    @command(group="pilotlight-igniter")
    async def Fire(
        self, session: int, sequence: int, stamp: int, token: str, channels: list[int], durations: list[int]
    ) -> None:
        """Fire armed channels."""
        with self._making(Kind.FIRE):
            mask, windows = mask_of(channels), windows_of(channels, durations)
        try:
            secret = int(token, 16) if len(token) == 16 else 0
        except ValueError:
            secret = 0
        arguments = {"mask": mask, "secret": secret, "durations_ms": windows}
        await self._accepted(self._of_session(Kind.FIRE, session, sequence, stamp, **arguments))

    @command(group="pilotlight-igniter")
    async def ClearFaults(self, session: int, sequence: int, stamp: int) -> None:
        """Forget the faults, while safe."""
        await self._accepted(self._of_session(Kind.CLEAR, session, sequence, stamp))

    def problems(self) -> list[str]:
        """Reasons of faulted channels, and why nothing can be armed though the settings ask for it."""
        if self._firing is None:
            return [*([self._why] if self._why else []), *core.problems(self._channels)]
        trouble = [self._firing.trouble] if self._firing.trouble else []
        return trouble + views.problems(self._firing.values())

    def details(self) -> dict[str, Any]:
        """Own keys of ``Status``."""
        own: dict[str, Any] = {
            "Armable": self._firing is not None,
            "Configured": Typed("u", len(self._configured)),
            "States": Typed("as", self.States),
        }
        if self._firing is None:
            return own | {"Armed": False, "Mode": "SAFE"}
        pids = Typed("au", list(self._firing.pids))
        own |= views.summary(self._firing.values(), self._firing.unlocked) | {"Processes": pids}
        own["InterlocksLost"] = Typed("as", self._firing.lost)
        if self._firing.arming.mailboxes is not None:
            sequence, said = self._firing.last_box
            own |= {"MailboxSequence": Typed("t", sequence), "MailboxVerdict": said}
        if self._firing.door is not None:
            own["Program"] = self._firing.door.text()
        return own

    def denied(self, method: str, group: str, who: Caller) -> None:
        """Somebody outside the group of a command has called it."""
        self._refuse(method, f"not in group {group}", who, method != "KeepAlive")

    def update(self, channels: dict[int, Channel]) -> bool:
        """Take over what was checked while outputs are held off; True when something changed, which is announced."""
        changed = channels != self._channels
        self._channels = channels
        self._announce([channel.state.name for channel in channels.values()])
        return changed

    def refresh(self) -> None:
        """Announce what changed while the loop runs."""
        if self._firing is not None:
            self._announce([views.state(number, self._firing.values()) for number in range(1, CHANNELS + 1)])

    def _announce(self, states: list[str]) -> None:
        if states != self._states:
            self._states = states
            self.changed("States")

    def _armable(self) -> Firing:
        if self._firing is None:
            why = self._why or why_not_armable(self._channels, min(self._configured, default=1))
            raise NotArmable(why)
        return self._firing

    def _of_session(self, kind: Kind, session: int, sequence: int, stamp: int, **arguments: Any) -> Command:
        """The command, from whom the session belongs to. NotPermitted for anybody else."""
        with self._making(kind):
            self._armable()
            if (session, caller().bus_name) != self._owner:
                raise NotPermitted(f"this connection has no such session; open one. {OFF}")
            if not 0 < sequence <= 0xFFFFFFFF or not 0 < stamp < 1 << 63:
                raise InvalidArgument(f"sequence or stamp is out of range. {OFF}")
        return Command(kind, session=session, sequence=sequence, stamp_ns=stamp, **arguments)

    @contextmanager
    def _making(self, kind: Kind) -> Iterator[None]:
        """What is refused while a command is made has its place in audit and count, as what the loop refuses."""
        try:
            yield
        except DaemonError as error:
            self._refuse(kind.name, str(error), caller(), kind not in UNCOUNTED)
            raise

    def _refuse(self, command: str, why: str, who: Caller, counted: bool) -> None:
        if self._firing is not None:
            self._firing.refuse(command, why, counted, **_named(who))
        else:
            self.refused += counted
            self._audit.note("refused", **_named(who), command=command, why=why)

    async def _accepted(self, wanted: Command) -> None:
        """Have a command carried out; the error that its verdict is, if it is refused."""
        answer = await self._ask(wanted)
        if answer.verdict is not Verdict.ACCEPTED:
            reasons = f": {checks.explain(answer.failing)}" if answer.failing else ""
            interlocks = self._armable().unlocked if answer.failing & Check.INTERLOCKS else []
            raise _ERRORS[answer.verdict]("; ".join([TEXTS[answer.verdict] + reasons, *interlocks]) + f". {OFF}")

    async def _ask(self, wanted: Command) -> Answer:
        try:
            return await self._armable().order(wanted, **_named(caller()))
        except LoopError as error:
            raise DaemonError(str(error)) from None


def _named(who: Caller) -> dict[str, Any]:
    """Whoever asks, for the audit."""
    return {"by": who.user, "uid": who.uid, "connection": who.bus_name}


def mask_of(channels: list[int]) -> int:
    """The mask of channel numbers. InvalidArgument when one is none."""
    wrong = [channel for channel in channels if not 1 <= channel <= CHANNELS]
    if wrong or not channels:
        raise InvalidArgument(f"channels are 1 to {CHANNELS}, at least one, not {channels}. {OFF}")
    return sum(1 << (channel - 1) for channel in set(channels))


def windows_of(channels: list[int], durations: list[int]) -> tuple[int, ...]:
    """The duration of each of the four channels. InvalidArgument unless every channel is there once with its own."""
    if len(channels) != len(durations) or len(set(channels)) != len(channels):
        raise InvalidArgument(f"each channel is named once and has one duration. {OFF}")
    wanted = dict(zip(channels, durations, strict=True))
    return tuple(wanted.get(number, 0) for number in range(1, CHANNELS + 1))


def checks_of(names: list[str]) -> int:
    """The checks to be forced. InvalidArgument when one is none, or cannot be."""
    try:
        return int(checks.parse(names))
    except ValueError as error:
        raise InvalidArgument(f"{error}. {OFF}") from None
