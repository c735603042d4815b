# SPDX-License-Identifier: Apache-2.0
"""A day of simulated time with random failures: flights of the rocket one after the other, with a control loop that is
never started anew, and shots of an igniter that is never started anew either."""

from __future__ import annotations

import os
import random
import struct
import zlib
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
SEED = 5
AGAIN_S = 60.0
"""So long a run is made twice, to see the same."""
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
        self.digest = 0

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
            self.digest = zlib.crc32(struct.pack("<4d?", *servos, armed), self.digest)
            failsafe = sum(reasons.values()) - reasons[Reason.NONE] > before
            self.unexplained += failsafe and flight.time_s > sound_after_s
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
        scenario, last = random_flight(chance)
        soak.fly(scenario, last + RECOVERED_S)
        first = first or resident_mb()
    reasons = soak.inside.reasons
    return [
        Row("control: simulated time", soak.frames * 0.004 / 3600, "h"),
        Row("control: steps in failsafe", sum(reasons.values()) - reasons[Reason.NONE], ""),
        Row("control: steps in failsafe without a failure", soak.unexplained, "", 0),
        Row("control: height believed at the end, worst error", soak.height_error_m, "m", 10),
        Row("control: memory grown after the first flight", resident_mb() - first, "MB", 1),
        Row("control: flights that differ when flown again", control_differs(), "", 0, f"seed {SEED}"),
    ]


def control_differs() -> int:
    """Whether a flight is another one when it is flown again by a new loop."""
    digests = []
    for _ in range(2):
        soak = Soak()
        soak.fly(*random_flight(random.Random(SEED)))
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
