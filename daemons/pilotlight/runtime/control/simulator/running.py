# SPDX-License-Identifier: Apache-2.0
"""Flying with a loop: live against the clock, or in lock-step, over the link or in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..simframes import ActuatorFrame, SensorFrame
from .flight import NEUTRAL, Flight, Servos
from .link import Link
from .scenario import FaultKind

EPOCH_NS = 1_000_000_000
"""Time of the first instant of a flight in lock-step: 0 would be no time for a loop."""
MOST_BEHIND_S = 0.25
"""Further behind the clock the flight does not catch up, it goes on from now."""
AFTER_LANDING_S = 3.0

Exchange = Callable[[SensorFrame], ActuatorFrame | None]
Watch = Callable[[Flight, Servos], None]


class NoAnswer(Exception):
    """The loop is not there or does not answer; the flight ended where it was."""


class _Ending:
    """Whether a flight is done: its time is up, or it has been on the ground for a while."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._down_s: float | None = None

    def reached(self) -> bool:
        flight = self._flight
        if flight.phase.value == "landed" and self._down_s is None:
            self._down_s = flight.time_s
        return flight.over or (self._down_s is not None and flight.time_s >= self._down_s + AFTER_LANDING_S)


def fly(flight: Flight, exchange: Exchange, watch: Watch) -> None:
    """Fly to the end in lock-step: each sensor frame is handed to `exchange`, which gives the servo frame for it.

    The loop's time is that of the frames, so a flight is the same each time and as fast as both can compute. While the
    scenario silences or spoils the link, nothing is exchanged and the servos keep their commands.
    """
    ending = _Ending(flight)
    servos, armed, seq = NEUTRAL, False, 0
    mute = (FaultKind.LINK_SILENT, FaultKind.LINK_CLOSE, FaultKind.FRAME_CORRUPT)
    while not ending.reached():
        sample = flight.advance(servos, armed)
        watch(flight, servos)
        if any(flight.faults.active(kind, flight.time_s) for kind in mute):
            continue
        seq += 1
        answer = exchange(SensorFrame(seq, EPOCH_NS + round(flight.time_s * 1e9), *sample))
        if answer is not None:
            servos, armed = answer.servos, answer.armed


def over_link(link: Link, timeout_s: float) -> Exchange:
    """Lock-step over the link: waits for the servo frame with the time of the sensor frame, at most `timeout_s`.

    The exchange raises NoAnswer.
    """

    def exchange(frame: SensorFrame) -> ActuatorFrame | None:
        if not link.send(frame.pack()):
            raise NoAnswer("the loop closed its sensor connection")
        end = time.monotonic() + timeout_s
        while link.latest is None or link.latest.t_ns != frame.t_ns:
            left = end - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"no servo frame of time {frame.t_ns} came within {timeout_s} s")
            link.poll(left)
        return link.latest

    return exchange


def wait_for_loop(link: Link, timeout_s: float, both: bool) -> None:
    """Wait until the loop has connected for sensors, with `both` until its servo port answers too. Raises NoAnswer."""
    end = time.monotonic() + timeout_s
    while not (link.connected and (link.heard or not both)):
        left = end - time.monotonic()
        if left <= 0:
            raise NoAnswer(f"the loop did not connect within {timeout_s:g} s")
        link.poll(left)


def fly_live(flight: Flight, link: Link, watch: Watch, stop: Callable[[], bool]) -> int:
    """Fly against the clock, one frame a period, until the end or `stop`; gives the number of periods left out.

    Servo commands are those that came last; with none yet, or after a cut of the link, the last ones stay.
    """
    ending = _Ending(flight)
    slips, seq = 0, 0
    due = time.monotonic()
    while not ending.reached() and not stop():
        due += flight.period_s
        while (left := due - time.monotonic()) > 0:
            link.poll(left)
        link.poll(0.0)
        if -left > MOST_BEHIND_S:
            slips += int(-left / flight.period_s)
            due -= left
        command = link.latest
        servos, armed = (NEUTRAL, False) if command is None else (command.servos, command.armed)
        sample = flight.advance(servos, armed)
        watch(flight, servos)
        seq += 1
        _send(flight, link, SensorFrame(seq, time.monotonic_ns(), *sample).pack())
    return slips


def _send(flight: Flight, link: Link, frame: bytes) -> None:
    faults, now = flight.faults, flight.time_s
    if faults.active(FaultKind.LINK_CLOSE, now):
        link.cut()
        return
    link.mend()
    if faults.active(FaultKind.LINK_SILENT, now):
        return
    if faults.active(FaultKind.FRAME_CORRUPT, now):
        frame = frame[:-1] + bytes([frame[-1] ^ 0xFF])
    link.send(frame)
