# SPDX-License-Identifier: Apache-2.0
"""What the firing loop and the guard are told when they are spawned, written as their command line."""

from __future__ import annotations

from dataclasses import dataclass

from .arming import Limits
from .bank import Policy
from .channel import Rules

GUARD_NS = 100_000_000
"""How old the guard's sign of life may be at least, as the loop sees it."""


@dataclass(frozen=True)
class Job:
    """Everything a child needs. Descriptors are numbers that it inherits; times are nanoseconds."""

    page: int
    alive: int
    """The reading end of a pipe whose writing end the parent alone has: it ends when the parent does."""
    outputs: str
    kill_switch: str
    """Handles of the request of all outputs, and of the kill switch, whose true level is closed."""
    watched: int = -1
    """For the guard: the pidfd of the loop."""
    stall_ns: int = 0
    """How old the loop's sign of life may be while an output is on."""
    segment: int = -1
    ring: int = -1
    reports: int = -1
    status: str = ""
    enabled: int = 0
    """The channels that exist; bit n of a request's lines is the n-th of them."""
    policy: int = 0
    priority: int = 0
    settle_ns: int = 0
    default_fire_ms: int = 0
    max_fire_ms: int = 0
    latch_faults: int = 0
    opened_is_fault: int = 0
    off_means_open: int = 0
    countdown_ns: int = 0
    confirm_ns: int = 0
    armed_ns: int = 0
    lease_ns: int = 0
    fresh_ns: int = 0
    stay_armed: int = 0
    supervisor_ns: int = 0
    first_shot: int = 1
    """The number of the loop's first shot; they go on where those of the loop before ended."""

    def rules(self) -> Rules:
        """The rules of the channels."""
        return Rules(
            self.settle_ns, self.default_fire_ms, self.max_fire_ms, bool(self.latch_faults),
            bool(self.opened_is_fault), bool(self.off_means_open),
        )  # fmt: skip

    def limits(self) -> Limits:
        """The limits of arming."""
        return Limits(
            self.countdown_ns, self.confirm_ns, self.armed_ns, self.lease_ns, self.fresh_ns,
            supervisor_ns=self.supervisor_ns, guard_ns=max(GUARD_NS, self.stall_ns), late_ns=self.stall_ns,
            stay_armed=bool(self.stay_armed),
        )  # fmt: skip

    def bank_policy(self) -> Policy:
        """The policy of the bank."""
        return Policy(self.policy)
