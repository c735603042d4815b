# SPDX-License-Identifier: Apache-2.0
"""The rigid body: forces and moments of thrust, air, fins and parachute, and a step of the motion.

World axes are east, north, up. Body axes: z towards the nose, x and y across, the fins at -45, -135, 45 and 135 degrees
from x towards y; with equal deflection they roll the body about z.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .air import GRAVITY, density_kgm3
from .motor import Mass
from .scenario import Rocket
from .vectors import Quaternion, Vector, to_body, to_world, unit

_HALF = math.sqrt(0.5)
FIN_COSINES = (_HALF, -_HALF, _HALF, -_HALF)
FIN_SINES = (-_HALF, -_HALF, _HALF, _HALF)


class State(NamedTuple):
    """Position and velocity in world axes (m, m/s), attitude, turn rates in body axes (rad/s)."""

    position: Vector
    velocity: Vector
    attitude: Quaternion
    rates: Vector


class Load(NamedTuple):
    """What acts during a step: thrust in N, deflections in rad, open parachute area in m^2, wind, pad altitude."""

    thrust_n: float
    fins_rad: tuple[float, float, float, float]
    parachute_m2: float
    wind: Vector
    altitude_m: float
    mass: Mass


class Change(NamedTuple):
    """The time derivative of a State."""

    velocity: Vector
    acceleration: Vector
    attitude: Quaternion
    turning: Vector


def forces(rocket: Rocket, state: State, load: Load) -> tuple[Vector, Vector]:
    """Force without weight (N) and moment about the centre of mass (N m), both in body axes."""
    height = load.altitude_m + state.position[2]
    air = density_kgm3(height) / 2
    vx, vy, vz = to_body(state.attitude, _minus(state.velocity, load.wind))
    wx, wy, wz = state.rates
    speed = math.sqrt(vx * vx + vy * vy + vz * vz)
    area = math.pi * rocket.diameter_m**2 / 4
    drag = -air * area * rocket.drag_coefficient * speed
    fx, fy, fz = drag * vx, drag * vy, drag * vz + load.thrust_n
    # The normal force acts where the pressure has its centre, on the air's speed there: that is what damps pitching.
    arm = rocket.pressure_centre_m - load.mass.centre_m
    slope = -air * area * rocket.normal_slope * speed
    nx, ny = slope * (vx + wy * arm), slope * (vy - wx * arm)
    mx, my = -arm * ny, arm * nx
    mz = -air * area * rocket.diameter_m**2 / 2 * rocket.roll_damping * speed * wz
    gain = air * vz * abs(vz) * rocket.fin_area_m2 * rocket.fin_slope
    turned = load.fins_rad
    sine = sum(angle * sine for angle, sine in zip(turned, FIN_SINES, strict=True))
    cosine = sum(angle * cosine for angle, cosine in zip(turned, FIN_COSINES, strict=True))
    fin_x, fin_y = -gain * sine, gain * cosine
    fin_arm = rocket.fin_centre_m - load.mass.centre_m
    mx, my, mz = mx - fin_arm * fin_y, my + fin_arm * fin_x, mz + gain * rocket.fin_radius_m * sum(turned)
    fx, fy = fx + nx + fin_x, fy + ny + fin_y
    if load.parachute_m2 > 0.0:
        nose = rocket.length_m - load.mass.centre_m
        px, py = vx + wy * nose, vy - wx * nose
        pull = -air * load.parachute_m2 * math.sqrt(px * px + py * py + vz * vz)
        fx, fy, fz = fx + pull * px, fy + pull * py, fz + pull * vz
        mx, my = mx - nose * pull * py, my + nose * pull * px
        # Lines that twist brake the roll.
        mz -= load.mass.axial_kgm2 * wz
    return (fx, fy, fz), (mx, my, mz)


def change(rocket: Rocket, state: State, load: Load) -> Change:
    """The derivative of the state in free flight."""
    force, moment = forces(rocket, state, load)
    mass = load.mass
    ax, ay, az = to_world(state.attitude, force)
    wx, wy, wz = state.rates
    q0, q1, q2, q3 = state.attitude
    spin = mass.axial_kgm2 - mass.lateral_kgm2
    return Change(
        state.velocity,
        (ax / mass.mass_kg, ay / mass.mass_kg, az / mass.mass_kg - GRAVITY),
        (
            (-q1 * wx - q2 * wy - q3 * wz) / 2,
            (q0 * wx + q2 * wz - q3 * wy) / 2,
            (q0 * wy - q1 * wz + q3 * wx) / 2,
            (q0 * wz + q1 * wy - q2 * wx) / 2,
        ),
        (
            (moment[0] - spin * wy * wz) / mass.lateral_kgm2,
            (moment[1] + spin * wz * wx) / mass.lateral_kgm2,
            moment[2] / mass.axial_kgm2,
        ),
    )


def step(rocket: Rocket, state: State, load: Load, dt_s: float) -> State:
    """The state after `dt_s` of free flight, by the classic method of Runge and Kutta."""
    k1 = change(rocket, state, load)
    k2 = change(rocket, _moved(state, k1, dt_s / 2), load)
    k3 = change(rocket, _moved(state, k2, dt_s / 2), load)
    k4 = change(rocket, _moved(state, k3, dt_s), load)
    mean = Change(
        _mean(k1.velocity, k2.velocity, k3.velocity, k4.velocity),
        _mean(k1.acceleration, k2.acceleration, k3.acceleration, k4.acceleration),
        _mean_quaternion(k1.attitude, k2.attitude, k3.attitude, k4.attitude),
        _mean(k1.turning, k2.turning, k3.turning, k4.turning),
    )
    moved = _moved(state, mean, dt_s)
    return moved._replace(attitude=unit(moved.attitude))


def _moved(state: State, by: Change, dt: float) -> State:
    q, r = state.attitude, by.attitude
    return State(
        _plus(state.position, by.velocity, dt),
        _plus(state.velocity, by.acceleration, dt),
        (q[0] + dt * r[0], q[1] + dt * r[1], q[2] + dt * r[2], q[3] + dt * r[3]),
        _plus(state.rates, by.turning, dt),
    )


def _plus(a: Vector, b: Vector, dt: float) -> Vector:
    return (a[0] + dt * b[0], a[1] + dt * b[1], a[2] + dt * b[2])


def _minus(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _mean(a: Vector, b: Vector, c: Vector, d: Vector) -> Vector:
    return (
        (a[0] + 2 * (b[0] + c[0]) + d[0]) / 6,
        (a[1] + 2 * (b[1] + c[1]) + d[1]) / 6,
        (a[2] + 2 * (b[2] + c[2]) + d[2]) / 6,
    )


def _mean_quaternion(a: Quaternion, b: Quaternion, c: Quaternion, d: Quaternion) -> Quaternion:
    w, x, y, z = ((p + 2 * (q + r) + s) / 6 for p, q, r, s in zip(a, b, c, d, strict=True))
    return (w, x, y, z)
