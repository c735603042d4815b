# SPDX-License-Identifier: Apache-2.0
"""The physics of the simulator, held against what can be worked out on paper."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pilotlight.runtime.control.simulator.air import GRAVITY, WindField, density_kgm3, pressure_pa, temperature_k
from pilotlight.runtime.control.simulator.body import FIN_COSINES, FIN_SINES, Load, State, forces, step
from pilotlight.runtime.control.simulator.motor import Mass, Motor
from pilotlight.runtime.control.simulator.scenario import Rocket, Wind
from pilotlight.runtime.control.simulator.vectors import (
    ZERO,
    Vector,
    axis_angle,
    length,
    tilt_rad,
    to_body,
    to_world,
    unit,
)

ROCKET = Rocket()
SLIPPERY = replace(ROCKET, drag_coefficient=1e-12, normal_slope=1e-12, roll_damping=0.0, fin_slope=0.0)
UP = (1.0, 0.0, 0.0, 0.0)
MASS = Mass(5.0, 1.0, 2.0, 0.05)
STILL = Load(0.0, (0.0, 0.0, 0.0, 0.0), 0.0, ZERO, 0.0, MASS)
directions = st.tuples(*[st.floats(-10, 10)] * 3)
turns = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(abs(x) for x in q) > 0.1).map(unit)


def run(rocket: Rocket, state: State, load: Load, seconds: float, dt: float = 0.002) -> State:
    for _ in range(round(seconds / dt)):
        state = step(rocket, state, load, dt)
    return state


@given(turns, directions)
def test_turning_there_and_back_changes_nothing(q: tuple[float, float, float, float], v: Vector) -> None:
    assert to_body(q, to_world(q, v)) == pytest.approx(v, abs=1e-9)
    assert length(to_world(q, v)) == pytest.approx(length(v), abs=1e-9)


def test_turns_are_right_handed() -> None:
    quarter = axis_angle((1.0, 0.0, 0.0), math.pi / 2)
    assert to_world(quarter, (0.0, 1.0, 0.0)) == pytest.approx((0.0, 0.0, 1.0))
    assert tilt_rad(quarter) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("altitude", "pascal", "kelvin", "density"),
    [(0, 101325.0, 288.15, 1.225), (1000, 89874.6, 281.65, 1.11164), (11000, 22632.1, 216.65, 0.363918),
     (15000, 12044.6, 216.65, 0.193674)],
)  # fmt: skip
def test_the_air_is_the_standard_atmosphere(altitude: float, pascal: float, kelvin: float, density: float) -> None:
    assert pressure_pa(altitude) == pytest.approx(pascal, rel=1e-5)
    assert temperature_k(altitude) == pytest.approx(kelvin)
    assert density_kgm3(altitude) == pytest.approx(density, rel=1e-5)


def test_the_air_ends_nowhere() -> None:
    assert pressure_pa(1e6) == pressure_pa(20_000) > 0


def test_without_air_it_falls_as_a_stone() -> None:
    begin = State((0.0, 0.0, 100.0), (3.0, -4.0, 50.0), UP, ZERO)
    end = run(SLIPPERY, begin, STILL, 5.0)
    assert end.position == pytest.approx((15.0, -20.0, 100 + 250 - GRAVITY * 12.5), rel=1e-9)
    assert end.velocity == pytest.approx((3.0, -4.0, 50 - GRAVITY * 5), rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.floats(-3, 3)] * 3), turns)
def test_a_free_body_keeps_its_angular_momentum_and_energy(
    rates: Vector, attitude: tuple[float, float, float, float]
) -> None:
    def momentum(state: State) -> Vector:
        x, y, z = state.rates
        return to_world(state.attitude, (2.0 * x, 2.0 * y, 0.05 * z))

    begin = State(ZERO, ZERO, attitude, rates)
    end = run(SLIPPERY, begin, STILL, 2.0)
    assert momentum(end) == pytest.approx(momentum(begin), abs=1e-6)
    assert math.fsum(x * x for x in end.attitude) == pytest.approx(1.0, abs=1e-12)


def test_a_turn_about_one_axis_turns_the_nose_by_rate_times_time() -> None:
    end = run(SLIPPERY, State(ZERO, ZERO, UP, (0.5, 0.0, 0.0)), STILL, 2.0)
    assert to_world(end.attitude, (0.0, 0.0, 1.0)) == pytest.approx((0.0, -math.sin(1.0), math.cos(1.0)))


def test_under_a_parachute_it_sinks_at_the_speed_where_drag_is_weight() -> None:
    load = STILL._replace(parachute_m2=2.0)
    end = run(SLIPPERY, State((0.0, 0.0, 0.0), ZERO, UP, ZERO), load, 6.0)
    density = density_kgm3(end.position[2])
    assert -end.velocity[2] == pytest.approx(math.sqrt(2 * 5.0 * GRAVITY / (density * 2.0)), rel=0.001)


def test_the_nose_turns_into_the_wind_and_the_swing_dies() -> None:
    """The centre of pressure lies behind the centre of mass: flying up with wind from the east, the nose goes east."""
    load = STILL._replace(wind=(-10.0, 0.0, 0.0), thrust_n=5.0 * GRAVITY)
    state = State((0.0, 0.0, 0.0), (0.0, 0.0, 100.0), UP, ZERO)
    early = run(ROCKET, state, load, 0.2)
    assert to_world(early.attitude, (0.0, 0.0, 1.0))[0] > 0.01
    late = run(ROCKET, state, load, 4.0)
    relative = (late.velocity[0] + 10.0, late.velocity[1], late.velocity[2])
    across = to_body(late.attitude, relative)
    assert math.hypot(across[0], across[1]) / length(relative) < 0.02


@pytest.mark.parametrize("fin", range(4))
def test_each_fin_turns_the_body_its_way(fin: int) -> None:
    """A fin pushes sideways behind the centre of mass; all together with one sign they roll."""
    angles = [0.0] * 4
    angles[fin] = 0.1
    load = STILL._replace(fins_rad=(angles[0], angles[1], angles[2], angles[3]))
    _, (mx, my, mz) = forces(ROCKET, State(ZERO, (0.0, 0.0, 100.0), UP, ZERO), load)
    assert (mx > 0) == (FIN_COSINES[fin] > 0)
    assert (my > 0) == (FIN_SINES[fin] > 0)
    assert mz > 0
    push = 1.225 / 2 * 100**2 * ROCKET.fin_area_m2 * ROCKET.fin_slope * 0.1
    assert math.hypot(mx, my) == pytest.approx(push * (MASS.centre_m - ROCKET.fin_centre_m), rel=1e-3)
    assert mz == pytest.approx(push * ROCKET.fin_radius_m, rel=1e-3)


def test_the_mixing_of_the_loop_turns_about_one_axis_each() -> None:
    """Servo commands r-p, -r-p, r+p, -r+p: r turns about x alone, p about y alone, neither about z."""
    for roll, pitch in ((0.1, 0.0), (0.0, 0.1)):
        fins = (roll - pitch, -roll - pitch, roll + pitch, -roll + pitch)
        load = STILL._replace(fins_rad=fins)
        _, moment = forces(ROCKET, State(ZERO, (0.0, 0.0, 100.0), UP, ZERO), load)
        assert (moment[0] > 1.0) == (roll > 0)
        assert (moment[1] > 1.0) == (pitch > 0)
        assert min(abs(moment[0]), abs(moment[1])) < 1e-9
        assert abs(moment[2]) < 1e-9


def moment(
    rates: Vector, velocity: Vector, attitude: tuple[float, float, float, float] = UP, parachute: float = 0.0
) -> Vector:
    return forces(ROCKET, State(ZERO, velocity, attitude, rates), STILL._replace(parachute_m2=parachute))[1]


def test_pitching_is_damped_by_the_air_at_the_centre_of_pressure() -> None:
    x, y, _ = moment((1.0, -1.0, 0.0), (0.0, 0.0, 100.0))
    arm = ROCKET.pressure_centre_m - MASS.centre_m
    damping = 1.225 / 2 * math.pi * ROCKET.diameter_m**2 / 4 * ROCKET.normal_slope * 100 * arm**2
    assert (x, y) == pytest.approx((-damping, damping), rel=1e-6)


def test_a_parachute_pulls_the_nose_up() -> None:
    leaning = axis_angle((1.0, 0.0, 0.0), 0.5)
    falling = (0.0, 0.0, -20.0)
    without, hung = moment(ZERO, falling, leaning), moment(ZERO, falling, leaning, parachute=1.0)
    pull = 1.225 / 2 * 20.0**2
    lever = (ROCKET.length_m - MASS.centre_m) * math.sin(0.5)
    assert hung[0] - without[0] == pytest.approx(-pull * lever, rel=1e-6)


def test_attitude_stays_a_turn_however_coarse_the_step() -> None:
    end = step(SLIPPERY, State(ZERO, ZERO, UP, (10.0, -5.0, 20.0)), STILL, 0.05)
    assert math.fsum(x * x for x in end.attitude) == pytest.approx(1.0, abs=1e-12)


def test_roll_dies_in_the_air() -> None:
    end = run(ROCKET, State(ZERO, (0.0, 0.0, 150.0), UP, (0.0, 0.0, 10.0)), STILL, 0.2)
    section = math.pi * ROCKET.diameter_m**2 / 4
    decay = 1.225 * 148.0 * section * ROCKET.diameter_m**2 * ROCKET.roll_damping / 4 / MASS.axial_kgm2
    assert end.rates[2] == pytest.approx(10.0 * math.exp(-0.2 * decay), rel=0.005)


def test_the_motor_gives_its_curve_and_burns_its_propellant() -> None:
    motor = Motor(replace(ROCKET, thrust=((0.0, 0.0), (1.0, 100.0), (3.0, 100.0), (4.0, 0.0))))
    assert motor.impulse_ns == pytest.approx(300.0)
    assert [motor.thrust_n(t) for t in (-1.0, 0.5, 2.0, 3.5, 4.0)] == pytest.approx([0.0, 50.0, 100.0, 50.0, 0.0])
    assert [motor.burnt(t) for t in (-1.0, 1.0, 2.0, 4.0, 9.0)] == pytest.approx([0.0, 1 / 6, 0.5, 1.0, 1.0])
    fine = sum(motor.thrust_n(i / 1000) / 1000 for i in range(4000))
    assert fine == pytest.approx(300.0, rel=1e-3)


def test_mass_and_centre_follow_the_propellant() -> None:
    motor = Motor(ROCKET)
    full, empty = motor.mass(0.0), motor.mass(10.0)
    assert full.mass_kg - empty.mass_kg == pytest.approx(ROCKET.propellant_kg)
    assert empty.centre_m == pytest.approx(ROCKET.dry_centre_m)
    assert empty.centre_m > full.centre_m
    assert empty.lateral_kgm2 == pytest.approx(ROCKET.dry_inertia_lateral_kgm2)
    assert empty.lateral_kgm2 < full.lateral_kgm2
    assert full.centre_m > ROCKET.pressure_centre_m, "unstable"


def test_wind_comes_from_its_direction_grows_with_height_and_gusts() -> None:
    calm = WindField(Wind(speed_mps=5.0, from_deg=270.0, gust_mps=0.0), random.Random(1))
    assert calm.at(10.0) == pytest.approx((5.0, 0.0, 0.0), abs=1e-9)
    assert calm.at(0.0) == ZERO
    assert calm.at(100.0)[0] == pytest.approx(5.0 * 10**0.14)
    gusty = WindField(Wind(speed_mps=0.0, gust_mps=2.0, gust_s=1.0), random.Random(1))
    seen = []
    for _ in range(20_000):
        gusty.advance(0.5)
        seen.append(gusty.at(50.0))
    for axis, strength in ((0, 2.0), (1, 2.0), (2, 1.0)):
        assert math.sqrt(sum(gust[axis] ** 2 for gust in seen) / len(seen)) == pytest.approx(strength, rel=0.05)
