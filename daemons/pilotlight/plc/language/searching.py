# SPDX-License-Identifier: Apache-2.0
"""Searching a range."""

from __future__ import annotations

from pilotlight.plc import ir
from pilotlight.plc.language.builder import Builder, current
from pilotlight.plc.language.operands import is_text, lowered
from pilotlight.plc.language.places import bare, cells, written
from pilotlight.plc.language.ranges import RangeComparison, Selection
from pilotlight.plc.language.tag import Tag
from pilotlight.tags import Type


def search(*what: object, result: Tag, found: Tag, continuous: bool = False, oneshot: bool = False) -> None:
    """With power, find the first tag of a range that compares.

    Either `search(range >= 100, …)` or `search(">=", 100, range, …)`. `result` becomes the address of the tag, or −1;
    `found` whether there is one. With `continuous` the next one each time: 0 in `result` begins anew, −1 ends.
    """
    builder = current("search()")
    builder.open_rung("search()")
    comparison = _comparison(what)
    value, text = _wanted(builder, comparison)
    read, once = cells(builder, comparison.range), builder.once(oneshot)
    to, hit = written(builder, result, (Type.INT, Type.DINT)), written(builder, found, (Type.BOOL,))
    operator = comparison.operator
    builder.add(
        "search()",
        lambda power, line: ir.Search(
            enable=power, line=line, source=read, operator=operator, value=value, text=text, result=to, found=hit,
            continuous=continuous, once=once,
        ),
    )  # fmt: skip


def _comparison(what: tuple[object, ...]) -> RangeComparison:
    if len(what) == 1 and isinstance(what[0], RangeComparison):
        comparison = what[0]
    elif len(what) == 3 and isinstance(among := bare(what[2]), Selection):
        comparison = RangeComparison(among, str(what[0]), what[1])
    else:
        raise TypeError("search() takes a comparison of a range, such as block.select(1, 9) >= 100")
    if comparison.operator not in ir.COMPARISONS:
        raise ValueError(f"there is no comparison {comparison.operator!r}")
    return comparison


def _wanted(builder: Builder, comparison: RangeComparison) -> tuple[ir.Expression, tuple[int, ...]]:
    """What is searched for: a number, or the codes of a text."""
    wanted, kind = comparison.value, comparison.range.type
    if kind is not Type.CHAR:
        if is_text(wanted):
            raise TypeError(f"{wanted!r} is text; the range holds {kind.name}")
        return lowered(builder, wanted), ()
    if comparison.operator not in ("==", "!="):
        raise ValueError(f"text is searched with == and !=, not {comparison.operator}")
    if not isinstance(wanted, str):
        if not is_text(wanted):
            raise TypeError(f"{wanted!r} is no text to search for")
        return lowered(builder, wanted), ()
    if not wanted or any(ord(each) > 255 for each in wanted):
        raise ValueError(f"{wanted!r} cannot be searched: give characters up to U+00FF")
    return ir.Constant(0), tuple(ord(each) for each in wanted)
