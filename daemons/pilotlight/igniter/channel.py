# SPDX-License-Identifier: Apache-2.0
"""One firing channel: a high-side switch with a STATUS pin (VN5E160S), its window and its faults. No I/O.

Times are CLOCK_MONOTONIC nanoseconds. STATUS is read as a level: high is good. It means nothing until the switch has
had ``settle_ns`` since it was last set; after that, low while on is an open load or an overload, and low while off is
a shorted output or, where a pull-up on the output makes it so, an open circuit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

MS = 1_000_000
CONTINUITY_SAMPLES = 5
"""Equal samples in a row until continuity counts as measured."""


class ChannelState(enum.IntEnum):
    """States of a channel, with the codes of the ``_v1`` status mailbox."""

    DISARMED = 0
    ARMED_IDLE = 1
    FIRING = 2
    FAULT_LATCHED = 3


class Fault(enum.IntEnum):
    """Faults of a channel, with the codes of the ``_v1`` status mailbox."""

    NONE = 0
    STATUS_LOW_WHILE_ON = 1
    STATUS_LOW_WHILE_OFF = 2
    LATCHED = 3


class Continuity(enum.IntEnum):
    """What the output is connected to, measured while it is off."""

    UNKNOWN = 0
    OPEN = 1
    PRESENT = 2


class End(enum.IntEnum):
    """How a window ended."""

    RUNNING = 0
    COMPLETED = 1
    """The window was over; STATUS stayed high, so current flowed to the end."""
    OPENED = 2
    """STATUS went low and the settings take that for a burnt match."""
    FAULTED = 3
    """STATUS went low and the settings take that for a fault."""
    ABORTED = 4
    """The outputs were made safe before the window was over."""
    LOOP_ENDED = 5
    """The firing loop ended before the window was over; the parent made the record."""
    UNJUDGED = 6
    """The window was over before STATUS meant anything: whether current flowed is not known."""


@dataclass(frozen=True)
class Rules:
    """What all channels have in common; the defaults are the reference's."""

    settle_ns: int = 5 * MS
    default_fire_ms: int = 200
    max_fire_ms: int = 2000
    latch_faults: bool = True
    """Whether a fault is reported as LATCHED or by its cause. It stays until cleared either way."""
    opened_is_fault: bool = True
    """Whether STATUS low while on is a fault, or a match that burnt open and ends its window in good order."""
    off_means_open: bool = False
    """Whether STATUS low while off means an open circuit (a pull-up is on the output) and is no fault."""


class Channel:
    """The state of one channel. ``on`` is what its output has to be; nothing else decides that."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.on = False
        self.state = ChannelState.DISARMED
        self.fault = Fault.NONE
        self.continuity = Continuity.UNKNOWN
        self.end = End.RUNNING
        """How the last window ended; RUNNING until one did."""
        self._judged = False
        """Whether STATUS has meant something while it was on."""
        self._set_ns = 0
        self._end_ns = 0
        self._sample = Continuity.UNKNOWN
        self._samples = 0

    def arm(self) -> bool:
        """Make it ready to fire; False when a fault stands."""
        if self.fault is not Fault.NONE:
            self.state = ChannelState.FAULT_LATCHED
            return False
        self.state = ChannelState.ARMED_IDLE
        return True

    def window_ms(self, duration_ms: int) -> int:
        """The window that is meant by `duration_ms`, 0 being the default; 0 when it is too long."""
        wanted = duration_ms or self._rules.default_fire_ms
        return wanted if 0 < wanted <= self._rules.max_fire_ms else 0

    def fire(self, now_ns: int, duration_ms: int) -> bool:
        """Switch on until the window is over; False unless armed, idle and the window is allowed."""
        window = self.window_ms(duration_ms)
        if self.state is not ChannelState.ARMED_IDLE or not window:
            return False
        self._set(now_ns, True)
        self.end = End.RUNNING
        self._judged = False
        self._end_ns = now_ns + window * MS
        self.state = ChannelState.FIRING
        return True

    def disarm(self, now_ns: int) -> None:
        """Off and not ready. A fault is kept."""
        self._finish(now_ns, ChannelState.DISARMED, End.ABORTED)

    def clear_fault(self, now_ns: int) -> None:
        """Off, not ready, and the fault forgotten."""
        self.disarm(now_ns)
        self.fault = Fault.NONE

    def update(self, now_ns: int, status: bool) -> None:
        """Take one sample of STATUS and the time: ends the window, finds faults, measures continuity."""
        settled = now_ns - self._set_ns >= self._rules.settle_ns
        self._judged = self._judged or (settled and self.on)
        if settled and not status:
            self._low(now_ns)
        if settled and not self.on and self._rules.off_means_open:
            self._measure(Continuity.PRESENT if status else Continuity.OPEN)
        if self.state is ChannelState.FIRING and now_ns >= self._end_ns:
            self._finish(now_ns, ChannelState.ARMED_IDLE, End.COMPLETED if self._judged else End.UNJUDGED)

    def remaining_ms(self, now_ns: int) -> int:
        """What is left of the window, rounded up; 0 when not firing."""
        return max(0, -((now_ns - self._end_ns) // MS)) if self.state is ChannelState.FIRING else 0

    def in_window(self, now_ns: int) -> bool:
        """Whether it fires and its window is not over."""
        return self.state is ChannelState.FIRING and now_ns < self._end_ns

    def _low(self, now_ns: int) -> None:
        """STATUS is low after settling."""
        if self.on and not self._rules.opened_is_fault:
            self._finish(now_ns, ChannelState.ARMED_IDLE, End.OPENED)
        elif self.on or not self._rules.off_means_open:
            cause = Fault.STATUS_LOW_WHILE_ON if self.on else Fault.STATUS_LOW_WHILE_OFF
            if self.fault is Fault.NONE:
                self.fault = Fault.LATCHED if self._rules.latch_faults else cause
            self._finish(now_ns, ChannelState.FAULT_LATCHED, End.FAULTED)

    def _finish(self, now_ns: int, state: ChannelState, end: End) -> None:
        if self.state is ChannelState.FIRING:
            self.end = end
        self.state = state
        self._set(now_ns, False)

    def _set(self, now_ns: int, on: bool) -> None:
        self.on = on
        self._set_ns = now_ns
        self._samples = 0
        if on:
            # It is not measured while on, and what burns is another match afterwards.
            self.continuity = self._sample = Continuity.UNKNOWN

    def _measure(self, sample: Continuity) -> None:
        self._samples = self._samples + 1 if sample is self._sample else 1
        self._sample = sample
        if self._samples >= CONTINUITY_SAMPLES:
            self._samples = CONTINUITY_SAMPLES
            self.continuity = sample
