# SPDX-License-Identifier: Apache-2.0
"""The state at the end of a scan; immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from weakref import ReferenceType, WeakValueDictionary, ref

from pilotlight.plc import ir
from pilotlight.plc.values import from_cell
from pilotlight.tags import Value

Numbers = Sequence[int | float]


class Picture:
    """The numbers of an image, taken when they are first asked for, or settled before the image changes."""

    __slots__ = ("_numbers", "_take", "cells", "slots")

    def __init__(self, cells: Sequence[ir.Cell], slots: Mapping[str, int], take: Callable[[], Numbers]) -> None:
        self.cells = cells
        self.slots = slots
        self._take = take
        self._numbers: Numbers | None = None

    @property
    def numbers(self) -> Numbers:
        """A number for each slot that there was."""
        if self._numbers is None:
            self._numbers = self._take()
        return self._numbers

    def settle(self, numbers: Numbers) -> None:
        """Keep these numbers, which nobody changes any more."""
        if self._numbers is None:
            self._numbers = numbers


class Values(Mapping[str, Any]):
    """Values of tags by name, or with `internal` the numbers that instructions remember; read-only."""

    __slots__ = ("_internal", "_picture")

    def __init__(self, picture: Picture, *, internal: bool) -> None:
        self._picture = picture
        self._internal = internal

    def __getitem__(self, name: str) -> Any:
        picture = self._picture
        slot = picture.slots[name]
        cell = picture.cells[slot]
        if cell.internal != self._internal or slot >= len(picture.numbers):
            raise KeyError(name)
        number = picture.numbers[slot]
        return number if self._internal else from_cell(cell.type, number)

    def __iter__(self) -> Iterator[str]:
        pairs = zip(self._picture.cells, self._picture.numbers, strict=False)
        return (cell.name for cell, _ in pairs if cell.internal == self._internal)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


class SystemState:
    """A scan's number, its time and the values it left. `with_tags` and the like make others of it."""

    __slots__ = ("__weakref__", "_memory", "_picture", "_scan_id", "_tags", "_time_ns")

    def __init__(
        self, scan_id: int = 0, timestamp: float = 0.0, tags: Mapping[str, Value] | None = None,
        memory: Mapping[str, int | float] | None = None,
    ) -> None:  # fmt: skip
        self._scan_id = scan_id
        self._time_ns = round(timestamp * 1e9)
        # Those of a picture are made when somebody asks.
        self._tags: Mapping[str, Value] | None = _fixed(tags)
        self._memory: Mapping[str, int | float] | None = _fixed(memory)
        self._picture: Picture | None = None

    @classmethod
    def of_picture(cls, scan_id: int, time_ns: int, picture: Picture) -> SystemState:
        """The state whose values are those of an image."""
        state = cls.__new__(cls)
        state._scan_id, state._time_ns, state._picture = scan_id, time_ns, picture
        state._tags = state._memory = None
        return state

    def settle(self, numbers: Numbers) -> None:
        """Called before the image changes of which the state is."""
        if self._picture is not None:
            self._picture.settle(numbers)

    @property
    def scan_id(self) -> int:
        """Number of the scan."""
        return self._scan_id

    @property
    def time_ns(self) -> int:
        """Nanoseconds since the start."""
        return self._time_ns

    @property
    def timestamp(self) -> float:
        """Seconds since the start."""
        return self._time_ns / 1e9

    @property
    def tags(self) -> Mapping[str, Any]:
        """Values of the tags by name."""
        if self._tags is None:
            self._tags = self._values(internal=False)
        return self._tags

    @property
    def memory(self) -> Mapping[str, int | float]:
        """Numbers of the internal cells by name."""
        if self._memory is None:
            self._memory = self._values(internal=True)
        return self._memory

    def _values(self, *, internal: bool) -> Values:
        assert self._picture is not None, "a state has values or the picture of them"
        return Values(self._picture, internal=internal)

    def with_tags(self, values: Mapping[str, Value]) -> SystemState:
        """The same state with other values of some tags."""
        return self._other(self._scan_id, self._time_ns, {**self.tags, **values}, self.memory)

    def with_memory(self, numbers: Mapping[str, int | float]) -> SystemState:
        """The same state with other numbers of some internal cells."""
        return self._other(self._scan_id, self._time_ns, self.tags, {**self.memory, **numbers})

    def next_scan(self, dt: float) -> SystemState:
        """The same values one scan and `dt` seconds later."""
        return self._other(self._scan_id + 1, self._time_ns + round(dt * 1e9), self.tags, self.memory)

    def _other(
        self, scan_id: int, time_ns: int, tags: Mapping[str, Value], memory: Mapping[str, int | float]
    ) -> SystemState:
        state = SystemState(scan_id, 0.0, tags, memory)
        state._time_ns = time_ns
        return state

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


def _fixed(values: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return values if isinstance(values, (MappingProxyType, Values)) else MappingProxyType(dict(values or {}))


class States:
    """The states that somebody has, by scan. The newest has no numbers yet: most are let go unread."""

    def __init__(self) -> None:
        self._settled: WeakValueDictionary[int, SystemState] = WeakValueDictionary()
        self._newest: ReferenceType[SystemState] | None = None
        self._number = -1

    def get(self, scan_id: int) -> SystemState | None:
        """The state of a scan, if somebody has it."""
        if self._newest is not None and scan_id == self._number:
            return self._newest()
        return self._settled.get(scan_id)

    def keep(self, state: SystemState) -> None:
        """Know a state whose numbers do not change."""
        self._settled[state.scan_id] = state

    def keep_newest(self, state: SystemState) -> None:
        """Know the state of the image as it is."""
        self._newest, self._number = ref(state), state.scan_id

    def settle(self, numbers: Callable[[], Numbers]) -> None:
        """Called before the image changes, with what gives its numbers: who has the newest state, keeps it."""
        if self._newest is None:
            return
        state = self._newest()
        if state is not None:
            state.settle(numbers())
            self.keep(state)
        self._newest = None

    def clear(self) -> None:
        """Know none any more."""
        self._settled.clear()
        self._newest = None


class RunResult(SystemState):
    """The state that run_until() ended with; true when its condition held."""

    __slots__ = ("_matched",)
    _matched: bool

    @classmethod
    def of(cls, state: SystemState, matched: bool) -> RunResult:
        """A state, and whether the condition held in it."""
        result = cls()
        result._scan_id, result._time_ns, result._picture = state._scan_id, state._time_ns, state._picture
        result._tags, result._memory = state.tags, state.memory
        result._matched = matched
        return result

    @property
    def matched(self) -> bool:
        """Whether the condition held."""
        return self._matched

    def __bool__(self) -> bool:
        return self._matched
