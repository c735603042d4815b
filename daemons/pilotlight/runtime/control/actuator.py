# SPDX-License-Identifier: Apache-2.0
"""From commands to pulse widths, and the causes that override a command."""

from __future__ import annotations

import math
from typing import Final

from pilotlight.runtime.control.samples import MS, Command, Reason, aged_ms, clamp
from pilotlight.runtime.control.settings import Servo
from pilotlight.tags.messages import Four, FourInts

DOWN_FOR_NS: Final = 200 * MS
"""A link that is down so long counts as down."""
UP_FOR_NS: Final = 500 * MS
"""A link that is up so long counts as up again."""


class ServoMapper:
    """One servo: its calibration and where it was last."""

    def __init__(self, servo: Servo, slew_per_s: float) -> None:
        self._min_us = servo.min_pwm_us
        self._max_us = servo.max_pwm_us
        self._neutral_us = servo.neutral_pwm_us
        self._direction = servo.direction
        self._trim = servo.trim_norm
        self._min = servo.min_norm
        self._max = servo.max_norm
        self._failsafe = servo.failsafe_norm
        self._slew = slew_per_s
        at_max, at_min = servo.neutral_pwm_us == servo.max_pwm_us, servo.neutral_pwm_us == servo.min_pwm_us
        self._neutral = 1.0 if at_max else -1.0 if at_min else 0.0
        self._last = 0.0

    def step(self, norm: float, armed: bool, failsafe: bool, dt: float) -> int:
        """The pulse in µs; `dt` is the time since the last step in seconds, 0 at the first, which is not slewed."""
        wanted = self._failsafe if failsafe else norm if armed else self._neutral
        value = self._position(wanted)
        if dt > 0.0 and self._slew > 0.0:
            most = self._slew * dt
            value = clamp(value, self._last - most, self._last + most)
        self._last = value
        return self._pulse(value)

    def _position(self, wanted: float) -> float:
        """Where the servo stands for a command: turned, trimmed and within its limits."""
        if not math.isfinite(wanted):
            wanted = 0.0
        return clamp(self._direction * (wanted + self._trim), self._min, self._max)

    def _pulse(self, value: float) -> int:
        way = self._max_us - self._neutral_us if value >= 0.0 else self._neutral_us - self._min_us
        exact = clamp(self._neutral_us + value * way, float(self._min_us), float(self._max_us))
        return math.floor(exact + 0.5)

    def failsafe_pulse(self) -> int:
        """The pulse where steps in failsafe end, at once: nobody is left to slew."""
        return self._pulse(self._position(self._failsafe))


class Mapper:
    """The four servos."""

    def __init__(self, servos: tuple[Servo, ...], slew_per_s: float) -> None:
        self._servos = [ServoMapper(servo, slew_per_s) for servo in servos]
        self._t_ns = 0

    def step(self, norms: Four, armed: bool, failsafe: bool, now_ns: int) -> FourInts:
        """The four pulses in µs."""
        dt = (now_ns - self._t_ns) * 1e-9 if 0 < self._t_ns < now_ns else 0.0
        self._t_ns = now_ns
        a, b, c, d = self._servos
        return (
            a.step(norms[0], armed, failsafe, dt),
            b.step(norms[1], armed, failsafe, dt),
            c.step(norms[2], armed, failsafe, dt),
            d.step(norms[3], armed, failsafe, dt),
        )

    def failsafe_pulses(self) -> FourInts:
        """The pulses of the failsafe positions, for when nobody steps any more."""
        a, b, c, d = self._servos
        return a.failsafe_pulse(), b.failsafe_pulse(), c.failsafe_pulse(), d.failsafe_pulse()


class Link:
    """Whether the simulator's connection counts as down: only what lasts changes it."""

    def __init__(self) -> None:
        self.down = False
        self._since_ns = -1

    def step(self, connected: bool, now_ns: int) -> bool:
        """Take the connection as it is now; returns whether it counts as down."""
        if connected != self.down:  # as it counts
            self._since_ns = -1
            return self.down
        if self._since_ns < 0:
            self._since_ns = now_ns
        if now_ns - self._since_ns >= (UP_FOR_NS if connected else DOWN_FOR_NS):
            self.down = not connected
            self._since_ns = -1
        return self.down


class IoErrors:
    """Writes that fail: so many in a row latch the failsafe until the end."""

    def __init__(self, latching: bool, limit: int) -> None:
        self._latching = latching
        self._limit = limit
        self._streak = 0
        self.latched = False
        self.total = 0

    def latch(self) -> None:
        """They latched before, and nobody looked after it since."""
        self.latched = self._latching

    def report(self, success: bool) -> None:
        """Take the outcome of a write."""
        if success:
            self._streak = 0
            return
        self.total += 1
        self._streak += 1
        if self._latching and self._streak >= self._limit:
            self.latched = True


def command_stale(command: Command | None, now_ns: int, timeout_ms: int) -> bool:
    """Whether there is no command, or only one that is too old."""
    return command is None or aged_ms(now_ns, command.t_ns, timeout_ms)


def override_reason(io_latched: bool, kill: bool, imu_stale: bool, link_down: bool, stale: bool, own: Reason) -> Reason:
    """Why the servos go to their failsafe positions, the first that applies; `own` is the command's own reason."""
    if io_latched:
        return Reason.IO_ERROR_LATCH
    if kill:
        return Reason.KILL_SWITCH
    if imu_stale:
        return Reason.IMU_STALE
    if link_down:
        return Reason.LINK_DOWN
    if stale:
        return Reason.COMMAND_TIMEOUT
    return own


class FailsafeCounts:
    """How often the servos were in failsafe, and why. `causes` counts entries, by the number of the reason."""

    def __init__(self) -> None:
        self.activations = 0
        self.enters = 0
        self.exits = 0
        self.causes = [0, 0, 0, 0, 0, 0, 0]
        self.last = Reason.NONE
        """The reason of the last step that was in failsafe."""
        self.active = Reason.NONE
        """The reason now."""

    def step(self, reason: Reason) -> None:
        """Count a step of the actuators with its reason."""
        if reason is not Reason.NONE:
            self.activations += 1
            self.last = reason
            if self.active is Reason.NONE:
                self.enters += 1
                self.causes[reason] += 1
        elif self.active is not Reason.NONE:
            self.exits += 1
        self.active = reason
