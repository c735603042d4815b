# SPDX-License-Identifier: Apache-2.0
"""Messages of external workers: what is taken, what is refused and counted, and the last one that was good."""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from typing import Final

from pilotlight.runtime.control.samples import MS, NO_ESTIMATE, Command, Estimate
from pilotlight.tags.messages import (
    CONTROLLER_COMMAND,
    ESTIMATOR_STATE,
    ControllerCommand,
    EstimatorState,
    Fault,
    Format,
    Four,
    fault_of,
)

LEAST_NORM: Final = 0.85
GREATEST_NORM: Final = 1.15


class Verdict(enum.IntEnum):
    """What became of a message."""

    ACCEPTED = 0
    SCHEMA = 1
    CRC = 2
    PAYLOAD = 3
    STALE = 4
    FUTURE = 5
    REGRESSION = 6


def age_verdict(t_ns: int, now_ns: int, last_accepted_ns: int, fresh_ms: int) -> Verdict:
    """Whether a message of the time `t_ns` may be taken after one of `last_accepted_ns` (0: none yet)."""
    if t_ns == 0:
        return Verdict.STALE
    if t_ns > now_ns:
        return Verdict.FUTURE
    if now_ns - t_ns > fresh_ms * MS:
        return Verdict.STALE
    if last_accepted_ns != 0 and t_ns < last_accepted_ns:
        return Verdict.REGRESSION
    return Verdict.ACCEPTED


def within(t_ns: int, now_ns: int, limit_ms: int) -> bool:
    """Whether something of the time `t_ns` is at most `limit_ms` old; never for 0 or the future."""
    return t_ns != 0 and t_ns <= now_ns and now_ns - t_ns <= limit_ms * MS


def sound_attitude(attitude: Four) -> bool:
    """Whether four finite numbers are near a rotation."""
    w, x, y, z = attitude
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    return LEAST_NORM <= norm <= GREATEST_NORM


def sound_estimate(state: EstimatorState) -> bool:
    """Whether an external estimate says it is valid, is finite, and has a rotation for an attitude."""
    if not state.valid:
        return False
    for value in (*state.attitude, *state.velocity, *state.position):
        if not math.isfinite(value):
            return False
    return sound_attitude(state.attitude)


def sound_servos(servos: Four) -> bool:
    """Whether all four are from -1 to 1; a number beyond is refused, not cut."""
    return all(-1.0 <= value <= 1.0 for value in servos)


class Rejects:
    """What was refused, counted by kind for both workers together."""

    def __init__(self) -> None:
        self.schema = 0
        self.crc = 0
        self.stale = 0
        self.regression = 0

    def count(self, verdict: Verdict) -> None:
        if verdict is Verdict.SCHEMA:
            self.schema += 1
        elif verdict is Verdict.CRC:
            self.crc += 1
        elif verdict is Verdict.STALE or verdict is Verdict.FUTURE:
            self.stale += 1
        elif verdict is Verdict.REGRESSION:
            self.regression += 1


class Gate(ABC):
    """Takes messages of one worker. Header, CRC, content and time are judged in this order."""

    def __init__(self, form: Format, fresh_ms: int, rejects: Rejects) -> None:
        self._form = form
        self._fresh_ms = fresh_ms
        self._rejects = rejects
        self.last_accepted_ns = 0
        self.rejected = 0

    def offer(self, data: bytes, now_ns: int) -> Verdict:
        """Judge a message and keep it when it is accepted."""
        verdict = self._judged(data, now_ns)
        if verdict is not Verdict.ACCEPTED:
            self.rejected += 1
            self._rejects.count(verdict)
        return verdict

    def _judged(self, data: bytes, now_ns: int) -> Verdict:
        fault = fault_of(self._form, data)
        if fault is not Fault.NONE:
            return Verdict.SCHEMA if fault is Fault.SCHEMA else Verdict.CRC
        return self._taken(data, now_ns)

    @abstractmethod
    def _taken(self, data: bytes, now_ns: int) -> Verdict:
        """Judge content and time of a message that is whole, and keep it when both are good."""

    def _timed(self, t_ns: int, now_ns: int) -> Verdict:
        verdict = age_verdict(t_ns, now_ns, self.last_accepted_ns, self._fresh_ms)
        if verdict is Verdict.ACCEPTED:
            self.last_accepted_ns = t_ns
        return verdict


class EstimatorGate(Gate):
    """The external estimator; `estimate` is the last accepted one."""

    def __init__(self, fresh_ms: int, rejects: Rejects) -> None:
        super().__init__(ESTIMATOR_STATE, fresh_ms, rejects)
        self.estimate = NO_ESTIMATE

    def _taken(self, data: bytes, now_ns: int) -> Verdict:
        state = EstimatorState.unpack(data)
        if not sound_estimate(state):
            return Verdict.PAYLOAD
        verdict = self._timed(state.t_ns, now_ns)
        if verdict is Verdict.ACCEPTED:
            self.estimate = Estimate(True, state.t_ns, state.attitude, state.velocity, state.position)
        return verdict


class ControllerGate(Gate):
    """The external controller; `command` is the last accepted one."""

    def __init__(self, fresh_ms: int, rejects: Rejects) -> None:
        super().__init__(CONTROLLER_COMMAND, fresh_ms, rejects)
        self.command = Command(False, False, 0, (0.0, 0.0, 0.0, 0.0))

    def _taken(self, data: bytes, now_ns: int) -> Verdict:
        message = ControllerCommand.unpack(data)
        if not sound_servos(message.servos):
            return Verdict.PAYLOAD
        verdict = self._timed(message.t_ns, now_ns)
        if verdict is Verdict.ACCEPTED:
            self.command = Command(True, message.armed, message.t_ns, message.servos)
        return verdict
