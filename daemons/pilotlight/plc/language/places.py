# SPDX-License-Identifier: Apache-2.0
"""What instructions write to and read from, in the IR: one place, or several cells."""

from __future__ import annotations

import re

from pilotlight.plc import ir
from pilotlight.plc.language.block import Block, Indirect
from pilotlight.plc.language.builder import Builder
from pilotlight.plc.language.operands import Immediate, Operand, lowered
from pilotlight.plc.language.ranges import Selection
from pilotlight.plc.language.tag import Tag
from pilotlight.tags import Type

_NUMBERED = re.compile(r"(.*?)([0-9]+)$")


def bare(what: object) -> object:
    """A target without `immediate`."""
    return what.of if isinstance(what, Immediate) else what


def type_of(what: object) -> Type:
    """Type of a tag, an indirect address or a range; TypeError for anything else."""
    of = bare(what)
    kind = of.type if isinstance(of, (Operand, Selection)) else None
    if kind is None:
        raise TypeError(f"{what!r} is no tag, address or range")
    return kind


def place(builder: Builder, what: object) -> ir.Place:
    """One place to store to; TypeError for what is none, ValueError for a read-only point."""
    of = bare(what)
    if isinstance(of, Tag):
        return ir.Load(written(builder, of))
    if isinstance(of, Indirect):
        return of.lower(builder)
    raise TypeError(f"{what!r} is no place for a value: use a tag or block[tag]")


def written(builder: Builder, tag: object, types: tuple[Type, ...] = ()) -> int:
    """The slot of a tag that an instruction writes, of one of the types if any are given."""
    of = bare(tag)
    if not isinstance(of, Tag):
        raise TypeError(f"{tag!r} is no tag")
    if types and of.type not in types:
        raise TypeError(f"{of!r} is {of.type.name}; {' or '.join(kind.name for kind in types)} is needed")
    if of.readonly:
        raise ValueError(f"{of!r} is read-only")
    return builder.slot(of)


def cells(builder: Builder, what: object, *, write: bool = False) -> ir.Cells:
    """The cells of a tag, an address or a range."""
    of = bare(what)
    if isinstance(of, Selection):
        return of.lower(builder)
    if isinstance(of, Block):
        return ir.Range(of.type, tuple(builder.slot(tag) for tag in of), tuple(tag.address for tag in of))
    if isinstance(of, Tag):
        return ir.Range(of.type, (written(builder, of) if write else builder.slot(of),), (of.address,))
    if isinstance(of, Indirect):
        at = of.lower(builder)
        return ir.Window(at.table, at.index, at.index)
    raise TypeError(f"{what!r} is no tag, address or range")


def count_of(of: ir.Cells) -> int | None:
    """How many cells, when that is known before the program runs."""
    if isinstance(of, ir.Range):
        return len(of.slots)
    return 1 if of.first == of.last else None


def following(builder: Builder, what: object, count: int, *, exact: bool) -> ir.Cells:
    """At most `count` consecutive cells, from a tag or an address on; with `exact`, so many.

    A tag of a block is followed by its neighbours in the block, another by tags of the same type whose names count
    on; a tag without a number has no follower.
    """
    of = bare(what)
    if isinstance(of, Indirect):
        at = of.lower(builder)
        if exact:
            last: ir.Expression = ir.Apply("add", (at.index, ir.Constant(count - 1))) if count > 1 else at.index
        else:
            last = ir.Constant(of.block.end)
        return ir.Window(at.table, at.index, last)
    if not isinstance(of, Tag):
        return cells(builder, of, write=True)
    tags = [of]
    while len(tags) < count and (after := _next(of, len(tags))) is not None:
        tags.append(after)
    if exact and len(tags) < count:
        raise ValueError(f"{count} characters do not fit behind {of!r}: {len(tags)} tags follow one another there")
    slots = tuple(written(builder, tag) for tag in tags)
    return ir.Range(of.type, slots, tuple(tag.address for tag in tags))


def _next(tag: Tag, steps: int) -> Tag | None:
    if isinstance(tag.block, Block):
        return tag.block.tag(tag.address + steps) if tag.block.has(tag.address + steps) else None
    match = _NUMBERED.match(tag.name)
    if match is None:
        return None
    number = str(int(match[2]) + steps).zfill(len(match[2]))
    return Tag(match[1] + number, tag.type, retentive=tag.retentive)


def value(builder: Builder, what: object) -> ir.Expression:
    """What an instruction reads as one number."""
    return lowered(builder, what)
