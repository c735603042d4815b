# SPDX-License-Identifier: Apache-2.0
"""Numbers as text, and text as numbers."""

from __future__ import annotations

import math

from pilotlight.plc.arithmetic import LARGEST_SINGLE, single, truncated
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

_DIGITS = {Type.INT: 5, Type.DINT: 10, Type.LINT: 10, Type.BOOL: 1}
_BLANKS = " \t\n\v\f\r"


def integer_text(kind: Type, value: int, suppress_zero: bool) -> str:
    """An integer: decimal, of a WORD four hexadecimal digits, of a CHAR the character."""
    if kind is Type.CHAR:
        return chr(value & 0xFF) if value else ""
    if kind is Type.WORD:
        return f"{value & 0xFFFF:X}" if suppress_zero else f"{value & 0xFFFF:04X}"
    digits = str(abs(value))
    if not suppress_zero:
        digits = digits.rjust(_DIGITS.get(kind, 1), "0")
    return f"-{digits}" if value < 0 else digits


def real_text(value: float, exponential: bool) -> str | None:
    """A float with seven decimals, or None when it is not finite."""
    if not math.isfinite(value):
        return None
    return f"{value:.7E}" if exponential else f"{value:.7f}"


def number_of(kind: Type, text: str, allow_whitespace: bool) -> int | float | None:
    """The number of a type that a text shows, or None."""
    if allow_whitespace:
        text = text.strip(_BLANKS)
    if kind is Type.REAL:
        return _real_of(text)
    if kind is Type.WORD:
        return int(text, 16) if 1 <= len(text) <= 4 and all(each in "0123456789abcdefABCDEF" for each in text) else None
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not _decimal(digits):
        return None
    digits = digits.lstrip("0") or "0"
    if len(digits) > 10:
        return None
    value = -int(digits) if text[:1] == "-" else int(digits)
    low, high = bounds(kind)
    return value if low <= value <= high else None


def _decimal(digits: str) -> bool:
    return digits != "" and all("0" <= each <= "9" for each in digits)


def _real_of(text: str) -> float | None:
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    if mark and not _decimal(exponent[1:] if exponent[:1] in ("+", "-") else exponent):
        return None
    digits = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    whole, _point, fraction = digits.partition(".")
    if not _decimal(whole + fraction):
        return None
    value = float(text)
    return single(value) if -LARGEST_SINGLE <= value <= LARGEST_SINGLE else None


def digit_of(code: int) -> int:
    """The value of a digit's code, or −1."""
    return code - 48 if 48 <= code <= 57 else -1


def low_byte(number: int | float) -> int:
    """The character that a number's low byte is, or −1 above 127."""
    byte = (truncated(number) if isinstance(number, float) else number) & 0xFF
    return byte if byte < 128 else -1
