# SPDX-License-Identifier: Apache-2.0
"""Ranges of a block, fixed or resolved in each scan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pilotlight.plc import ir
from pilotlight.plc.language.operands import Immediate, Operand, lowered
from pilotlight.plc.language.tag import MappingEntry, Tag
from pilotlight.tags import Type

if TYPE_CHECKING:
    from pilotlight.plc.language.block import Block
    from pilotlight.plc.language.builder import Builder


class RangeComparison:
    """A comparison of each member of a range, for search()."""

    def __init__(self, range: Selection, operator: str, value: object) -> None:
        self.range = range
        self.operator = operator
        self.value = value


class Selection(ABC):
    """Several tags of one block; comparisons make what search() looks for."""

    def __init__(self, block: Block) -> None:
        self.block = block

    @property
    def type(self) -> Type:
        """Type of each tag."""
        return self.block.type

    @abstractmethod
    def lower(self, builder: Builder) -> ir.Cells:
        """The cells in the IR."""

    def sum(self) -> Operand:
        """The sum of all tags, for expressions."""
        return Sum(self)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> RangeComparison:  # type: ignore[override]
        return RangeComparison(self, "==", other)

    def __ne__(self, other: object) -> RangeComparison:  # type: ignore[override]
        return RangeComparison(self, "!=", other)

    def __lt__(self, other: object) -> RangeComparison:
        return RangeComparison(self, "<", other)

    def __le__(self, other: object) -> RangeComparison:
        return RangeComparison(self, "<=", other)

    def __gt__(self, other: object) -> RangeComparison:
        return RangeComparison(self, ">", other)

    def __ge__(self, other: object) -> RangeComparison:
        return RangeComparison(self, ">=", other)


class BlockRange(Selection):
    """Tags at fixed addresses, in order."""

    def __init__(self, block: Block, addresses: Sequence[int], name: str = "") -> None:
        super().__init__(block)
        self.addresses = addresses
        self._name = name

    @property
    def start(self) -> int:
        """The lowest address."""
        return min(self.addresses)

    @property
    def end(self) -> int:
        """The highest address."""
        return max(self.addresses)

    def tags(self) -> list[Tag]:
        """The tags, in order."""
        return [self.block.tag(address) for address in self.addresses]

    def reverse(self) -> BlockRange:
        """The same tags in the opposite order."""
        return BlockRange(self.block, self.addresses[::-1])

    @property
    def immediate(self) -> Immediate:
        """The range read or written at once; in simulation the range itself."""
        return Immediate(self)

    def map_to(self, hardware: object) -> MappingEntry:
        """Say which hardware range stands behind the tags."""
        return MappingEntry(self, hardware)

    def lower(self, builder: Builder) -> ir.Range:
        return ir.Range(self.type, tuple(builder.slot(tag) for tag in self.tags()), tuple(self.addresses))

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self.tags())

    def __repr__(self) -> str:
        if self._name:
            return self._name
        if not self.addresses:
            return f"{self.block.name}.select(nothing)"
        return f"{self.block.name}.select({self.addresses[0]}, {self.addresses[-1]})"


class IndirectBlockRange(Selection):
    """Tags between two addresses that are resolved in each scan."""

    def __init__(self, block: Block, first: int | Operand, last: int | Operand, backwards: bool = False) -> None:
        super().__init__(block)
        self.first = first
        self.last = last
        self.backwards = backwards

    def reverse(self) -> IndirectBlockRange:
        """The same tags in the opposite order."""
        return IndirectBlockRange(self.block, self.first, self.last, not self.backwards)

    def lower(self, builder: Builder) -> ir.Window:
        table = builder.table(self.block)
        return ir.Window(table, lowered(builder, self.first), lowered(builder, self.last), self.backwards)

    def __repr__(self) -> str:
        return f"{self.block.name}.select({self.first!r}, {self.last!r})"


class Sum(Operand):
    """The sum of a range."""

    __slots__ = ("of",)

    def __init__(self, of: Selection) -> None:
        if of.type is Type.CHAR:
            raise TypeError(f"{of!r} is text, which has no sum")
        self.of = of

    def lower(self, builder: Builder) -> ir.Expression:
        cells = self.of.lower(builder)
        if isinstance(cells, ir.Window):
            return ir.Total(cells.table, cells.first, cells.last)
        members: list[ir.Expression] = [ir.Load(slot) for slot in cells.slots]
        while len(members) > 1:
            paired = zip(members[::2], members[1::2], strict=False)
            sums: list[ir.Expression] = [ir.Apply("add", pair) for pair in paired]
            members = sums + members[len(sums) * 2 :]
        return members[0] if members else ir.Constant(0)

    def __repr__(self) -> str:
        return f"{self.of!r}.sum()"
