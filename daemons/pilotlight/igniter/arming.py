# SPDX-License-Identifier: Apache-2.0
"""The words of arming: modes, causes of safety, limits in time, and what a tick has read."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .channel import MS


class Mode(enum.IntEnum):
    """What the igniter as a whole is up to."""

    SAFE = 0
    ARMING = 1
    """Prepared: the countdown runs, or the code is waited for."""
    ARMED = 2


class Cause(enum.IntEnum):
    """Why the igniter last became safe."""

    START = 0
    COMMAND = 1
    KILL_SWITCH = 2
    LEASE = 3
    ARMING_TIMEOUT = 4
    WATCHDOGS = 5
    INTERLOCK = 6
    FAULT = 7
    FIRED = 8
    WRONG_SECRET = 9
    CLOCK_BACK = 10
    LINES = 11
    STOP = 12
    LATE = 13
    """The loop came too late to switch on."""
    SWITCHED_OFF = 14
    """An output read off though it was commanded on: guard or parent, or somebody else, has switched it off."""
    CONTINUITY = 15
    """A match that was there when it was armed is no more."""


@dataclass(frozen=True)
class Limits:
    """Times of arming, in nanoseconds. `lease_ns` is how long a session lives without a command."""

    countdown_ns: int = 3000 * MS
    confirm_ns: int = 30_000 * MS
    armed_ns: int = 60_000 * MS
    lease_ns: int = 1000 * MS
    fresh_ns: int = 500 * MS
    supervisor_ns: int = 500 * MS
    guard_ns: int = 100 * MS
    late_ns: int = 12 * MS
    """How long after it has looked the loop may switch something on."""
    stay_armed: bool = False
    """Whether the igniter stays armed when the windows of a command are over."""


@dataclass(frozen=True)
class Inputs:
    """What a tick has read. Bit n of `status` and `outputs` is channel n + 1; ages are since the last sign of life."""

    now_ns: int
    status: int
    outputs: int | None
    """Levels read back; None when they cannot be read."""
    kill_closed: bool | None
    """None when it cannot be read."""
    supervisor_ns: int
    guard_ns: int
    """When parent and guard last gave a sign of life."""
    real_time: bool = True
