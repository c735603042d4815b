# SPDX-License-Identifier: Apache-2.0
"""A day of simulated time with random failures, by a control loop and an igniter that are never started anew.

The loop flies the rocket again and again, while sensors and link fail and the kill switch opens; the igniter shoots.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pilotlight.igniter.bank import Policy
from pilotlight.runtime.control.loading import load
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.simframes import SensorFrame
from pilotlight.runtime.control.simulator.flight import NEUTRAL, Flight
from pilotlight.runtime.control.simulator.inside import InsideLoop
from pilotlight.runtime.control.simulator.scenario import Fault, FaultKind, Scenario, Wind

from tests.bench import igniter_soak
from tests.bench.common import Row, main

CONFIG = Path(__file__).parents[2] / "examples/rocket/control.toml"
HOURS, QUICK_HOURS = 24.0, 0.1
FLIGHT_S = 160.0
RECOVERED_S = 1.5
"""So long after the last failure nothing may be in failsafe any more."""
NOTICED_S = 0.06
"""So long after the begin of a failure that forbids to drive the servos they are in failsafe: an age limit of 20 ms, a
step of the servos, every 20 ms, and the debouncing of the kill switch or the samples that make a fault."""
LINK_S = 0.2 + NOTICED_S
"""The same of the link, which counts as down after 200 ms."""
SEED = 5
AGAIN_S = 60.0
"""So long a run is made twice, to see the same."""
KINDS = [kind for kind in FaultKind if kind.value.startswith(("imu", "accel", "gyro", "baro"))]


FORBIDDING = (FaultKind.IMU_DROP, FaultKind.IMU_NAN, FaultKind.IMU_ZERO)
"""Failures of the sensors that leave no sample that can be used."""


class Times:
    """When something is the case: some spans of a flight, in seconds."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self._spans = spans

    def at(self, time_s: float, after_s: float = 0.0) -> bool:
        """Whether it is the case, and has been for `after_s`."""
        return any(start + after_s <= time_s < end for start, end in self._spans)

    @property
    def last_s(self) -> float:
        """When it is over for good."""
        return max((end for _, end in self._spans), default=0.0)


def random_times(chance: random.Random) -> Times:
    """Up to three spans."""
    starts = [chance.uniform(0.0, 140.0) for _ in range(chance.randrange(4))]
    return Times([(start, start + chance.uniform(0.01, 5.0)) for start in starts])


def random_flight(chance: random.Random) -> tuple[Scenario, Times]:
    """A flight with up to seven failures of sensors, and when they are."""
    faults = tuple(
        Fault(
            kind=chance.choice(KINDS), start_s=chance.uniform(0.0, 140.0), duration_s=chance.uniform(0.01, 5.0),
            value=chance.uniform(-30.0, 30.0), axis=chance.randrange(3),
        )
        for _ in range(chance.randrange(8))
    )  # fmt: skip
    wind = Wind(speed_mps=chance.uniform(0.0, 12.0), gust_mps=chance.uniform(0.0, 3.0))
    scenario = Scenario(seed=chance.randrange(1 << 30), duration_s=FLIGHT_S, faults=faults, wind=wind)
    return scenario, Times([(fault.start_s, fault.start_s + fault.duration_s) for fault in faults])


class Soak:
    """The loop, and what was seen of it."""

    def __init__(self) -> None:
        settings = load(CONFIG)[0]
        switch = replace(settings.killswitch, enabled=True, latch_on_trip=False)
        self.inside = InsideLoop(replace(settings, killswitch=switch))
        self.frames = 0
        self.unexplained = 0
        self.missing = 0
        self.height_error_m = 0.0
        self.digest = 0

    def fly(self, scenario: Scenario, failures: Times, opened: Times, cut: Times) -> None:
        """One flight, at the end of which the height that the loop believes is compared with the true one.

        `opened` is when the kill switch is open, `cut` when the link is down.
        """
        flight, inside = Flight(scenario), self.inside
        reasons = inside.reasons
        sound_after_s = max(failures.last_s, opened.last_s, cut.last_s) + RECOVERED_S
        forbidding = Times([(f.start_s, f.start_s + f.duration_s) for f in scenario.faults if f.kind in FORBIDDING])
        servos, armed = NEUTRAL, False
        while not flight.over:
            sample = flight.advance(servos, armed)
            self.frames += 1
            now = flight.time_s
            inside.switch_open, inside.connected = opened.at(now), not cut.at(now)
            driven, before = reasons[Reason.NONE], sum(reasons.values()) - reasons[Reason.NONE]
            answer = inside(SensorFrame(self.frames, 1_000_000_000 + self.frames * 4_000_000, *sample))
            servos, armed = answer.servos, answer.armed
            self.digest = zlib.crc32(struct.pack("<4d?", *servos, armed), self.digest)
            failsafe = sum(reasons.values()) - reasons[Reason.NONE] > before
            self.unexplained += failsafe and now > sound_after_s
            forbidden = opened.at(now, NOTICED_S) or forbidding.at(now, NOTICED_S) or cut.at(now, LINK_S)
            self.missing += forbidden and reasons[Reason.NONE] > driven
        believed = -self.inside.loop.native_estimate.position[2]
        self.height_error_m = max(self.height_error_m, abs(believed - flight.state.position[2]))


