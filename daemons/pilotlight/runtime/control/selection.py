# SPDX-License-Identifier: Apache-2.0
"""Whose estimate and whose command a tick uses, and what it does when nobody's can be trusted."""

from __future__ import annotations

import enum

from pilotlight.runtime.control.external import within
from pilotlight.runtime.control.samples import IDENTITY, ZERO, Command, Estimate, Reason, clamp
from pilotlight.tags.messages import Four


class Source(enum.IntEnum):
    """Where an estimate or a command came from."""

    FAILSAFE = 0
    NATIVE = 1
    FRESH = 2
    """An external worker, just now."""
    HELD = 3
    """An external worker's last word, still young enough to hold on to."""


def select_estimate(
    external: Estimate, native: Estimate, now_ns: int, fresh_ms: int, hold_ms: int
) -> tuple[Estimate, Source]:
    """The external estimate while it is fresh, then while it can be held; the native one while that can; then none."""
    if external.valid and within(external.t_ns, now_ns, fresh_ms):
        return external, Source.FRESH
    if external.valid and within(external.t_ns, now_ns, hold_ms):
        return external, Source.HELD
    return usable(native, now_ns, hold_ms)


def usable(native: Estimate, now_ns: int, hold_ms: int) -> tuple[Estimate, Source]:
    """The native estimate while it can be held: its group may stand still while the others run; then none."""
    if native.valid and within(native.t_ns, now_ns, hold_ms):
        return native, Source.NATIVE
    return Estimate(False, now_ns, IDENTITY, ZERO, ZERO), Source.FAILSAFE


def select_command(
    external: Command, failsafe: Four, now_ns: int, fresh_ms: int, hold_ms: int
) -> tuple[Command, Source]:
    """The external command while it is fresh, then while it can be held, then the failsafe positions, driven."""
    if external.valid and within(external.t_ns, now_ns, fresh_ms):
        return external, Source.FRESH
    if external.valid and within(external.t_ns, now_ns, hold_ms):
        return external, Source.HELD
    return Command(True, True, now_ns, failsafe, Reason.COMMAND_TIMEOUT), Source.FAILSAFE


def control_reason(kill_active: bool, imu_stale: bool, estimate_valid: bool) -> Reason:
    """Why this tick commands failsafe positions; the first that applies."""
    if kill_active:
        return Reason.KILL_SWITCH
    if imu_stale:
        return Reason.IMU_STALE
    return Reason.NONE if estimate_valid else Reason.INVALID_ESTIMATOR


def sanitized(command: Command, now_ns: int) -> Command:
    """The command with servos from -1 to 1 and the time of now; one that is no number becomes 0 and invalid."""
    a, b, c, d = command.servos
    valid = command.valid and a == a and b == b and c == c and d == d
    return Command(valid, command.armed, now_ns, (_limited(a), _limited(b), _limited(c), _limited(d)), command.reason)


def _limited(value: float) -> float:
    return clamp(value, -1.0, 1.0) if value == value else 0.0
