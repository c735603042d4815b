# SPDX-License-Identifier: Apache-2.0
"""Tags: named, typed values of a program."""

from __future__ import annotations

import dis
import math
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from pilotlight.plc import ir
from pilotlight.plc.language.operands import Immediate, Operand
from pilotlight.plc.language.properties import NAMES, PLAIN, Properties, Said
from pilotlight.plc.values import from_cell, to_cell
from pilotlight.tags import TagValueError, Type, Value

if TYPE_CHECKING:
    from pilotlight.plc.language.builder import Builder

TagType = Type
DEFAULTS: dict[Type, Value] = {
    Type.BOOL: False, Type.INT: 0, Type.DINT: 0, Type.REAL: 0.0, Type.WORD: 0, Type.CHAR: "",
}  # fmt: skip
"""The types a tag can have, with their default values."""


_FIXED = frozenset("name _type default retentive comment properties".split())


class TagAccess(Protocol):
    """What answers for `Tag.value`: the runner whose scope is active."""

    def read_tag(self, tag: Tag) -> Value:
        """The value as the next scan would see it."""

    def write_tag(self, tag: Tag, value: Value) -> None:
        """Patch the value into the next scan."""


ACTIVE: ContextVar[TagAccess | None] = ContextVar("pilotlight_plc_active_runner", default=None)
"""The runner whose scope is active in this context."""


class Tag(Operand):
    """A named value of one type; immutable. Equality and the other operators build conditions and expressions.

    `retentive` says whether the value outlives a change from STOP to RUN: unless given, a BOOL does not and every
    other type does. Further properties are those of `Properties`. Raises ValueError for a default that the type does
    not have.
    """

    __slots__ = ("_type", "address", "block", "comment", "default", "name", "properties", "readonly", "retentive")

    def __init__(
        self,
        name: str,
        type: Type = Type.BOOL,
        *,
        default: Value | None = None,
        retentive: bool | None = None,
        comment: str = "",
        **said: Unpack[Said],
    ) -> None:
        if not isinstance(name, str) or not name or not name.isprintable() or " " in name:
            raise ValueError(f"{name!r} is no name of a tag: use printable characters without spaces")
        if type not in DEFAULTS:
            raise ValueError(f"{name}: a tag cannot be {type.name}")
        self.name = name
        self._type = type
        self.default: Value = DEFAULTS[type] if default is None else proper(name, type, default)
        self.retentive = type is not Type.BOOL if retentive is None else retentive
        self.comment = comment
        self.properties = Properties(**said) if said else PLAIN
        self.readonly = self.properties.readonly
        self.block: object = None
        self.address = 0

    @property
    def type(self) -> Type:
        return self._type

    def lower(self, builder: Builder) -> ir.Expression:
        return ir.Load(builder.slot(self))

    def __setattr__(self, what: str, value: object) -> None:
        if what in _FIXED and hasattr(self, what):
            raise AttributeError(f"{self.name}: the {what} of a tag does not change")
        super().__setattr__(what, value)

    if not TYPE_CHECKING:

        def __getattr__(self, what: str) -> Any:
            """A property as an attribute: `tag.min` is `tag.properties.min`."""
            if what in NAMES:
                return getattr(self.properties, what)
            raise AttributeError(f"{type(self).__name__} has no attribute {what!r}")

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name

    @property
    def value(self) -> Value:
        """The value as the next scan of the active runner would see it; setting it patches that scan.

        Raises RuntimeError outside the scope of a runner.
        """
        return _active(self).read_tag(self)

    @value.setter
    def value(self, value: Value) -> None:
        _active(self).write_tag(self, value)

    def map_to(self, hardware: object) -> MappingEntry:
        """Say which hardware address stands behind the tag."""
        return MappingEntry(self, hardware)


LiveTag = Tag


@dataclass(frozen=True)
class MappingEntry:
    """A tag or block and the hardware address or range that stands behind it."""

    source: object
    target: object


def _active(tag: Tag) -> TagAccess:
    runner = ACTIVE.get()
    if runner is None:
        raise RuntimeError(f"{tag.name}.value needs an active runner: use it inside `with runner.active():`")
    return runner


def proper(name: str, kind: Type, value: Value) -> Value:
    """A default as its tag gives it back; raises ValueError when the type does not have it."""
    try:
        number = to_cell(kind, value)
    except TagValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError(f"{name}: a default is a finite number")
    return from_cell(kind, number)


_FOLLOWED = ("STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR")


def assigned_name(frame: FrameType | None) -> str:
    """The name that the running call of a frame is assigned to; raises TypeError when it is not."""
    if frame is not None:
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset > frame.f_lasti and instruction.opname != "CACHE":
                if instruction.opname in _FOLLOWED:
                    return str(instruction.argval)
                break
    raise TypeError("the tag has no name: give one, or assign the tag to a variable at once")


def _constructor(kind: Type) -> Callable[..., None]:
    def __init__(  # noqa: N807
        self: Tag, name: str | None = None, *, default: Value | None = None, retentive: bool | None = None,
        comment: str = "", **said: Unpack[Said],
    ) -> None:  # fmt: skip
        named = assigned_name(sys._getframe(1)) if name is None else name
        Tag.__init__(self, named, kind, default=default, retentive=retentive, comment=comment, **said)

    return __init__


class Bool(Tag):
    """A BOOL: False or True; not retentive unless said so."""

    __slots__ = ()
    __init__ = _constructor(Type.BOOL)


class Int(Tag):
    """An INT: −32 768 to 32 767."""

    __slots__ = ()
    __init__ = _constructor(Type.INT)


class Dint(Tag):
    """A DINT: −2 147 483 648 to 2 147 483 647."""

    __slots__ = ()
    __init__ = _constructor(Type.DINT)


class Real(Tag):
    """A REAL: a binary32."""

    __slots__ = ()
    __init__ = _constructor(Type.REAL)


class Word(Tag):
    """A WORD: 16 bits, 0 to 65 535."""

    __slots__ = ()
    __init__ = _constructor(Type.WORD)


class Char(Tag):
    """A CHAR: one character up to U+00FF, or none."""

    __slots__ = ()
    __init__ = _constructor(Type.CHAR)


class InputTag(Tag):
    """A tag of an input block."""

    __slots__ = ()

    @property
    def immediate(self) -> Immediate:
        """The input read at once; in simulation the tag itself."""
        return Immediate(self)


class OutputTag(InputTag):
    """A tag of an output block."""

    __slots__ = ()
