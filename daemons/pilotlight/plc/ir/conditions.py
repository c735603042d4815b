# SPDX-License-Identifier: Apache-2.0
"""Conditions of the IR: what decides whether power flows."""

from __future__ import annotations

import msgspec

from pilotlight.plc.ir.expressions import Expression


class Truth(msgspec.Struct, frozen=True, tag_field="is", tag="truth"):
    """A contact: the value is not zero."""

    value: Expression


class Compare(msgspec.Struct, frozen=True, tag_field="is", tag="compare"):
    """Two numbers compared by one of `COMPARISONS`; an integer beside a float is turned into a float."""

    operator: str
    left: Expression
    right: Expression


class Rise(msgspec.Struct, frozen=True, tag_field="is", tag="rise"):
    """The cell is true and its truth at the end of the previous scan, in `previous`, was false."""

    slot: int
    previous: int


class Fall(msgspec.Struct, frozen=True, tag_field="is", tag="fall"):
    """The cell is false and its truth at the end of the previous scan, in `previous`, was true."""

    slot: int
    previous: int


class Not(msgspec.Struct, frozen=True, tag_field="is", tag="not"):
    """The opposite; of a contact, a normally closed one."""

    of: Condition


class All(msgspec.Struct, frozen=True, tag_field="is", tag="all"):
    """True when each is, asked in order up to the first false one; true when there is none."""

    of: tuple[Condition, ...]


class Any(msgspec.Struct, frozen=True, tag_field="is", tag="any"):
    """True when one is, asked in order up to the first true one; false when there is none."""

    of: tuple[Condition, ...]


Condition = Truth | Compare | Rise | Fall | Not | All | Any

ALWAYS = All(())
