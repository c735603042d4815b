# SPDX-License-Identifier: Apache-2.0
"""Segment ``igniter``: its tags, and how the firing loop fills them."""

from __future__ import annotations

import enum

from pilotlight.tags import Flags, Quality, SegmentWriter, Tag, Type

from .arming import Cause, Mode
from .bank import CHANNELS
from .channel import Channel, ChannelState, Continuity, Fault
from .checks import ALL
from .commands import Command, Kind
from .core import State
from .machine import Machine
from .program import Reply

BEAT_NS = 100_000_000
"""When the loop's next sign of life is due at the latest, in the segment; the guard is stricter."""


def _codes(kind: type[enum.IntEnum]) -> str:
    return ", ".join(f"{member.value} {member.name}" for member in kind)


CHANNEL_TAGS = (
    Tag("State", Type.USINT, description=_codes(State)),
    Tag("Commanded", Type.BOOL, description="what the igniter wants the line to be"),
    Tag("Output", Type.BOOL, description="level read back from the line", flags=Flags.OUTPUT),
    Tag("Fault", Type.USINT, description=_codes(Fault)),
    Tag("Continuity", Type.USINT, description=_codes(Continuity)),
    Tag("Remaining", Type.UDINT, unit="ms", description="what is left of the window"),
)
COMMON_TAGS = (
    Tag("Mode", Type.USINT, description=_codes(Mode)),
    Tag("Cause", Type.USINT, description="why it last became safe: " + _codes(Cause)),
    Tag("FaultLatched", Type.BOOL, description="a fault stands under the policy global; clear it before arming"),
    Tag("KillSwitch", Type.BOOL, description="closed; BAD when it cannot be read", flags=Flags.INPUT),
    Tag("FailingChecks", Type.UDINT, description="arming checks that fail for all channels, a bit each"),
    Tag("Session", Type.BOOL, description="a session holds the lease"),
    Tag("Program.Session", Type.BOOL, description="the PLC program holds the lease"),
    Tag("Program.Number", Type.UDINT, description="the PLC program's last request that was answered"),
    Tag("Program.Reply", Type.USINT, description="what became of it: " + _codes(Reply)),
    Tag("CommandsAccepted", Type.ULINT, description="commands carried out since the firing loop began"),
    Tag("CommandsRefused", Type.ULINT, description="commands refused since then"),
)


def tags() -> list[Tag]:
    """The directory of the segment: channel by channel, then what is common."""
    each = [
        Tag(f"Channel{number}.{tag.name}", tag.type, tag.length, tag.unit, tag.description, tag.flags)
        for number in range(1, CHANNELS + 1)
        for tag in CHANNEL_TAGS
    ]
    return [*each, *COMMON_TAGS]


class Publisher:
    """Fills the segment from the machine, once a tick."""

    def __init__(self, writer: SegmentWriter, enabled: int) -> None:
        self._writer = writer
        self._enabled = enabled
        self._program = Command(Kind.REPLY)

    def reply(self, told: Command) -> None:
        """Take what became of the PLC program's last request, for the next publish."""
        self._program = told

    def publish(self, machine: Machine, written: int, now_ns: int) -> None:
        """Publish the state after a tick that has written `written` to the outputs."""
        put = self._writer.set
        inputs = machine.inputs
        quality = Quality.BAD if inputs.outputs is None else Quality.GOOD
        for number, channel in enumerate(machine.bank.channels):
            at = number * len(CHANNEL_TAGS)
            put(at, int(self._state(number, channel, machine)))
            put(at + 1, bool(written >> number & 1))
            put(at + 2, bool((inputs.outputs or 0) >> number & 1), quality)
            put(at + 3, int(channel.fault))
            put(at + 4, int(channel.continuity))
            put(at + 5, channel.remaining_ms(now_ns))
        at = CHANNELS * len(CHANNEL_TAGS)
        put(at, int(machine.mode))
        put(at + 1, int(machine.cause))
        put(at + 2, machine.bank.latched)
        put(at + 3, bool(inputs.kill_closed), Quality.BAD if inputs.kill_closed is None else Quality.GOOD)
        put(at + 4, int(machine.failing(self._enabled) & ALL))
        put(at + 5, bool(machine.session))
        put(at + 6, bool(machine.session) and machine.session == self._program.session)
        put(at + 7, self._program.sequence)
        put(at + 8, self._program.checks)
        put(at + 9, machine.accepted)
        put(at + 10, machine.refused)
        self._writer.publish(now_ns)
        self._writer.heartbeat(now_ns + BEAT_NS)

    def _state(self, number: int, channel: Channel, machine: Machine) -> State:
        if not self._enabled >> number & 1:
            return State.UNCONFIGURED
        if channel.state is ChannelState.FIRING:
            return State.FIRING
        if channel.fault is not Fault.NONE:
            return State.FAULT
        armed = channel.state is ChannelState.ARMED_IDLE and machine.mode is Mode.ARMED
        return State.ARMED if armed else State.OFF
