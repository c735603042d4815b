# SPDX-License-Identifier: Apache-2.0
"""Digital lines: what one is, what the map of all of them is, and the protocol that every driver of them speaks.

A *line* is one digital input or output of a *chip*. A *request* holds some lines of one chip in one direction; a
*bank* joins the requests of one direction to a single row of bits, bit n being the n-th line of the pin map.
All values are logical: `active_low` has been applied.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_BYTE = 1023
"""Highest byte of an address: %IX0.0 to %IX1023.7."""
MAX_LINES = 64
"""Most lines of one chip that can be mapped: what the kernel takes in one request."""
CONSUMER = "pilotlight"
"""The name under which lines are requested, as `gpioinfo` shows it."""

_ADDRESS = re.compile(r"%([IQ])X(\d{1,4})\.([0-7])")


class LineError(Exception):
    """A chip or line cannot be used. The message says which, what stays safe and what to do."""


class Direction(enum.Enum):
    """Which way a line goes, seen from the controller."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, order=True)
class Address:
    """A located bit of the program: `%IX<byte>.<bit>` for inputs, `%QX<byte>.<bit>` for outputs."""

    area: str
    byte: int
    bit: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as `text`; ValueError when it is none or its byte is above 1023."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r} is no bit address: write %IX0.0 to %IX{MAX_BYTE}.7 or %QX0.0 to %QX{MAX_BYTE}.7"
            )
        address = cls(match[1], int(match[2]), int(match[3]))
        if address.byte > MAX_BYTE:
            raise ValueError(f"{text} is out of range: the highest byte is {MAX_BYTE}")
        return address

    @property
    def direction(self) -> Direction:
        """INPUT for %IX, OUTPUT for %QX."""
        return Direction.INPUT if self.area == "I" else Direction.OUTPUT

    def __str__(self) -> str:
        return f"%{self.area}X{self.byte}.{self.bit}"


@dataclass(frozen=True)
class LineConfig:
    """One line as configured. `debounce_us` is in microseconds; `safe` is the logical level an output falls back to."""

    name: str
    chip: str
    line: int
    address: Address
    bias: str = "as-is"
    active_low: bool = False
    debounce_us: int = 0
    safe: bool = False

    @property
    def direction(self) -> Direction:
        """The direction, which the address decides."""
        return self.address.direction


@dataclass(frozen=True)
class PinMap:
    """All configured lines. Bit n of a bank is line n of `inputs` or `outputs`; lines of one chip stand together."""

    inputs: tuple[LineConfig, ...] = ()
    outputs: tuple[LineConfig, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[LineConfig]) -> PinMap:
        """The map of `lines`, ordered by chip and line number."""
        ordered = sorted(lines, key=lambda line: (line.chip, line.line))
        return cls(
            tuple(line for line in ordered if line.direction is Direction.INPUT),
            tuple(line for line in ordered if line.direction is Direction.OUTPUT),
        )

    @property
    def lines(self) -> tuple[LineConfig, ...]:
        """Inputs, then outputs."""
        return self.inputs + self.outputs

    @property
    def chips(self) -> tuple[str, ...]:
        """The chips that the map names, each once."""
        return tuple(sorted({line.chip for line in self.lines}))

    @property
    def safe_bits(self) -> int:
        """The safe values of all outputs as the bits of the output bank."""
        return pack(line.safe for line in self.outputs)


def pack(values: Iterable[bool]) -> int:
    """Bit n of the result is the n-th value."""
    return sum(1 << position for position, value in enumerate(values) if value)


def by_chip(lines: Sequence[LineConfig]) -> dict[str, tuple[LineConfig, ...]]:
    """Lines of one direction grouped by chip, order kept."""
    groups: dict[str, list[LineConfig]] = {}
    for line in lines:
        groups.setdefault(line.chip, []).append(line)
    return {chip: tuple(group) for chip, group in groups.items()}


def describe(lines: Iterable[LineConfig]) -> str:
    """The pin map as a table for people, one line a row, sorted by address."""
    rows = [("ADDRESS", "NAME", "CHIP", "LINE", "SETTINGS")]
    for line in sorted(lines, key=lambda line: (line.address, line.name)):
        notes = [] if line.bias == "as-is" else [line.bias]
        notes += ["active-low"] if line.active_low else []
        notes += [f"debounce {line.debounce_us / 1000:g} ms"] if line.debounce_us else []
        notes += [f"safe {'on' if line.safe else 'off'}"] if line.direction is Direction.OUTPUT else []
        rows.append((str(line.address), line.name, line.chip, str(line.line), ", ".join(notes)))
    if len(rows) == 1:
        return "(no lines are mapped)"
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )


class Request(Protocol):
    """Some lines of one chip, held in one direction. Bit n is the n-th requested line."""

    @property
    def count(self) -> int:
        """How many lines it holds, 1 to 64."""

    @property
    def handle(self) -> str:
        """What `inherit` needs to take this request over in a child process; contains the descriptor's number."""

    def descriptors(self) -> tuple[int, ...]:
        """The file descriptors that a child must inherit."""

    def read(self) -> int:
        """The present logical levels as bits. OSError when the chip is gone."""

    def write(self, bits: int) -> None:
        """Set the logical levels of an output request. OSError when the chip is gone."""

    def close(self) -> None:
        """Give the lines back."""


class Chip(Protocol):
    """A chip with lines."""

    @property
    def line_count(self) -> int:
        """Lines are numbered from 0 to one below this."""

    def request(self, lines: Sequence[LineConfig], values: int = 0) -> Request:
        """Hold 1 to 64 lines of one direction, outputs at `values` from the first moment; LineError when refused."""

    def close(self) -> None:
        """Close the chip; its requests stay held."""


class Bank:
    """All lines of one direction as one row of bits."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._parts: list[tuple[Request, int, int]] = []
        shift = 0
        for request in requests:
            self._parts.append((request, shift, (1 << request.count) - 1))
            shift += request.count
        self.count = shift

    @property
    def handles(self) -> tuple[str, ...]:
        """The handles of the requests, in bit order."""
        return tuple(part[0].handle for part in self._parts)

    def descriptors(self) -> tuple[int, ...]:
        """Every descriptor a child needs to use this bank."""
        return tuple(number for part in self._parts for number in part[0].descriptors())

    def read(self) -> int:
        """The logical levels of all lines. OSError when a chip is gone."""
        bits = 0
        for request, shift, _ in self._parts:
            bits |= request.read() << shift
        return bits

    def write(self, bits: int) -> None:
        """Set all lines. Every request is tried even when one fails; the first OSError is raised at the end."""
        failure: OSError | None = None
        for request, shift, mask in self._parts:
            try:
                request.write((bits >> shift) & mask)
            except OSError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Give all lines back."""
        for request, _, _ in self._parts:
            request.close()
