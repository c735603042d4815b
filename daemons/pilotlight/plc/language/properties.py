# SPDX-License-Identifier: Apache-2.0
"""What else a tag can say of itself: who writes it, what it measures, which values are meant.

None of it changes what a scan does but `readonly`. Values outside what is meant are reported, never clamped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypedDict

from pilotlight.tags import Value


class Said(TypedDict, total=False):
    """The properties as arguments of a tag; as of Properties."""

    readonly: bool
    external: bool
    final: bool
    public: bool
    lock: bool
    choices: Mapping[int, str] | Sequence[int]
    min: float
    max: float
    uom: str
    physical: object
    link: str


@dataclass(frozen=True)
class Properties:
    """Properties of a tag. Raises ValueError for those that exclude each other."""

    readonly: bool = False
    """Nothing writes it: neither logic nor patches nor forces."""
    external: bool = False
    """Something outside the program writes it."""
    final: bool = False
    """One instruction alone writes it."""
    public: bool = False
    """Part of the interface for people."""
    lock: bool = False
    """Meant to stay as it is across versions of the program."""
    choices: Mapping[int, str] | Sequence[int] | None = None
    """The values that are meant, with their names if it is a mapping."""
    min: float | None = None
    max: float | None = None
    uom: str = ""
    """Unit of measure."""
    physical: object = None
    """What stands behind it in the plant."""
    link: str = ""
    """The command that this is the feedback of: `Tag` or `Tag:value`."""

    def __post_init__(self) -> None:
        if self.readonly and (self.final or self.external):
            raise ValueError("a tag that nothing writes (readonly) is neither final nor external")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")

    def complaint(self, value: Value) -> str:
        """What is wrong with a value; empty when it is one that is meant."""
        if self.choices is not None and value not in self.choices:
            return f"{value!r} is none of {', '.join(map(str, self.choices))}"
        if isinstance(value, str):
            return ""
        if self.min is not None and value < self.min:
            return f"{value} is below {self.min}"
        return f"{value} is above {self.max}" if self.max is not None and value > self.max else ""


NAMES = frozenset(field.name for field in fields(Properties))
PLAIN = Properties()
