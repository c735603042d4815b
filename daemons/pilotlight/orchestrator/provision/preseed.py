# SPDX-License-Identifier: Apache-2.0
"""The provisioning file as text: TOML with the line of every key. No I/O."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.\"'\- ]+?)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\"']+)\s*=")
_PLACE = re.compile(r"\(at line (\d+), column \d+\)|\(at end of document\)")
TOP = ""


class PreseedError(Exception):
    """The text is no TOML; ``line`` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Preseed:
    """The file: tables by name (keys outside of any under the empty name), and the line of each table and key."""

    tables: dict[str, dict[str, Any]]
    lines: dict[tuple[str, str], int]

    def line(self, table: str, key: str = "") -> int:
        """Where the key is, else its table, else the first line."""
        return self.lines.get((table, key)) or self.lines.get((table, "")) or 1


def parse(data: bytes) -> Preseed:
    """The file in ``data``. Raises PreseedError when it is not UTF-8 or not TOML."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PreseedError(data.count(b"\n", 0, error.start) + 1, "not UTF-8 text") from None
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error)
        place = _PLACE.search(reason)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise PreseedError(line, f"not TOML: {_PLACE.sub('', reason).strip()}") from None
    tables: dict[str, dict[str, Any]] = {TOP: {}}
    for key, value in values.items():
        if isinstance(value, dict):
            tables[key] = value
        else:
            tables[TOP][key] = value
    return Preseed(tables, _lines(text))


def _lines(text: str) -> dict[tuple[str, str], int]:
    """The first line of every table and key. A line inside a text of several lines may look like a key: the first wins,
    and only keys that TOML found are ever asked for."""
    found: dict[tuple[str, str], int] = {}
    table = TOP
    for number, line in enumerate(text.split("\n"), 1):
        if match := _TABLE.match(line):
            table = _bare(match[1])
            found.setdefault((table, ""), number)
        elif match := _KEY.match(line):
            name = _bare(match[1])
            found.setdefault((table, name), number)
            if table == TOP and "." in name:
                first, _, rest = name.partition(".")
                found.setdefault((first, rest), number)
                found.setdefault((first, ""), number)
    return found


def _bare(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
