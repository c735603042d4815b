# SPDX-License-Identifier: Apache-2.0
"""The part of TOML that a control configuration is written in.

Sections in one level, one `key = value` a line; basic strings, decimal and 0x whole numbers, numbers with a point or an
exponent, true and false. Unlike full TOML a section may be opened again, and its keys are added to what it has. Dates,
arrays, nested tables and strings of several lines mean nothing here and are refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

LARGEST_FILE: Final = 65536
LONGEST_NUMBER: Final = 500
"""Characters of a number: more than any that can be written down otherwise, and less than Python refuses to read."""
Scalar: TypeAlias = str | int | float | bool

_SECTION: Final = re.compile(r"\[\s*([A-Za-z0-9_-]+)\s*\]\s*(?:#.*)?")
_PAIR: Final = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(.*)")
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_BARE: Final = re.compile(r"([^#\s]+)\s*(?:#.*)?")
_INTEGER: Final = re.compile(r"-?(?:[0-9]+|0[xX][0-9a-fA-F]+)")
_FLOAT: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPES: Final = {"\\": "\\", '"': '"', "n": "\n", "t": "\t"}


class TomlError(ValueError):
    """A line that cannot be read."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Entry:
    """A value and the line it is on."""

    value: Scalar
    line: int


@dataclass
class Section:
    """The keys of a section, and the line that opened it first."""

    line: int
    entries: dict[str, Entry] = field(default_factory=dict)


def parse(text: str) -> dict[str, Section]:
    """The sections of a configuration; raises TomlError at the first line that cannot be read."""
    sections: dict[str, Section] = {}
    section: Section | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = sections.setdefault(_section_name(line, number), Section(number))
            continue
        pair = _PAIR.fullmatch(line)
        if pair is None:
            raise TomlError(number, "neither a [section] nor `key = value`")
        key = pair[1]
        if section is None:
            raise TomlError(number, f"`{key}` stands before the first [section]")
        if key in section.entries:
            raise TomlError(number, f"`{key}` is set already in line {section.entries[key].line}")
        section.entries[key] = Entry(_value(pair[2], number), number)
    return sections


def _section_name(line: str, number: int) -> str:
    found = _SECTION.fullmatch(line)
    if found is None:
        raise TomlError(number, "a section is one name in brackets, such as [runtime]")
    return found[1]


def _value(text: str, number: int) -> Scalar:
    if text.startswith('"'):
        found = _STRING.fullmatch(text)
        if found is None or text.startswith('"""'):
            raise TomlError(number, "a text is one line between double quotes")
        return _unescaped(found[1], number)
    found = _BARE.fullmatch(text)
    if found is None:
        raise TomlError(number, "the value is missing, or there is more than one")
    word = found[1]
    if word in ("true", "false"):
        return word == "true"
    if len(word) > LONGEST_NUMBER:
        raise TomlError(number, f"a number of {len(word)} characters; none has more than {LONGEST_NUMBER}")
    if _INTEGER.fullmatch(word):
        return int(word, 16 if "x" in word.lower() else 10)
    if _FLOAT.fullmatch(word):
        return float(word)
    raise TomlError(number, f"{word} is not a value: a number, true, false or a text between double quotes")


def _unescaped(text: str, number: int) -> str:
    def letter(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise TomlError(number, rf"\{found[1]} means nothing in a text; \\ \" \n \t do")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", letter, text)
