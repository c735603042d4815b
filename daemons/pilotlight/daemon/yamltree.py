# SPDX-License-Identifier: Apache-2.0
"""YAML as a tree of nodes that know their line; stricter than YAML where YAML surprises.

Refused: duplicate keys, anchors and aliases, tags, several documents, nesting beyond DEPTH_LIMIT. A plain
scalar is null, true/false, an integer, a float, else text; ``yes``, ``on`` and dates are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

DEPTH_LIMIT = 32


class YamlError(Exception):
    """The text cannot be read; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class Scalar:
    """A leaf: None, bool, int, float or str."""

    line: int
    value: Any

    def plain(self) -> Any:
        """The value."""
        return self.value


@dataclass
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)

    def plain(self) -> list[Any]:
        """Plain values."""
        return [item.plain() for item in self.items]


@dataclass
class Mapping:
    """Keys with the line of the key and the node of the value."""

    line: int
    entries: dict[Any, tuple[int, Node]] = field(default_factory=dict)

    def plain(self) -> dict[Any, Any]:
        """Plain values."""
        return {key: node.plain() for key, (_, node) in self.entries.items()}

    def line_of(self, steps: Iterable[str | int]) -> int:
        """Line of the key or element that the steps lead to, or of the last on the way that exists."""
        line = self.line
        node: Node = self
        for step in steps:
            if isinstance(node, Mapping) and step in node.entries:
                line, node = node.entries[step]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                break
        return line


Node = Scalar | Sequence | Mapping


def parse(data: bytes) -> Node | None:
    """The tree of a text; None when there is nothing in it. Raises YamlError."""
    builder = _Builder()
    try:
        for event in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        raise YamlError(line, f"not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise YamlError(1, f"not YAML: {' '.join(str(error).split())}") from None
    root = builder.root
    return None if isinstance(root, Scalar) and root.value is None else root


class _Builder:
    """Puts parser events together without recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Sequence | Mapping] = []
        self._keys: list[tuple[int, Any] | None] = []

    def add(self, event: yaml.Event) -> None:
        line = (event.start_mark.line if event.start_mark else 0) + 1
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise YamlError(line, "a second document; one file holds one")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlError(line, "anchors and aliases are not supported; write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise YamlError(line, f"tag {tag} is not supported; remove it")
        if isinstance(event, yaml.ScalarEvent):
            self._place(Scalar(line, _value(event.value) if event.implicit[0] else event.value))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(Sequence(line))
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(Mapping(line))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._open.pop()
            self._keys.pop()

    def _enter(self, node: Sequence | Mapping) -> None:
        if len(self._open) >= DEPTH_LIMIT:
            raise YamlError(node.line, f"nested more than {DEPTH_LIMIT} deep")
        self._place(node)
        self._open.append(node)
        self._keys.append(None)

    def _place(self, node: Node) -> None:
        parent = self._open[-1] if self._open else None
        if parent is None:
            self.root = node
        elif isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = (node.line, self._key(parent, node))
        else:
            line, key = self._keys[-1]
            parent.entries[key] = (line, node)
            self._keys[-1] = None

    def _key(self, parent: Mapping, node: Node) -> Any:
        if not isinstance(node, Scalar) or node.value is None:
            raise YamlError(node.line, "a key has to be a word or a number")
        if node.value in parent.entries:
            first = parent.entries[node.value][0]
            raise YamlError(node.line, f"key `{node.value}` appears twice, first in line {first}; keep one of them")
        return node.value


_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+")
_FLOAT = re.compile(r"[-+]?(([0-9][0-9_]*\.[0-9_]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False, "True": True, "False": False}


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 64:
        if _INTEGER.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