def resident_mb() -> float:
    """The memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


def control(hours: float) -> list[Row]:
    """Flights for so long."""
    chance, soak = random.Random(SEED), Soak()
    first = 0.0
    while soak.frames * 0.004 < hours * 3600:
        soak.fly(*random_flight(chance), random_times(chance), random_times(chance))
        first = first or resident_mb()
    reasons = soak.inside.reasons
    return [
        Row("control: simulated time", soak.frames * 0.004 / 3600, "h"),
        Row("control: steps in failsafe", sum(reasons.values()) - reasons[Reason.NONE], ""),
        Row("control: steps in failsafe without a failure", soak.unexplained, "", 0),
        Row("control: steps that drove the servos in a failure", soak.missing, "", 0),
        Row("control: height believed at the end, worst error", soak.height_error_m, "m", 10),
        Row("control: memory grown after the first flight", resident_mb() - first, "MB", 1),
        Row("control: flights that differ when flown again", control_differs(), "", 0, f"seed {SEED}"),
    ]


def control_differs() -> int:
    """Whether a flight is another one when it is flown again by a new loop."""
    digests = []
    for _ in range(2):
        soak = Soak()
        chance = random.Random(SEED)
        soak.fly(*random_flight(chance), random_times(chance), random_times(chance))
        digests.append(soak.digest)
    return len(set(digests)) - 1


def igniter(hours: float) -> list[Row]:
    """Shots for so long, half of it under each policy."""
    soaks = [igniter_soak.Soak(SEED, policy) for policy in Policy]
    for soak in soaks:
        soak.run(AGAIN_S)
    digests, first = [soak.digest for soak in soaks], resident_mb()
    for soak in soaks:
        soak.run(hours * 1800 - AGAIN_S)
    grown = resident_mb() - first
    again = [igniter_soak.Soak(SEED, policy) for policy in Policy]
    for soak in again:
        soak.run(AGAIN_S)
    drift = max(abs(soak.excess_ms[-1] - soak.excess_ms[-10]) for soak in soaks)
    causes = soaks[0].causes + soaks[1].causes
    differing = sum(made.digest != digest for made, digest in zip(again, digests, strict=True))
    return [
        Row("igniter: simulated time", hours, "h", peer=f"{sum(soak.ticks for soak in soaks)} ticks"),
        Row("igniter: shots", sum(soak.shots for soak in soaks), ""),
        Row("igniter: armings that ended safe", causes.total(), "", peer=f"by {len(causes)} causes"),
        Row("igniter: states that nothing explains", sum(soak.unexplained for soak in soaks), "", 0),
        Row("igniter: on for longer than asked, worst", max(soak.worst_ms for soak in soaks), "ms", 7, "a late tick"),
        Row("igniter: the same, mean, first to last tenth", drift, "ms", 0.5),
        Row("igniter: memory grown after a minute", grown, "MB", 1),
        Row("igniter: runs that differ when made again", differing, "", 0, f"seed {SEED}"),
    ]


def run(quick: bool) -> list[Row]:
    """Go on for 24 hours of simulated time each, or for a tenth of an hour."""
    hours = QUICK_HOURS if quick else HOURS
    return [*control(hours), *igniter(hours)]


if __name__ == "__main__":
    main("soak", run)
