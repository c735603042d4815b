# SPDX-License-Identifier: Apache-2.0
"""What an interface file says, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from gi.repository import Gio, GLib

EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


class Emits(Enum):
    """What a property's change puts on the bus."""

    VALUE = "true"
    INVALIDATION = "invalidates"
    CONSTANT = "const"
    NOTHING = "false"


@dataclass(frozen=True)
class Method:
    """Signatures of a method's arguments, each one complete type."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Property:
    """Signature of a property and how its change is announced."""

    signature: str
    emits: Emits
    writable: bool


@dataclass(frozen=True)
class Interface:
    """One D-Bus interface. ``info`` is GLib's own description of it, for registration."""

    name: str
    methods: dict[str, Method]
    properties: dict[str, Property]
    signals: dict[str, tuple[str, ...]]
    info: Any


def parse(xml: str, name: str) -> Interface:
    """The interface of that name in an introspection document. Raises ValueError when it is not in there."""
    try:
        info = Gio.DBusNodeInfo.new_for_xml(xml).lookup_interface(name)
    except GLib.Error as error:
        raise ValueError(f"not an introspection document: {error.message}") from None
    if info is None:
        raise ValueError(f"no interface {name} in the document")
    default = _annotation(info, EMITS) or Emits.VALUE.value
    return Interface(
        name=name,
        methods={m.name: Method(_signatures(m.in_args), _signatures(m.out_args)) for m in info.methods},
        properties={
            p.name: Property(
                signature=p.signature,
                emits=Emits(_annotation(p, EMITS) or default),
                writable=bool(p.flags & Gio.DBusPropertyInfoFlags.WRITABLE),
            )
            for p in info.properties
        },
        signals={s.name: _signatures(s.args) for s in info.signals},
        info=info,
    )


def _signatures(arguments: Any) -> tuple[str, ...]:
    return tuple(argument.signature for argument in arguments)


def _annotation(info: Any, key: str) -> str | None:
    return next((a.value for a in info.annotations if a.key == key), None)
