# SPDX-License-Identifier: Apache-2.0
"""Typed settings from ``/etc/pilotlight/<name>.yaml``. A missing or empty file is a working file.

A settings class is a ``Settings`` struct (``class X(Settings, frozen=True)``) with a default for every field
and bounds by ``msgspec.Meta``. Errors name file, line and key: unknown keys (with the nearest known one),
duplicate keys, wrong types, values out of bounds.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .errors import SettingsError

if TYPE_CHECKING:
    from .yamltree import Mapping

SIZE_LIMIT = 256 << 10

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings class, at every level of nesting."""


T = TypeVar("T", bound=msgspec.Struct)
Steps = tuple[str | int, ...]


def settings_path(name: str) -> Path:
    """``/etc/pilotlight/<name>.yaml``, or in ``PILOTLIGHT_ETC``."""
    return Path(os.environ.get("PILOTLIGHT_ETC", "/etc/pilotlight")) / f"{name}.yaml"


def load_settings(kind: type[T], name: str, path: Path | None = None) -> T:
    """The settings of a daemon. Raises SettingsError."""
    path = path or settings_path(name)
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return kind()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; nothing was changed") from None
    if len(data) > SIZE_LIMIT:
        raise SettingsError(f"{path}: larger than {SIZE_LIMIT >> 10} KiB; nothing was changed")
    return parse_settings(kind, data, str(path))


def parse_settings(kind: type[T], data: bytes, path: str) -> T:
    """The settings in a YAML text; ``path`` is for messages only. Raises SettingsError."""
    if not data.strip():
        return kind()
    from .yamltree import Mapping, YamlError, parse

    try:
        root = parse(data)
    except YamlError as error:
        raise SettingsError(f"{path}:{error.line}: {error}; nothing was changed") from None
    if root is None:
        return kind()
    if not isinstance(root, Mapping):
        raise SettingsError(f"{path}:{root.line}: keys with values wanted, such as `{_example(kind)}`")
    plain = root.plain()
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}:{_explain(kind, root, plain, str(error))}; nothing was changed") from None


def _example(kind: type[T]) -> str:
    return f"{kind.__struct_fields__[0]}: …" if kind.__struct_fields__ else "key: value"


def _explain(kind: type[T], root: Mapping, plain: Any, message: str) -> str:
    """``line: key: what is wrong`` for msgspec's message."""
    problem, _, where = message.rpartition(" - at `$")
    if not problem:
        problem, where = message, ""
    text = where.partition("`")[0]
    steps = _resolve(kind, plain, _steps(text), message)
    unknown = _UNKNOWN.match(problem)
    if unknown is not None:
        key = unknown[1]
        known = _keys_at(kind, steps)
        near = difflib.get_close_matches(key, known, 1, 0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
        return f"{root.line_of((*steps, key))}: {_name((*steps, key))}: unknown key; {hint}"
    return f"{root.line_of(steps)}: {_name(steps) or 'settings'}: {problem[:1].lower()}{problem[1:]}"


def _steps(text: str) -> Steps:
    return tuple(int(i) if i and i != "..." else key or "..." for key, i in _STEP.findall(text))


def _resolve(kind: type[T], plain: Any, steps: Steps, message: str) -> Steps:
    """Steps with the real key for every ``...``: msgspec does not say which entry of a mapping it refuses, so
    each
    entry is tried alone."""
    while "..." in steps:
        at = steps.index("...")
        entries = _at(plain, steps[:at])
        key = next((k for k in entries if _message(kind, _with(plain, steps[:at], {k: entries[k]})) == message), None)
        if key is None:
            return steps[:at]
        plain = _with(plain, steps[:at], {key: entries[key]})
        steps = (*steps[:at], key, *steps[at + 1 :])
    return steps


def _message(kind: type[T], plain: Any) -> str:
    try:
        msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _at(plain: Any, steps: Steps) -> Any:
    for step in steps:
        plain = plain[step]
    return plain


def _with(plain: Any, steps: Steps, value: Any) -> Any:
    """A copy of the tree with another value at one place."""
    if not steps:
        return value
    copy = plain.copy()
    copy[steps[0]] = _with(plain[steps[0]], steps[1:], value)
    return copy


def _name(steps: Steps) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).removeprefix(".")


def _keys_at(kind: type[T], steps: Steps) -> list[str]:
    """Keys that the struct at that place knows."""
    import msgspec.inspect as inspect

    candidates: list[Any] = [inspect.type_info(kind)]
    for step in steps:
        candidates = [inner for outer in candidates for inner in _inside(inspect, outer, step)]
    structs = [c for c in _flatten(inspect, candidates) if isinstance(c, inspect.StructType)]
    return [field.encode_name for struct in structs for field in struct.fields]


def _flatten(inspect: Any, kinds: list[Any]) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _flatten(inspect, list(kind.types))
        else:
            yield kind


def _inside(inspect: Any, kind: Any, step: str | int) -> Iterator[Any]:
    for one in _flatten(inspect, [kind]):
        if isinstance(one, inspect.StructType):
            yield from (field.type for field in one.fields if field.encode_name == step)
        elif isinstance(one, inspect.DictType):
            yield one.value_type
        elif hasattr(one, "item_type"):
            yield one.item_type
