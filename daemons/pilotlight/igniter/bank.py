# SPDX-License-Identifier: Apache-2.0
"""The channels together: armed as one, fired as one, and what a fault of one means for the others. No I/O.

Policy ``global``: a fault of any channel disarms all and latches until it is cleared. Policy ``isolated``: it ends that
channel alone. An arming that a fault refuses disarms the bank under both; it latches under neither.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

from .channel import Channel, ChannelState, Fault, Rules

CHANNELS = 4
ALL = (1 << CHANNELS) - 1


class Policy(enum.IntEnum):
    """What a fault of one channel means for the others."""

    GLOBAL = 0
    ISOLATED = 1


class Bank:
    """Four channels, of which those in ``enabled`` exist. Bit n of every mask is channel n + 1."""

    def __init__(self, rules: Rules, policy: Policy, enabled: int = ALL) -> None:
        self.policy = policy
        self.enabled = enabled
        self.armed = False
        self.latched = False
        self.channels = tuple(Channel(rules) for _ in range(CHANNELS))

    @property
    def active(self) -> int:
        """The channels that have to be on."""
        return self._mask(lambda channel: channel.on)

    @property
    def faulted(self) -> int:
        """The channels with a fault."""
        return self._mask(lambda channel: channel.fault is not Fault.NONE)

    def window(self, now_ns: int) -> int:
        """The channels that fire and whose windows are not over."""
        return self._mask(lambda channel: channel.in_window(now_ns))

    def arm(self, now_ns: int, selected: int = ALL) -> bool:
        """Arm the selected channels and disarm the others, or refuse.

        While a channel fires or a latch stands, and for no channel, nothing is changed. When a selected channel has a
        fault, none is made ready and the bank is disarmed: nothing can be fired until an arming is accepted.
        """
        wanted = selected & self.enabled
        if self.latched or not wanted or self.active:
            return False
        faulted = self._of(wanted & self.faulted)
        self.armed = not faulted
        for channel in faulted or self._of(wanted):
            channel.arm()
        if self.armed:
            for channel in self._of(self.enabled & ~wanted):
                channel.disarm(now_ns)
        return self.armed

    def fire(self, now_ns: int, mask: int, durations_ms: Sequence[int]) -> bool:
        """Switch on all channels of `mask` at once, or none: each must be armed, idle, and its window allowed."""
        if not self.armed or self.latched or not mask or mask & ~self.enabled:
            return False
        for number, channel in enumerate(self.channels):
            if mask >> number & 1 and (
                channel.state is not ChannelState.ARMED_IDLE or not channel.window_ms(durations_ms[number])
            ):
                return False
        for number, channel in enumerate(self.channels):
            if mask >> number & 1:
                channel.fire(now_ns, durations_ms[number])
        return True

    def disarm(self, now_ns: int) -> None:
        """All off and not ready. Faults and the latch are kept."""
        self.armed = False
        for channel in self.channels:
            channel.disarm(now_ns)

    def clear_fault(self, now_ns: int) -> None:
        """All off, not ready, faults and latch forgotten."""
        self.disarm(now_ns)
        self.latched = False
        for channel in self.channels:
            channel.clear_fault(now_ns)

    def update(self, now_ns: int, status: int, force: bool = False) -> None:
        """One step in time with the STATUS levels of all channels; `force` disarms instead of reading them."""
        if force:
            if self.armed or self.active:
                self.disarm(now_ns)
            return
        for number, channel in enumerate(self.channels):
            if self.enabled >> number & 1:
                channel.update(now_ns, bool(status >> number & 1))
        if self.policy is Policy.GLOBAL and self.faulted:
            self.latched, self.armed = True, False
            for channel in self.channels:
                if channel.state is ChannelState.FIRING:
                    channel.disarm(now_ns)

    def _of(self, mask: int) -> list[Channel]:
        return [channel for number, channel in enumerate(self.channels) if mask >> number & 1]

    def _mask(self, holds: Callable[[Channel], bool]) -> int:
        return sum(1 << number for number, channel in enumerate(self.channels) if holds(channel))
