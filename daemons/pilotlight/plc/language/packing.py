# SPDX-License-Identifier: Apache-2.0
"""Instructions that join cells to one value, and part it again."""

from __future__ import annotations

from pilotlight.plc import ir
from pilotlight.plc.language.builder import current
from pilotlight.plc.language.operands import Operand
from pilotlight.plc.language.places import bare, cells, count_of, place, type_of
from pilotlight.tags import Type

_BITS = {Type.INT: 16, Type.WORD: 16, Type.DINT: 32, Type.REAL: 32}


def _pack(name: str, source: object, target: object, width: int, oneshot: bool) -> None:
    builder = current(name)
    builder.open_rung(name)
    wanted = (Type.BOOL,) if width == 1 else (Type.INT, Type.WORD)
    kind = type_of(target)
    if type_of(source) not in wanted or kind not in _BITS or (width == 16 and _BITS[kind] != 32):
        raise TypeError(f"{name}: {type_of(source).name} does not pack into {kind.name}")
    read, to, once = cells(builder, source), place(builder, target), builder.once(oneshot)
    _refuse_too_many(name, read, width, kind)
    builder.add(
        name, lambda power, line: ir.Pack(enable=power, line=line, source=read, target=to, width=width, once=once)
    )


def _unpack(name: str, source: object, target: object, width: int, oneshot: bool) -> None:
    builder = current(name)
    builder.open_rung(name)
    wanted = (Type.BOOL,) if width == 1 else (Type.INT, Type.WORD)
    kind = type_of(source)
    if type_of(target) not in wanted or kind not in _BITS or (width == 16 and _BITS[kind] != 32):
        raise TypeError(f"{name}: {kind.name} does not unpack into {type_of(target).name}")
    of = bare(source)
    if not isinstance(of, Operand):
        raise TypeError(f"{source!r} is no tag")
    value, targets, once = of.lower(builder), cells(builder, target, write=True), builder.once(oneshot)
    if not isinstance(value, (ir.Load, ir.At)):
        raise TypeError(f"{name}: {source!r} is an expression; unpack a tag")
    read: ir.Place = value
    _refuse_too_many(name, targets, width, kind)
    builder.add(
        name,
        lambda power, line: ir.Unpack(enable=power, line=line, source=read, targets=targets, width=width, once=once),
    )


def _refuse_too_many(name: str, members: ir.Cells, width: int, kind: Type) -> None:
    count = count_of(members)
    if count is not None and count * width > _BITS[kind]:
        raise ValueError(f"{name}: {count} times {width} bits are more than the {_BITS[kind]} of {kind.name}")


def pack_bits(source: object, target: object, oneshot: bool = False) -> None:
    """With power, join BOOLs to an INT, WORD, DINT or REAL, the first as bit 0."""
    _pack("pack_bits()", source, target, 1, oneshot)


def pack_words(source: object, target: object, oneshot: bool = False) -> None:
    """With power, join two words to a DINT or REAL, the first as the low word."""
    _pack("pack_words()", source, target, 16, oneshot)


def unpack_to_bits(source: object, target: object, oneshot: bool = False) -> None:
    """With power, part a value into BOOLs, bit 0 into the first."""
    _unpack("unpack_to_bits()", source, target, 1, oneshot)


def unpack_to_words(source: object, target: object, oneshot: bool = False) -> None:
    """With power, part a DINT or REAL into two words, the low one into the first."""
    _unpack("unpack_to_words()", source, target, 16, oneshot)


def pack_text(source: object, target: object, allow_whitespace: bool = False, oneshot: bool = False) -> None:
    """With power, read the number that CHARs show; anything else sets fault.out_of_range and stores nothing."""
    builder = current("pack_text()")
    builder.open_rung("pack_text()")
    if type_of(source) is not Type.CHAR or type_of(target) not in _BITS:
        raise TypeError(f"pack_text(): {type_of(source).name} to {type_of(target).name}; CHARs give a number")
    read, to, once = cells(builder, source), place(builder, target), builder.once(oneshot)
    builder.add(
        "pack_text()",
        lambda power, line: ir.Parse(
            enable=power, line=line, source=read, target=to, allow_whitespace=allow_whitespace, once=once
        ),
    )
