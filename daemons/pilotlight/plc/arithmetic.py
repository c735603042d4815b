# SPDX-License-Identifier: Apache-2.0
"""The rules of numbers while a scan runs: operators, and how a number becomes what a cell holds.

docs/plc-ir.md has them in words. A function that can fail gets the machine's `Faults`, notes the fault there and
gives 0.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final

LOW_64: Final = -(1 << 63)
HIGH_64: Final = (1 << 63) - 1
LARGEST_SINGLE: Final = 3.4028234663852886e38
"""The largest finite binary32."""
NOT_A_NUMBER: Final = math.nan
"""The one object that stands for a NaN in an image."""
_SINGLE = struct.Struct("<f")
_SINGLE_BITS = struct.Struct("<I")


class Faults:
    """The image of a machine, and whether the expression that is being evaluated has failed."""

    def __init__(self, cells: list[Any]) -> None:
        self.cells: list[Any] = cells
        self.failed: bool = False
        self.lost: bool = False

    def division_error(self) -> int:
        """The expression divides by zero."""
        self.cells[0] = 1
        self.failed = True
        return 0

    def out_of_range(self) -> int:
        """The expression leaves the domain of an operator."""
        self.cells[1] = 1
        self.failed = True
        return 0

    def address_error(self) -> int:
        """The expression names an address that is not there."""
        self.cells[2] = 1
        self.failed = True
        self.lost = True
        return 0


def wrapped(faults: Faults, value: int) -> int:
    """A result as 64 bits hold it; out_of_range when they do not."""
    if LOW_64 <= value <= HIGH_64:
        return value
    faults.cells[1] = 1
    return ((value - LOW_64) & 0xFFFFFFFFFFFFFFFF) + LOW_64


def quotient(faults: Faults, a: int, b: int) -> int:
    """Division that truncates towards zero."""
    if b == 0:
        return faults.division_error()
    result = abs(a) // abs(b)
    return wrapped(faults, result if (a < 0) == (b < 0) else -result)


def remainder(faults: Faults, a: int, b: int) -> int:
    """What quotient() leaves; it has the sign of the dividend."""
    if b == 0:
        return faults.division_error()
    result = abs(a) % abs(b)
    return -result if a < 0 else result


def power(faults: Faults, base: int, exponent: int) -> int:
    """Integer power, in 64 bits."""
    if exponent >= 0:
        if exponent < 64 and abs(base) < 2:
            small: int = base**exponent
            return small
        return _large_power(faults, base, exponent)
    if base == 0:
        return faults.division_error()
    if base in (1, -1):
        return base if exponent % 2 else 1
    return 0


def _large_power(faults: Faults, base: int, exponent: int) -> int:
    result: int = pow(base, exponent, 1 << 64)
    exact = base in (-1, 0, 1) or (exponent < 64 and LOW_64 <= base**exponent <= HIGH_64)
    if not exact:
        faults.cells[1] = 1
    return result - (1 << 64) if result > HIGH_64 else result


def shift_left(faults: Faults, value: int, count: int) -> int:
    """Shift left within 64 bits; out_of_range when bits are lost."""
    if count < 0:
        return faults.out_of_range()
    return wrapped(faults, value << min(count, 64))


def shift_right(faults: Faults, value: int, count: int) -> int:
    """Arithmetic shift right."""
    if count < 0:
        return faults.out_of_range()
    return value >> min(count, 64)


def rotate_left(faults: Faults, value: int, count: int) -> int:
    """Rotate the low 16 bits left."""
    if count < 0:
        return faults.out_of_range()
    bits, steps = value & 0xFFFF, count % 16
    return ((bits << steps) | (bits >> (16 - steps))) & 0xFFFF


def rotate_right(faults: Faults, value: int, count: int) -> int:
    """Rotate the low 16 bits right."""
    if count < 0:
        return faults.out_of_range()
    return rotate_left(faults, value, 16 - count % 16)


def divide(faults: Faults, a: float, b: float) -> float:
    """IEEE 754 division, except by zero."""
    if b == 0.0:
        return float(faults.division_error())
    return a / b


def float_quotient(faults: Faults, a: float, b: float) -> float:
    """Division truncated to a whole number."""
    if b == 0.0:
        return float(faults.division_error())
    result = a / b
    return float(math.trunc(result)) if math.isfinite(result) else result


def float_remainder(faults: Faults, a: float, b: float) -> float:
    """Remainder with the sign of the dividend, exact; of an infinite dividend NaN."""
    if b == 0.0:
        return float(faults.division_error())
    if not math.isfinite(a) or math.isnan(b):
        return NOT_A_NUMBER
    return math.fmod(a, b)


def float_power(faults: Faults, base: float, exponent: float) -> float:
    """Power of binary64."""
    if base == 0.0 and exponent < 0.0:
        return float(faults.division_error())
    try:
        return math.pow(base, exponent)
    except (ValueError, OverflowError):
        return float(faults.out_of_range())


def square_root(faults: Faults, x: float) -> float:
    """Square root; out_of_range below zero."""
    return float(faults.out_of_range()) if x < 0.0 else math.sqrt(x)


def sine(faults: Faults, x: float) -> float:
    """Sine; out_of_range for an infinite angle."""
    return float(faults.out_of_range()) if math.isinf(x) else math.sin(x)


def cosine(faults: Faults, x: float) -> float:
    """Cosine; out_of_range for an infinite angle."""
    return float(faults.out_of_range()) if math.isinf(x) else math.cos(x)


def tangent(faults: Faults, x: float) -> float:
    """Tangent; out_of_range for an infinite angle."""
    return float(faults.out_of_range()) if math.isinf(x) else math.tan(x)


def arc_sine(faults: Faults, x: float) -> float:
    """Arc sine; out_of_range outside −1 to 1."""
    return float(faults.out_of_range()) if x < -1.0 or x > 1.0 else math.asin(x)


def arc_cosine(faults: Faults, x: float) -> float:
    """Arc cosine; out_of_range outside −1 to 1."""
    return float(faults.out_of_range()) if x < -1.0 or x > 1.0 else math.acos(x)


def arc_tangent(faults: Faults, x: float) -> float:
    """Arc tangent."""
    return math.atan(x)


def radians(faults: Faults, x: float) -> float:
    """Degrees as radians."""
    return x * (math.pi / 180.0)


def degrees(faults: Faults, x: float) -> float:
    """Radians as degrees."""
    return x * (180.0 / math.pi)


def logarithm(faults: Faults, x: float) -> float:
    """Natural logarithm; out_of_range at zero and below."""
    return float(faults.out_of_range()) if x <= 0.0 else math.log(x)


def logarithm_10(faults: Faults, x: float) -> float:
    """Logarithm to base 10; out_of_range at zero and below."""
    return float(faults.out_of_range()) if x <= 0.0 else math.log10(x)


def truncated(x: float) -> int:
    """A float as an integer of 64 bits: without its fraction, limited; 0 for NaN."""
    if x != x:
        return 0
    if x >= 9223372036854775808.0:
        return HIGH_64
    if x <= -9223372036854775808.0:
        return LOW_64
    return int(x)


def single(x: float) -> float:
    """A finite float as the nearest binary32, at most the largest finite one, and never minus zero."""
    if x > LARGEST_SINGLE:
        return LARGEST_SINGLE
    if x < -LARGEST_SINGLE:
        return -LARGEST_SINGLE
    rounded: float = _SINGLE.unpack(_SINGLE.pack(x))[0]
    return rounded + 0.0


def single_of_bits(bits: int) -> float:
    """What a REAL holds for 32 bits: minus zero becomes zero, each NaN the one NaN."""
    number: float = _SINGLE.unpack(_SINGLE_BITS.pack(bits & 0xFFFFFFFF))[0]
    return NOT_A_NUMBER if number != number else number + 0.0


def bits_of_single(number: float) -> int:
    """The 32 bits of a REAL."""
    if number != number:
        return 0x7FC00000
    bits: int = _SINGLE_BITS.unpack(_SINGLE.pack(number))[0]
    return bits
