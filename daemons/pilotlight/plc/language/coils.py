# SPDX-License-Identifier: Apache-2.0
"""Coils."""

from __future__ import annotations

from pilotlight.plc import ir
from pilotlight.plc.language.builder import current
from pilotlight.plc.language.places import cells, type_of
from pilotlight.tags import Type


def _coil(kind: type[ir.Out] | type[ir.Latch] | type[ir.Reset], target: object, oneshot: bool) -> None:
    name = f"{kind.__name__.lower()}()"
    builder = current(name)
    builder.open_rung(name)
    if kind is not ir.Reset and type_of(target) is not Type.BOOL:
        raise TypeError(f"{name}: {target!r} is {type_of(target).name}; a coil is a BOOL")
    targets, once = cells(builder, target, write=True), builder.once(oneshot)
    builder.add(name, lambda power, line: kind(enable=power, line=line, targets=targets, once=once))


def out(target: object, oneshot: bool = False) -> None:
    """Each target becomes True with power and False without; with `oneshot`, True only when power has just come."""
    _coil(ir.Out, target, oneshot)


def latch(target: object, oneshot: bool = False) -> None:
    """With power, each target becomes True and stays so."""
    _coil(ir.Latch, target, oneshot)


def reset(target: object, oneshot: bool = False) -> None:
    """With power, each target becomes its default."""
    _coil(ir.Reset, target, oneshot)
