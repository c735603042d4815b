# SPDX-License-Identifier: Apache-2.0
"""The runtime's own tags in segment `plc`: what the scan does, and the level of every line.

They follow the program's variables, so that the index of a variable's tag is the debugger's index of the variable.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pilotlight.runtime.native import Variable
from pilotlight.runtime.states import State
from pilotlight.runtime.statistics import Durations
from pilotlight.tags import Directory, Flags, Tag, Type

KINDS = ("Time", "Cycle", "Latency")
FIGURES = ("Last", "Min", "Max", "Mean", "P50", "P99", "P999")
_MEANING = {
    "Time": "duration of a scan, from waking up to the end of publishing",
    "Cycle": "time from the start of one scan to the start of the next",
    "Latency": "how late a scan started after its slot",
}
LINE_PREFIX = "Line."
_FIGURES = struct.Struct(f"<{len(FIGURES)}d")


class DescriptionError(ValueError):
    """A program describes a variable that cannot be a tag."""


def program_tag(variable: Variable) -> Tag:
    """The tag of a program variable. DescriptionError when type, size and name do not go together."""
    try:
        kind = Type(variable.type)
        length = variable.size - 2 if kind is Type.STRING else 0
        tag = Tag(variable.name, kind, length, flags=Flags(variable.flags))
    except ValueError as error:
        raise DescriptionError(f"variable {variable.name!r} cannot be a tag: {error}") from error
    if tag.size != variable.size:
        raise DescriptionError(f"variable {variable.name} is {variable.size} bytes, its type {kind.name} {tag.size}")
    return tag


def own_tags(inputs: Sequence[str], outputs: Sequence[str]) -> list[Tag]:
    """The runtime's tags for lines with these names."""
    states = ", ".join(f"{state.value} {state.name}" for state in State)
    tags = [
        Tag("Scan.State", Type.USINT, description=f"state of the PLC: {states}"),
        Tag("Scan.Count", Type.ULINT, description="scans of the program since it was started"),
        Tag("Scan.Overruns", Type.ULINT, description="slots skipped because a scan took longer than its period"),
        Tag("Scan.Forces", Type.UDINT, description="variables that are forced"),
    ]
    for kind in KINDS:
        tags += [Tag(f"Scan.{kind}.{figure}", Type.LREAL, unit="us", description=_MEANING[kind]) for figure in FIGURES]
    tags += [Tag(LINE_PREFIX + name, Type.BOOL, description="input line", flags=Flags.INPUT) for name in inputs]
    tags += [Tag(LINE_PREFIX + name, Type.BOOL, description="output line", flags=Flags.OUTPUT) for name in outputs]
    return tags


class OwnTags:
    """Writes the runtime's tags into the staged image, whose tags from `first` on are those of `own_tags`."""

    def __init__(self, directory: Directory, image: memoryview, first: int, inputs: int, outputs: int) -> None:
        offsets = [directory.offset(index) for index in range(first, len(directory))]
        head = 4 + len(KINDS) * len(FIGURES)
        if len(offsets) != head + inputs + outputs or directory[first].name != "Scan.State":
            raise DescriptionError("the segment does not fit the program: build the program again")
        self._image = image
        self._state, self._count, self._overruns, self._forces = offsets[:4]
        self._kinds = offsets[4 : head : len(FIGURES)]
        self._inputs = offsets[head : head + inputs]
        self._outputs = offsets[head + inputs :]
        self._percentiles = [(0, 0, 0)] * len(KINDS)

    def set_state(self, state: State) -> None:
        """Stage `Scan.State`."""
        self._image[self._state] = int(state)

    def set_counts(self, scans: int, overruns: int, forces: int) -> None:
        """Stage the counters."""
        struct.pack_into("<Q", self._image, self._count, scans)
        struct.pack_into("<Q", self._image, self._overruns, overruns)
        struct.pack_into("<I", self._image, self._forces, forces)

    def set_durations(self, kind: int, durations: Durations, fresh: bool) -> None:
        """Stage the figures of `KINDS[kind]`; the percentiles are counted anew only when `fresh`."""
        if fresh:
            self._percentiles[kind] = durations.percentiles()
        p50, p99, p999 = self._percentiles[kind]
        _FIGURES.pack_into(
            self._image,
            self._kinds[kind],
            durations.last / 1000.0,
            durations.least / 1000.0,
            durations.greatest / 1000.0,
            durations.mean / 1000.0,
            p50 / 1000.0,
            p99 / 1000.0,
            p999 / 1000.0,
        )

    def set_inputs(self, bits: int) -> None:
        """Stage the levels of the input lines."""
        for position, offset in enumerate(self._inputs):
            self._image[offset] = bits >> position & 1

    def set_outputs(self, bits: int) -> None:
        """Stage the levels of the output lines."""
        for position, offset in enumerate(self._outputs):
            self._image[offset] = bits >> position & 1
