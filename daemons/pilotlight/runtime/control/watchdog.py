# SPDX-License-Identifier: Apache-2.0
"""Judges the motion sensor by its samples, keeps bad ones from the loop, and asks to start the sensor anew.

Only new samples are judged: a sensor that is polled faster than it measures repeats itself and is healthy.
"""

from __future__ import annotations

import enum

from pilotlight.runtime.control.samples import MS, NO_IMU, ImuSample
from pilotlight.runtime.control.settings import ImuWatchdog as Settings


class State(enum.IntEnum):
    """How the sensor stands; the numbers are those of the status file."""

    HEALTHY = 0
    SUSPECT = 1
    FAULTED = 2
    RECOVERING = 3


class Fault(enum.IntEnum):
    """What is wrong with a sample; the numbers are those of the status file."""

    NONE = 0
    NAN_INF = 1
    ZERO_VECTOR = 2
    FLATLINE = 3
    DEGENERATE_PATTERN = 4


def _near(a: float, b: float, epsilon: float) -> bool:
    return abs(a - b) <= epsilon


def judge(sample: ImuSample, previous: ImuSample | None, epsilon: float) -> Fault:
    """What is wrong with a sample that follows `previous`; the first that applies."""
    if not sample.finite():
        return Fault.NAN_INF
    s = sample
    if s.ax == 0.0 and s.ay == 0.0 and s.az == 0.0 and s.gx == 0.0 and s.gy == 0.0 and s.gz == 0.0:
        return Fault.ZERO_VECTOR
    accel_alike = _near(s.ax, s.ay, epsilon) and _near(s.ay, s.az, epsilon) and _near(s.ax, s.az, epsilon)
    if accel_alike and _near(s.gx, s.gy, epsilon) and _near(s.gy, s.gz, epsilon) and _near(s.gx, s.gz, epsilon):
        return Fault.DEGENERATE_PATTERN
    if previous is not None and _same(s, previous, epsilon):
        return Fault.FLATLINE
    return Fault.NONE


def _same(s: ImuSample, p: ImuSample, epsilon: float) -> bool:
    accel = _near(s.ax, p.ax, epsilon) and _near(s.ay, p.ay, epsilon) and _near(s.az, p.az, epsilon)
    return accel and _near(s.gx, p.gx, epsilon) and _near(s.gy, p.gy, epsilon) and _near(s.gz, p.gz, epsilon)


class ImuWatchdog:
    """The state machine. `counts` holds the bad samples of each kind, by the number of the fault."""

    def __init__(self, settings: Settings) -> None:
        self._enabled = settings.enabled
        self._epsilon = settings.flatline_epsilon
        zero, flat, alike = (
            settings.zero_vector_consecutive,
            settings.flatline_consecutive,
            settings.degenerate_pattern_consecutive,
        )
        self._limits = [0, 1, zero, flat, alike]
        self._recovery_samples = settings.healthy_recovery_samples
        self._backoff_ns = settings.recovery_backoff_ms * MS
        self._max_attempts = settings.max_reinit_attempts
        self._streaks = [0, 0, 0, 0, 0]
        self._previous: ImuSample | None = None
        self._healthy_streak = 0
        self._attempts = 0
        self._next_reinit_ns = 0
        self._starting = False
        self.state = State.HEALTHY
        self.last_fault = Fault.NONE
        self.fault_count = 0
        self.counts = [0, 0, 0, 0, 0]
        self.reinit_attempts = 0
        self.reinit_successes = 0
        self.reinit_failures = 0

    @property
    def blocking(self) -> bool:
        """Whether samples are kept from the loop."""
        return self.state is State.FAULTED or self.state is State.RECOVERING

    def step(self, sample: ImuSample, now_ns: int) -> ImuSample:
        """Judge a sample, when it is a new one, and give back what the loop may use."""
        if not self._enabled or not sample.valid:
            return sample
        if self._previous is None or sample.t_ns != self._previous.t_ns:
            fault = judge(sample, self._previous, self._epsilon)
            self._previous = sample
            if self._starting:
                self._starting = False
                self.reinit_successes += 1
            if self.blocking:
                self._recover(fault)
            else:
                self._watch(fault, now_ns)
        return NO_IMU if self.blocking else sample

    def _watch(self, fault: Fault, now_ns: int) -> None:
        if fault is Fault.NONE:
            self._streaks = [0, 0, 0, 0, 0]
            self.state = State.HEALTHY
            return
        self.counts[fault] += 1
        self._streaks[fault] += 1
        if self._streaks[fault] < self._limits[fault]:
            self.state = State.SUSPECT
            return
        self.state = State.FAULTED
        self.last_fault = fault
        self.fault_count += 1
        self._streaks = [0, 0, 0, 0, 0]
        self._healthy_streak = 0
        self._next_reinit_ns = now_ns

    def _recover(self, fault: Fault) -> None:
        if fault is not Fault.NONE:
            self.counts[fault] += 1
            self._healthy_streak = 0
            return
        self._healthy_streak += 1
        self.state = State.RECOVERING
        if self._healthy_streak >= self._recovery_samples:
            self.state = State.HEALTHY
            self._attempts = 0
            self._healthy_streak = 0

    def wants_reinit(self, now_ns: int) -> bool:
        """Whether the sensor shall be started anew now; tell that it is by `reinitialised`.

        One that recovers, as its last sample shows, is left alone.
        """
        allowed = self._max_attempts == 0 or self._attempts < self._max_attempts
        return self.blocking and allowed and self._healthy_streak == 0 and now_ns >= self._next_reinit_ns

    def reinitialised(self, now_ns: int) -> None:
        """The sensor is being started anew: a success with its next sample, a failure when it cannot be read before."""
        self._attempts += 1
        self._next_reinit_ns = now_ns + self._backoff_ns
        self._previous = None
        self._starting = True
        self.reinit_attempts += 1
        self.state = State.RECOVERING

    def unreadable(self) -> None:
        """The sensor could not be read."""
        if self._starting:
            self._starting = False
            self.reinit_failures += 1
            self.state = State.FAULTED
