# SPDX-License-Identifier: Apache-2.0
"""The state at the end of a scan; immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from pilotlight.plc import ir
from pilotlight.plc.values import from_cell
from pilotlight.tags import Value


class SystemState:
    """A scan's number, its time and the values it left."""

    def __init__(self, scan_id: int, time_ns: int, image: Sequence[int | float], cells: Sequence[ir.Cell]) -> None:
        self.scan_id = scan_id
        self.time_ns = time_ns
        self._image = tuple(image)
        self._cells = cells

    @property
    def timestamp(self) -> float:
        """Seconds since the start."""
        return self.time_ns / 1e9

    @cached_property
    def tags(self) -> Mapping[str, Value]:
        """Values of the tags by name."""
        pairs = zip(self._cells, self._image, strict=False)
        return MappingProxyType({c.name: from_cell(c.type, n) for c, n in pairs if not c.internal})

    @cached_property
    def memory(self) -> Mapping[str, int | float]:
        """Numbers of the internal cells by name."""
        pairs = zip(self._cells, self._image, strict=False)
        return MappingProxyType({c.name: n for c, n in pairs if c.internal})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SystemState):
            return NotImplemented
        return (self.scan_id, self.time_ns, self.tags, self.memory) == (
            other.scan_id, other.time_ns, other.tags, other.memory,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.scan_id, self.time_ns))

    def __repr__(self) -> str:
        return f"SystemState(scan_id={self.scan_id}, timestamp={self.timestamp}, tags={dict(self.tags)})"
