# SPDX-License-Identifier: Apache-2.0
"""Kinds of keys in the control configuration: what a value may be, and what it becomes.

A settings class writes a key as `control_hz: int = whole(250, 1, 10_000)`; the kind travels in the field's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final

from pilotlight.runtime.control.toml import Scalar

U32_MAX: Final = 0xFFFF_FFFF
Convert = Callable[[Scalar], Any]


class KeyValueError(ValueError):
    """A value that its key cannot take; the message says what it can."""


@dataclass(frozen=True)
class Key:
    """A key of a section: its name and the function that checks and converts a value."""

    name: str
    default: Any
    convert: Convert


def keys_of(section: type[Any]) -> list[Key]:
    """The keys of a settings class, in their order."""
    return [Key(f.name, f.default, f.metadata["convert"]) for f in fields(section)]


def _key(default: Any, convert: Convert) -> Any:
    return field(default=default, metadata={"convert": convert})


def flag(default: bool) -> bool:
    """True or false."""

    def convert(value: Scalar) -> bool:
        if isinstance(value, bool):
            return value
        raise KeyValueError("true or false is wanted")

    made: bool = _key(default, convert)
    return made


def whole(default: int, least: int = 0, most: int = U32_MAX) -> int:
    """A whole number in a range; 5.0 is one as well."""

    def convert(value: Scalar) -> int:
        if isinstance(value, bool | str) or value != value or (isinstance(value, float) and not value.is_integer()):
            raise KeyValueError("a whole number is wanted")
        if not least <= value <= most:
            raise KeyValueError(f"a number from {least} to {most} is wanted")
        return int(value)

    made: int = _key(default, convert)
    return made


def number(default: float, least: float = -math.inf, most: float = math.inf, *, above: float | None = None) -> float:
    """A finite number from `least` to `most`, or greater than `above`."""

    def convert(value: Scalar) -> float:
        if isinstance(value, bool | str):
            raise KeyValueError("a number is wanted")
        try:
            real = float(value)
        except OverflowError:
            real = math.inf
        if not math.isfinite(real):
            raise KeyValueError("a finite number is wanted")
        if above is not None and real <= above:
            raise KeyValueError(f"a number greater than {above:g} is wanted")
        if not least <= real <= most:
            raise KeyValueError(f"a number {_range(least, most)} is wanted")
        return real

    made: float = _key(default, convert)
    return made


def _range(least: float, most: float) -> str:
    return f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"


def text(default: str, check: Callable[[str], object] | None = None) -> str:
    """A text; `check` raises ValueError, with what is wanted, for one that will not do."""

    def convert(value: Scalar) -> str:
        if not isinstance(value, str):
            raise KeyValueError("a text between double quotes is wanted")
        if not value.isprintable() or len(value) > 255:
            raise KeyValueError("a text of at most 255 printable characters is wanted")
        if check is not None:
            try:
                check(value)
            except ValueError as error:
                raise KeyValueError(str(error)) from error
        return value

    made: str = _key(default, convert)
    return made


def one_of(*choices: str) -> Callable[[str], None]:
    """A check for `text`: one of these words."""

    def check(value: str) -> None:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is wanted")

    return check
