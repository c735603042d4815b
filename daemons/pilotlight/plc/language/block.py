# SPDX-License-Identifier: Apache-2.0
"""Blocks: tags of one type under consecutive addresses, selected one by one, by ranges, or while a scan runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pilotlight.plc import ir
from pilotlight.plc.language.operands import Operand, lowered
from pilotlight.plc.language.ranges import BlockRange, IndirectBlockRange
from pilotlight.plc.language.slots import SlotView
from pilotlight.plc.language.tag import DEFAULTS, InputTag, MappingEntry, OutputTag, Tag, proper
from pilotlight.tags import Type, Value

if TYPE_CHECKING:
    from pilotlight.plc.language.builder import Builder

LARGEST_BLOCK = 65536
"""Addresses of one block."""


class Indirect(Operand):
    """The tag of a block that an operand selects while the scan runs."""

    __slots__ = ("block", "index")

    def __init__(self, block: Block, index: Operand) -> None:
        self.block = block
        self.index = index

    @property
    def type(self) -> Type:
        return self.block.type

    @property
    def pointer(self) -> Operand:
        """What selects."""
        return self.index

    def lower(self, builder: Builder) -> ir.At:
        return ir.At(builder.table(self.block), lowered(builder, self.index))

    def __repr__(self) -> str:
        return f"{self.block.name}[{self.index!r}]"


class Block:
    """Tags of one type at the addresses `start` to `end`, both included, narrowed to `valid_ranges` if given.

    The tag of an address is named by `address_formatter(name, address)`, `DS7` by default, and its default value is
    `default_factory(address)`. Raises ValueError for bounds that make no block.
    """

    tag_class: type[Tag] = Tag

    def __init__(
        self, name: str, type: Type, start: int, end: int, retentive: bool = False,
        valid_ranges: Sequence[tuple[int, int]] | None = None,
        address_formatter: Callable[[str, int], str] | None = None,
        default_factory: Callable[[int], Value] | None = None,
    ) -> None:  # fmt: skip
        if type not in DEFAULTS:
            raise ValueError(f"block {name}: a tag cannot be {type.name}")
        if start < 0 or end < start or end - start >= LARGEST_BLOCK:
            raise ValueError(f"block {name}: {start} to {end} bound no 1 to {LARGEST_BLOCK} addresses from 0 on")
        for first, last in valid_ranges or ():
            if not start <= first <= last <= end:
                raise ValueError(f"block {name}: the valid range {first} to {last} is not within {start} to {end}")
        self.name = name
        self.type = type
        self.start = start
        self.end = end
        self.retentive = retentive
        self.valid_ranges = None if valid_ranges is None else tuple(valid_ranges)
        self.address_formatter = address_formatter
        self.default_factory = default_factory
        self._tags: dict[int, Tag] = {}
        self._overrides: dict[int, dict[str, object]] = {}

    def has(self, address: int) -> bool:
        """Whether the block has a tag at an address."""
        if not self.start <= address <= self.end:
            return False
        return self.valid_ranges is None or any(first <= address <= last for first, last in self.valid_ranges)

    def span(self) -> range:
        """All addresses between the bounds."""
        return range(self.start, self.end + 1)

    def __len__(self) -> int:
        return sum(1 for address in self.span() if self.has(address))

    def __iter__(self) -> Iterator[Tag]:
        return (self.tag(address) for address in self.span() if self.has(address))

    def __getitem__(self, key: int | Operand) -> Tag:
        """The tag at an address (IndexError outside), or the tag that an operand will select."""
        if isinstance(key, Operand):
            return Indirect(self, key)  # type: ignore[return-value]
        if isinstance(key, bool) or not isinstance(key, int):
            raise TypeError(f"{self.name}[{key!r}]: give one address, or use {self.name}.select(first, last)")
        return self.tag(key)

    def tag(self, address: int) -> Tag:
        """The tag at an address; IndexError when there is none."""
        if not self.has(address):
            raise IndexError(f"{self.name} has no address {address}: it goes from {self.start} to {self.end}")
        if address not in self._tags:
            self._tags[address] = self._made(address)
        return self._tags[address]

    def _made(self, address: int) -> Tag:
        own = self._overrides.get(address, {})
        tag = self.tag_class.__new__(self.tag_class)
        default, retentive = self.default_of(address), self.retentive_of(address)
        comment = str(own.get("comment", ""))
        Tag.__init__(tag, self.name_of(address), self.type, default=default, retentive=retentive, comment=comment)
        tag.block = self
        tag.address = address
        return tag

    def name_of(self, address: int) -> str:
        """Name of the tag at an address."""
        own = self._overrides.get(address, {}).get("name")
        if own is not None:
            return str(own)
        return f"{self.name}{address}" if self.address_formatter is None else self.address_formatter(self.name, address)

    def default_of(self, address: int) -> Value:
        """Default value of the tag at an address."""
        own = self._overrides.get(address, {}).get("default")
        if own is not None:
            return own  # type: ignore[return-value]
        return DEFAULTS[self.type] if self.default_factory is None else self.default_factory(address)

    def retentive_of(self, address: int) -> bool:
        """Whether the tag at an address is retentive."""
        own = self._overrides.get(address, {}).get("retentive")
        return self.retentive if own is None else bool(own)

    def select(self, first: int | Operand, last: int | Operand) -> BlockRange | IndirectBlockRange:
        """The tags from one address to another, both included; operands are resolved in each scan."""
        if isinstance(first, int) and isinstance(last, int):
            if first > last:
                raise ValueError(f"{self.name}.select({first}, {last}): the first address is above the last")
            if first < self.start or last > self.end:
                raise IndexError(f"{self.name}.select({first}, {last}): the block goes from {self.start} to {self.end}")
            whole = range(first, last + 1)
            return BlockRange(self, whole if self.valid_ranges is None else tuple(filter(self.has, whole)))
        return IndirectBlockRange(self, first, last)

    def slot(
        self, first: int, last: int | None = None, *, name: str | None = None, retentive: bool | None = None,
        default: Value | None = None, comment: str | None = None,
    ) -> SlotView:  # fmt: skip
        """Properties of one address or of several, and what they are now; ValueError once a tag there is in use."""
        addresses = tuple(a for a in range(first, (first if last is None else last) + 1) if self.has(a))
        if not addresses:
            raise IndexError(f"{self.name} has no address from {first} to {last}")
        if name is not None and len(addresses) > 1:
            raise ValueError(f"{self.name}: one name for {len(addresses)} addresses")
        view = SlotView(self, addresses)
        given: dict[str, object] = {"name": name, "retentive": retentive, "default": default, "comment": comment}
        changes = {key: value for key, value in given.items() if value is not None}
        if changes:
            view.change(changes)
        return view

    def override(self, address: int, changes: dict[str, object]) -> None:
        """Set properties of an address, or drop those that are None; ValueError once its tag is in use."""
        if address in self._tags:
            raise ValueError(f"{self.name}[{address}] is in use: configure it before its first use")
        if "default" in changes and changes["default"] is not None:
            proper(f"{self.name}[{address}]", self.type, changes["default"])  # type: ignore[arg-type]
        own = {**self._overrides.get(address, {}), **changes}
        self._overrides[address] = {key: value for key, value in own.items() if value is not None}

    def overrides(self, address: int) -> dict[str, object]:
        """Properties of an address that were set."""
        return dict(self._overrides.get(address, {}))

    def map_to(self, hardware: object) -> MappingEntry:
        """Say which hardware range stands behind the block."""
        return MappingEntry(self, hardware)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.type.name}, {self.start}, {self.end})"


class InputBlock(Block):
    """A block of inputs; never retentive."""

    tag_class = InputTag

    def __init__(
        self, name: str, type: Type, start: int, end: int, valid_ranges: Sequence[tuple[int, int]] | None = None,
        address_formatter: Callable[[str, int], str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, type, start, end, False, valid_ranges, address_formatter)


class OutputBlock(InputBlock):
    """A block of outputs; never retentive."""

    tag_class = OutputTag
