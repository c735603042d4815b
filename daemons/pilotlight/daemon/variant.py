# SPDX-License-Identifier: Apache-2.0
"""Between Python values and D-Bus values.

``pack`` takes a signature from the interface file and fills every ``v`` in it by the type of the Python
value: bool b, int x (t above 2⁶³), float d, str s, bytes ay, dict a{sv}, list as/ax/ad/ab/aa{sv} by its
elements (an empty one is as, a mixed one av). Where that is not the wanted type, use ``Typed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gi.repository import GLib

_INT64 = range(-(1 << 63), 1 << 63)


class Typed(NamedTuple):
    """A value for a ``v`` with its signature stated, e.g. ``Typed("t", time.time_ns())``."""

    signature: str
    value: Any


def split_signature(signature: str) -> list[str]:
    """The complete types of a signature: ``"sa{sv}"`` → ``["s", "a{sv}"]``."""
    return list(GLib.Variant.split_signature(f"({signature})"))


def pack(signature: str, value: Any) -> Any:
    """A ``GLib.Variant`` of one complete type. Raises TypeError, ValueError or OverflowError."""
    if signature == "v":
        return GLib.Variant("v", _infer(value))
    if signature == "ay":
        return GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(bytes(value)), True)
    return GLib.Variant(signature, _fill(signature, value))


def pack_all(signatures: Sequence[str], values: Sequence[Any]) -> Any:
    """The tuple variant of a message body."""
    if len(signatures) != len(values):
        raise TypeError(f"{len(signatures)} values of types {' '.join(signatures) or '()'} wanted, got {len(values)}")
    return GLib.Variant.new_tuple(*[pack(s, v) for s, v in zip(signatures, values, strict=True)])


def unpack(variant: Any) -> Any:
    """Plain Python values at every depth; ``ay`` becomes bytes, ``h`` its index in the descriptor list."""
    signature = variant.get_type_string()
    if "v" not in signature and "ay" not in signature:
        return variant.unpack()
    if signature == "ay":
        return variant.get_data_as_bytes().get_data() or b""
    if signature == "v":
        return unpack(variant.get_variant())
    children = [variant.get_child_value(i) for i in range(variant.n_children())]
    if signature.startswith("a{"):
        return {unpack(entry.get_child_value(0)): unpack(entry.get_child_value(1)) for entry in children}
    values = [unpack(child) for child in children]
    return values if signature.startswith("a") else tuple(values)


def _fill(signature: str, value: Any) -> Any:
    """The value as the GLib.Variant constructor wants it: every ``v`` replaced by a variant."""
    if signature == "v":
        return _infer(value)
    if "v" not in signature:
        return value
    if signature.startswith("a{"):
        inner = signature[3:-1]
        return {key: _fill(inner, item) for key, item in value.items()}
    if signature.startswith("a"):
        return [_fill(signature[1:], item) for item in value]
    parts = split_signature(signature[1:-1])
    return tuple(_fill(part, item) for part, item in zip(parts, value, strict=True))


def _infer(value: Any) -> Any:
    if isinstance(value, GLib.Variant):
        return value
    if isinstance(value, Typed):
        return pack(value.signature, value.value)
    return pack(_signature_of(value), value)


def _signature_of(value: Any) -> str:
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int):
        return "x" if value in _INT64 else "t"
    if isinstance(value, float):
        return "d"
    if isinstance(value, str):
        return "s"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "ay"
    if isinstance(value, dict):
        return "a{sv}"
    if isinstance(value, (list, tuple)):
        kinds = {_signature_of(item) for item in value}
        if not kinds:
            return "as"
        kind = kinds.pop()
        return "a" + kind if not kinds and kind in ("b", "x", "d", "s", "a{sv}") else "av"
    raise TypeError(f"no D-Bus type for {type(value).__name__}")
