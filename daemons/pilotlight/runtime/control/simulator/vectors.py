# SPDX-License-Identifier: Apache-2.0
"""Vectors and unit quaternions as tuples of floats.

A quaternion (w, x, y, z) turns a vector given in the body's axes into the same vector in the world's axes.
"""

from __future__ import annotations

import math

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

ZERO: Vector = (0.0, 0.0, 0.0)


def length(v: Vector) -> float:
    """The length of a vector."""
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def unit(q: Quaternion) -> Quaternion:
    """The quaternion with length 1. Raises ZeroDivisionError for one of length 0."""
    scale = 1.0 / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return (q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale)


def to_world(q: Quaternion, v: Vector) -> Vector:
    """A vector of the body's axes in the world's axes."""
    return _turn(q[0], q[1], q[2], q[3], v)


def to_body(q: Quaternion, v: Vector) -> Vector:
    """A vector of the world's axes in the body's axes."""
    return _turn(q[0], -q[1], -q[2], -q[3], v)


def _turn(w: float, x: float, y: float, z: float, v: Vector) -> Vector:
    a, b, c = v
    tx, ty, tz = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return (a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx)


def axis_angle(axis: Vector, angle_rad: float) -> Quaternion:
    """The turn by an angle about a unit vector."""
    s = math.sin(angle_rad / 2)
    return (math.cos(angle_rad / 2), axis[0] * s, axis[1] * s, axis[2] * s)


def tilt_rad(q: Quaternion) -> float:
    """The angle between the body's z axis and the world's z axis, 0 to pi."""
    return math.acos(max(-1.0, min(1.0, to_world(q, (0.0, 0.0, 1.0))[2])))
