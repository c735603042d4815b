# SPDX-License-Identifier: Apache-2.0
"""The ``_v1`` mailboxes, for programs that know the reference's igniter: commands in, status out.

A mailbox holds the last command only and has neither session nor code nor token, so it arms in one step, and its lease
is the time that arming lasts. A command that is found too late is not carried out, unless it makes safe. All of it is
off unless the settings ask for it. What became of its last command is in Status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotlight.tags.mailbox import USUAL_PLACES, OwnedMailbox, Places
from pilotlight.tags.messages import (
    IGNITER_COMMAND,
    IGNITER_STATUS,
    Action,
    ChannelState,
    FourInts,
    IgniterCommand,
    IgniterStatus,
)

from .arming import Mode
from .bank import CHANNELS
from .channel import MS
from .commands import Command, Kind
from .core import State

POLL_S = 0.004
_STATES = {
    State.UNCONFIGURED: ChannelState.DISARMED,
    State.OFF: ChannelState.DISARMED,
    State.FAULT: ChannelState.FAULT_LATCHED,
    State.ARMED: ChannelState.ARMED_IDLE,
    State.FIRING: ChannelState.FIRING,
}


class Boxes:
    """Both mailboxes. Raises MailboxError when one cannot be made."""

    def __init__(self, command: str, status: str, places: Places = USUAL_PLACES) -> None:
        self._command = OwnedMailbox.create(command, IGNITER_COMMAND, places=places)
        try:
            self._status = OwnedMailbox.create(status, IGNITER_STATUS, places=places)
        except BaseException:
            self._command.close()
            raise
        self._written = 0

    def take(self) -> IgniterCommand | None:
        """The command that was not taken before, if there is one. MessageError when it is none."""
        data = self._command.take()
        return None if data is None else IgniterCommand.unpack(data)

    def publish(self, values: Mapping[str, Any], now_ns: int) -> None:
        """Publish the status from the segment's values by name."""
        self._written += 1
        self._status.write(status_of(values, self._written, now_ns).pack())

    def leave(self, now_ns: int) -> None:
        """Once all is safe: say so, and leave both to the next igniter. Who is attached to them stays so."""
        self.publish({}, now_ns)
        self._command.leave()
        self._status.leave()


def command_of(message: IgniterCommand, forced: int) -> Command | None:
    """What the message asks for; None for the action that asks for nothing. ValueError for an unknown one."""
    action = Action(message.action)
    if action is Action.NONE:
        return None
    if message.fire_mask >> CHANNELS:
        raise ValueError(f"the mask {message.fire_mask:#x} has more than {CHANNELS} channels")
    kinds = {
        Action.ARM: Kind.BOX_ARM,
        Action.DISARM: Kind.DISARM,
        Action.FIRE_MASK: Kind.BOX_FIRE,
        Action.CLEAR_FAULT: Kind.BOX_CLEAR,
    }
    return Command(kinds[action], mask=message.fire_mask, checks=forced, durations_ms=message.durations_ms)


def late(message: IgniterCommand, now_ns: int, fresh_ns: int) -> str:
    """Why the message is not to be carried out any more; empty when it is. What makes safe is never too late."""
    age = now_ns - message.t_ns
    if message.action == Action.DISARM or 0 <= age <= fresh_ns:
        return ""
    when = f"{age / MS:.0f} ms before it was found" if age >= 0 else "ahead of the present time"
    return f"STALE: its time is {when}, {fresh_ns // MS} ms are allowed; nothing was done by it, write it anew"


def status_of(values: Mapping[str, Any], number: int, now_ns: int) -> IgniterStatus:
    """The status message; without values everything is off."""

    def each(name: str) -> FourInts:
        one, two, three, four = (int(values.get(f"Channel{n}.{name}", 0)) for n in range(1, CHANNELS + 1))
        return one, two, three, four

    one, two, three, four = (int(_STATES[State(code)]) for code in each("State"))
    active = sum(on << n for n, on in enumerate(each("Commanded")))
    armed = values.get("Mode") == Mode.ARMED
    latched = bool(values.get("FaultLatched", False))
    states = (one, two, three, four)
    return IgniterStatus(number, now_ns, armed, latched, active, states, each("Fault"), each("Remaining"))
