# SPDX-License-Identifier: Apache-2.0
"""Functions for expressions."""

from __future__ import annotations

import math

from pilotlight.plc.language.operands import Formula, Literal, Operand

PI = math.pi


def sqrt(x: Operand | Literal) -> Formula:
    """Square root; out_of_range below 0."""
    return Formula("square_root", x)


def sin(x: Operand | Literal) -> Formula:
    """Sine of radians."""
    return Formula("sine", x)


def cos(x: Operand | Literal) -> Formula:
    """Cosine of radians."""
    return Formula("cosine", x)


def tan(x: Operand | Literal) -> Formula:
    """Tangent of radians."""
    return Formula("tangent", x)


def asin(x: Operand | Literal) -> Formula:
    """Arc sine in radians; out_of_range outside −1 to 1."""
    return Formula("arc_sine", x)


def acos(x: Operand | Literal) -> Formula:
    """Arc cosine in radians; out_of_range outside −1 to 1."""
    return Formula("arc_cosine", x)


def atan(x: Operand | Literal) -> Formula:
    """Arc tangent in radians."""
    return Formula("arc_tangent", x)


def radians(x: Operand | Literal) -> Formula:
    """Degrees as radians."""
    return Formula("radians", x)


def degrees(x: Operand | Literal) -> Formula:
    """Radians as degrees."""
    return Formula("degrees", x)


def log(x: Operand | Literal) -> Formula:
    """Natural logarithm; out_of_range at and below 0."""
    return Formula("logarithm", x)


def log10(x: Operand | Literal) -> Formula:
    """Logarithm to base 10; out_of_range at and below 0."""
    return Formula("logarithm_10", x)


def lsh(x: Operand | Literal, count: Operand | Literal) -> Formula:
    """Shift left; out_of_range for a negative count."""
    return Formula("shift_left", x, count)


def rsh(x: Operand | Literal, count: Operand | Literal) -> Formula:
    """Shift right; out_of_range for a negative count."""
    return Formula("shift_right", x, count)


def lro(x: Operand | Literal, count: Operand | Literal) -> Formula:
    """Rotate the low 16 bits left."""
    return Formula("rotate_left", x, count)


def rro(x: Operand | Literal, count: Operand | Literal) -> Formula:
    """Rotate the low 16 bits right."""
    return Formula("rotate_right", x, count)
