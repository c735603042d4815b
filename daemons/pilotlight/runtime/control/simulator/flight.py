# SPDX-License-Identifier: Apache-2.0
"""One flight, step by step: from the rail over the burn and the parachutes to the ground."""

from __future__ import annotations

import enum
import math
import random
from typing import NamedTuple

from .air import GRAVITY, WindField, pressure_pa, temperature_k
from .body import Load, State, change, step
from .faults import Faults
from .motor import Motor
from .scenario import Scenario
from .sensors import Sample, SensorModel
from .vectors import ZERO, Vector, axis_angle, length, tilt_rad, to_body, to_world

LONGEST_STEP_S = 0.004
Servos = tuple[float, float, float, float]
NEUTRAL: Servos = (0.0, 0.0, 0.0, 0.0)


class Phase(enum.Enum):
    """Where in the flight the rocket is."""

    PAD = "pad"
    RAIL = "rail"
    BOOST = "boost"
    COAST = "coast"
    DESCENT = "descent"
    LANDED = "landed"


class Event(NamedTuple):
    """Something that happened, in seconds of the flight."""

    time_s: float
    name: str


class Flight:
    """The truth about one flight. `advance` lets one sensor period pass and gives the new sample.

    Nothing in it looks at a clock: it is as fast or as slow as it is called.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._rocket = scenario.rocket
        self._chance = random.Random(scenario.seed)
        self._wind = WindField(scenario.wind, self._chance)
        self._motor = Motor(scenario.rocket)
        self.faults = Faults(scenario.faults)
        altitude = scenario.launch.altitude_m
        self._sensors = SensorModel(scenario.sensors, self.faults, self._chance, pressure_pa(altitude))
        self._steps = 0
        self.period_s = 1.0 / scenario.step_hz
        self.phase = Phase.PAD
        self.events: list[Event] = []
        self.state = State(ZERO, ZERO, _on_the_rail(scenario), ZERO)
        self.fins_rad: Servos = NEUTRAL
        self._travel = 0.0
        self._apogee_s = math.inf
        self._drogue_s = math.inf
        self._main_s = math.inf
        self.highest_m = 0.0
        self.fastest_mps = 0.0
        self.force: Vector = (0.0, 0.0, 0.0)

    @property
    def time_s(self) -> float:
        """Seconds since the flight was begun."""
        return self._steps * self.period_s

    @property
    def over(self) -> bool:
        """Whether the scenario's time is up."""
        return self.time_s >= self._scenario.duration_s

    @property
    def tilt_deg(self) -> float:
        """The angle of the nose from the vertical."""
        return math.degrees(tilt_rad(self.state.attitude))

    def advance(self, servos: Servos, armed: bool) -> Sample:
        """Fly one period with these servo commands (-1 to 1; disarmed servos go to neutral); look at the sensors."""
        parts = math.ceil(self.period_s / LONGEST_STEP_S)
        dt = self.period_s / parts
        start = self.time_s
        self._wind.advance(self.period_s)
        for part in range(parts):
            now = start + part * dt
            self._turn_fins(servos if armed else NEUTRAL, now, dt)
            self._move(now, dt)
            self._watch(now + dt)
        self._steps += 1
        return self._sample()

    def _turn_fins(self, servos: Servos, now: float, dt: float) -> None:
        share = 1.0 - math.exp(-dt / self._rocket.fin_lag_s)
        reach = self._rocket.fin_range_rad
        stuck = self.faults.stuck_fins(now)
        a, b, c, d = (
            angle if index in stuck else angle + share * (max(-1.0, min(1.0, command)) * reach - angle)
            for index, (angle, command) in enumerate(zip(self.fins_rad, servos, strict=True))
        )
        self.fins_rad = (a, b, c, d)

    def _load(self, now: float) -> Load:
        burning = now - self._scenario.launch.ignition_s
        return Load(
            self._motor.thrust_n(burning),
            self.fins_rad,
            self._parachute_m2(now),
            self._wind.at(self.state.position[2]),
            self._scenario.launch.altitude_m,
            self._motor.mass(burning),
        )

    def _parachute_m2(self, now: float) -> float:
        recovery = self._scenario.recovery
        area = 0.0
        for opened, full in ((self._drogue_s, recovery.drogue_area_m2), (self._main_s, recovery.main_area_m2)):
            area += full * max(0.0, min(1.0, (now - opened) / recovery.opening_s)) if opened < math.inf else 0.0
        return area

    def _move(self, now: float, dt: float) -> None:
        load = self._load(now)
        if self.phase is Phase.LANDED:
            self.force = to_body(self.state.attitude, (0.0, 0.0, GRAVITY))
            return
        if self.phase in (Phase.PAD, Phase.RAIL):
            self._slide(load, dt)
            return
        before = self.state.velocity
        self.state = step(self._rocket, self.state, load, dt)
        after = self.state.velocity
        mean = ((after[0] - before[0]) / dt, (after[1] - before[1]) / dt, (after[2] - before[2]) / dt + GRAVITY)
        self.force = to_body(self.state.attitude, mean)

    def _slide(self, load: Load, dt: float) -> None:
        """On the rail only the motion along it is free; what stands does not fall back."""
        state = self.state
        axis = to_world(state.attitude, (0.0, 0.0, 1.0))
        pull = change(self._rocket, state, load).acceleration
        along = pull[0] * axis[0] + pull[1] * axis[1] + pull[2] * axis[2]
        speed = length(state.velocity) + along * dt
        if self.phase is Phase.PAD and along <= 0.0:
            self.force = to_body(state.attitude, (0.0, 0.0, GRAVITY))
            return
        self._travel += speed * dt
        self.state = state._replace(
            position=(axis[0] * self._travel, axis[1] * self._travel, axis[2] * self._travel),
            velocity=(axis[0] * speed, axis[1] * speed, axis[2] * speed),
        )
        self.force = to_body(state.attitude, (axis[0] * along, axis[1] * along, axis[2] * along + GRAVITY))

    def _watch(self, now: float) -> None:
        """Go on to the next phase when its condition holds."""
        height, speed = self.state.position[2], self.state.velocity[2]
        self.highest_m = max(self.highest_m, height)
        self.fastest_mps = max(self.fastest_mps, length(self.state.velocity))
        burning = now - self._scenario.launch.ignition_s
        recovery = self._scenario.recovery
        if self.phase is Phase.PAD and self._travel > 0.0:
            self._enter(Phase.RAIL, now, "liftoff")
        elif self.phase is Phase.RAIL and self._travel >= self._scenario.launch.rail_m:
            self._enter(Phase.BOOST, now, "rail left")
        elif self.phase is Phase.BOOST and burning >= self._motor.burn_s:
            self._enter(Phase.COAST, now, "burnout")
        elif self.phase in (Phase.BOOST, Phase.COAST) and speed < 0.0 and self._apogee_s == math.inf:
            self._apogee_s = now
            self._enter(Phase.DESCENT, now, "apogee")
        if self.phase is Phase.DESCENT:
            if recovery.drogue_area_m2 and now >= self._apogee_s + recovery.drogue_delay_s and now < self._drogue_s:
                self._drogue_s = now
                self.events.append(Event(now, "drogue"))
            if recovery.main_area_m2 and height <= recovery.main_height_m and now < self._main_s:
                self._main_s = now
                self.events.append(Event(now, "main"))
        if self.phase not in (Phase.PAD, Phase.RAIL, Phase.LANDED) and height <= 0.0:
            self._enter(Phase.LANDED, now, f"landed at {-speed:.1f} m/s")
            east, north, _ = self.state.position
            self.state = State((east, north, 0.0), ZERO, self.state.attitude, ZERO)
            self.force = to_body(self.state.attitude, (0.0, 0.0, GRAVITY))

    def _enter(self, phase: Phase, now: float, event: str) -> None:
        self.phase = phase
        self.events.append(Event(now, event))

    def _sample(self) -> Sample:
        altitude = self._scenario.launch.altitude_m + self.state.position[2]
        celsius = temperature_k(altitude) - 273.15
        return self._sensors.sample(self.time_s, self.force, self.state.rates, pressure_pa(altitude), celsius)


def _on_the_rail(scenario: Scenario) -> tuple[float, float, float, float]:
    azimuth = math.radians(scenario.launch.azimuth_deg)
    lean = math.radians(90.0 - scenario.launch.elevation_deg)
    return axis_angle((-math.cos(azimuth), math.sin(azimuth), 0.0), lean)
