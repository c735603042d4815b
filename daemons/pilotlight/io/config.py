# SPDX-License-Identifier: Apache-2.0
"""The settings file `io.yaml`: its types, and the decision whether its lines make a sound pin map."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from pilotlight.io.lines import MAX_LINES, Address, Direction, LineConfig, PinMap, describe

MAX_DEBOUNCE_MS = 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


class LineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `lines`."""

    chip: str
    """Label or name of the chip, as `gpiodetect` shows it, or the label of the simulated chip."""
    line: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    """Number of the line in its chip."""
    address: str
    """`%IX<byte>.<bit>` for an input, `%QX<byte>.<bit>` for an output."""
    bias: Literal["as-is", "pull-up", "pull-down", "disabled"] = "as-is"
    active_low: bool = False
    """True when the low level means TRUE."""
    debounce_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_DEBOUNCE_MS)] = 0.0
    """How long an input must be stable, in milliseconds, 0 to 1000."""
    safe: bool | None = None
    """The value an output takes whenever no program drives it; off when left out."""


class SimulatedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A simulated chip, for machines without lines."""

    label: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")] = "sim0"
    lines: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINES)] = 32


class IoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. An empty one maps no lines."""

    lines: dict[str, LineSettings] = {}
    simulated: SimulatedSettings | None = None


class PinMapError(Exception):
    """The lines of io.yaml contradict each other or the machine. The message lists all problems and the pin map."""

    def __init__(self, problems: list[str], table: str) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"io.yaml is refused; no line is touched:\n{listed}\nThe pin map it asks for:\n{table}")


def settings_of(mapping: object) -> IoSettings:
    """The settings in an already parsed file. msgspec.ValidationError names the key that is wrong."""
    return msgspec.convert({} if mapping is None else mapping, IoSettings)


def pin_map(settings: IoSettings, chips: Mapping[str, int]) -> PinMap:
    """The pin map of `settings`, or PinMapError.

    `chips` gives the number of lines of each chip that exists, by every name it answers to. Two names of one chip
    used side by side are caught later, when its lines are requested.
    """
    problems: list[str] = []
    lines: list[LineConfig] = []
    for name, line in settings.lines.items():
        if not _NAME.fullmatch(name):
            problems.append(f"{name!r} is no line name: a letter, then up to 31 letters, digits or underscores")
        try:
            address = Address.parse(line.address)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        problems.extend(f"{name}: {problem}" for problem in _misfits(line, address.direction))
        debounce_us = round(line.debounce_ms * 1000)
        lines.append(
            LineConfig(name, line.chip, line.line, address, line.bias, line.active_low, debounce_us, bool(line.safe))
        )
    problems.extend(_unknown(lines, chips))
    problems.extend(_conflicts(lines))
    if problems:
        raise PinMapError(problems, describe(lines))
    return PinMap.of(lines)


def _misfits(line: LineSettings, direction: Direction) -> Iterator[str]:
    if direction is Direction.INPUT and line.safe is not None:
        yield "an input has no safe value; remove 'safe'"
    if direction is Direction.OUTPUT and line.debounce_ms:
        yield "an output is not debounced; remove 'debounce_ms'"


def _unknown(lines: list[LineConfig], chips: Mapping[str, int]) -> Iterator[str]:
    for line in lines:
        count = chips.get(line.chip)
        if count is None:
            known = ", ".join(sorted(chips)) or "none"
            yield f"{line.name}: there is no chip {line.chip} (chips of this machine: {known})"
        elif line.line >= count:
            yield f"{line.name}: chip {line.chip} has lines 0 to {count - 1}, not {line.line}"


def _conflicts(lines: list[LineConfig]) -> Iterator[str]:
    places: dict[tuple[str, int], str] = {}
    addresses: dict[Address, str] = {}
    for line in lines:
        taken = places.setdefault((line.chip, line.line), line.name)
        if taken != line.name:
            yield f"{line.name}: line {line.line} of chip {line.chip} is already {taken}"
        taken = addresses.setdefault(line.address, line.name)
        if taken != line.name:
            yield f"{line.name}: address {line.address} is already {taken}"
    folded: dict[str, str] = {}
    for line in lines:
        taken = folded.setdefault(line.name.upper(), line.name)
        if taken != line.name:
            yield f"{line.name}: the name differs from {taken} only in upper and lower case"
    for chip, count in Counter(line.chip for line in lines).items():
        if count > MAX_LINES:
            yield f"chip {chip}: {count} lines are mapped, at most {MAX_LINES} can be"
