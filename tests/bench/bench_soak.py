# SPDX-License-Identifier: Apache-2.0
"""Flights of the simulated rocket with random failures, one after the other, with a loop that is never started anew."""

from __future__ import annotations

import random
import resource
from pathlib import Path

from pilotlight.runtime.control.loading import load
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.simframes import SensorFrame
from pilotlight.runtime.control.simulator.flight import NEUTRAL, Flight
from pilotlight.runtime.control.simulator.inside import InsideLoop
from pilotlight.runtime.control.simulator.scenario import Fault, FaultKind, Scenario, Wind

from tests.bench.common import Row

CONFIG = Path(__file__).parents[2] / "examples/rocket/control.toml"
HOURS, QUICK_HOURS = 24.0, 0.1
FLIGHT_S = 160.0
RECOVERED_S = 1.5
"""So long after the last failure nothing may be in failsafe any more."""
KINDS = [kind for kind in FaultKind if kind.value.startswith(("imu", "accel", "gyro", "baro"))]


def random_flight(chance: random.Random) -> tuple[Scenario, float]:
    """A flight with up to seven failures, and when the last of them is over."""
    faults = tuple(
        Fault(
            kind=chance.choice(KINDS), start_s=chance.uniform(0.0, 140.0), duration_s=chance.uniform(0.01, 5.0),
            value=chance.uniform(-30.0, 30.0), axis=chance.randrange(3),
        )
        for _ in range(chance.randrange(8))
    )  # fmt: skip
    wind = Wind(speed_mps=chance.uniform(0.0, 12.0), gust_mps=chance.uniform(0.0, 3.0))
    scenario = Scenario(seed=chance.randrange(1 << 30), duration_s=FLIGHT_S, faults=faults, wind=wind)
    return scenario, max((fault.start_s + fault.duration_s for fault in faults), default=0.0)


class Soak:
    """The loop, and what was seen of it."""

    def __init__(self) -> None:
        self.inside = InsideLoop(load(CONFIG)[0])
        self.frames = 0
        self.unexplained = 0
        self.height_error_m = 0.0

    def fly(self, scenario: Scenario, sound_after_s: float) -> None:
        """One flight, at the end of which the height that the loop believes is compared with the true one."""
        flight = Flight(scenario)
        reasons = self.inside.reasons
        servos, armed = NEUTRAL, False
        while not flight.over:
            sample = flight.advance(servos, armed)
            self.frames += 1
            before = sum(reasons.values()) - reasons[Reason.NONE]
            answer = self.inside(SensorFrame(self.frames, 1_000_000_000 + self.frames * 4_000_000, *sample))
            servos, armed = answer.servos, answer.armed
            failsafe = sum(reasons.values()) - reasons[Reason.NONE] > before
            self.unexplained += failsafe and flight.time_s > sound_after_s
        believed = -self.inside.loop.native_estimate.position[2]
        self.height_error_m = max(self.height_error_m, abs(believed - flight.state.position[2]))


def run(quick: bool) -> list[Row]:
    """Fly for 24 hours of simulated time, or for a tenth of an hour."""
    chance, soak = random.Random(5), Soak()
    hours = QUICK_HOURS if quick else HOURS
    first_kb = 0
    while soak.frames * 0.004 < hours * 3600:
        scenario, last = random_flight(chance)
        soak.fly(scenario, last + RECOVERED_S)
        first_kb = first_kb or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first_kb
    return [
        Row("simulated time", soak.frames * 0.004 / 3600, "h"),
        Row("steps in failsafe", sum(soak.inside.reasons.values()) - soak.inside.reasons[Reason.NONE], ""),
        Row("steps in failsafe without a failure", soak.unexplained, "", 0),
        Row("height believed at the end, worst error", soak.height_error_m, "m", 10),
        Row("memory grown after the first flight", grown / 1024, "MB", 1),
    ]
