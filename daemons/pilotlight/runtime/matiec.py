# SPDX-License-Identifier: Apache-2.0
"""What a dialect A program is, read from its generated sources. Pure: text in, description out.

The table of variables is the array `debug_vars` of debug.c: its order is the debugger's index. VARIABLES.csv adds
which of them are inputs, outputs or retentive; LOCATED_VARIABLES.h which places of the process image are used;
Config0.c how often the program runs. Only debug.c must be understood; the C compiler is the judge of the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pilotlight.tags import Flags, Type

VARIABLES_MAX = 65535
NAME_MAX = 200
IMAGE_BYTES = 1024
"""Places of each kind in the process image: %QX0.0 … %QX1023.7, %MW0 … %MW1023."""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_IDENTITY = re.compile(r'\bplc_program_md5\s*\[[^\]\n]*\]\s*=\s*"([0-9a-fA-F]{32})"')
_TABLE = re.compile(r"\bdebug_vars\s*\[[^\]\n]*\]\s*=\s*\{")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*")
_KIND = re.compile(r"([A-Za-z][A-Za-z0-9_]*?)(_[PO])?_ENUM")
_TICKTIME = re.compile(r"\bcommon_ticktime__\s*=\s*([0-9]+)[UuLl]*(?:\s*\*\s*([0-9]+)[UuLl]*)?\s*;")
_LOCATED = re.compile(r"__LOCATED_VAR\(\s*\w+\s*,\s*\w+\s*,\s*([IQM])\s*,\s*([XBWDL])\s*((?:,\s*[0-9]+\s*)+)\)")

_TYPES = {kind.name: kind for kind in Type}


class MatiecError(Exception):
    """The sources are not those of a program this runtime can run. The message says which file and why."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the debugger's table.

    `name` is the tag's name; `type` is None for a type that is not elementary (an enumeration), which is then read as
    the integer of its size; `pointer` says that it is located or external.
    """

    name: str
    type: Type | None
    pointer: bool
    flags: Flags


@dataclass(frozen=True, slots=True)
class Program:
    """Identity (32 lower-case hexadecimal digits), period in ns (None when Config0.c does not say), variables."""

    identity: str
    period_ns: int | None
    variables: tuple[Variable, ...]


def parse(debug_c: str, config_c: str = "", variables_csv: str = "", located_h: str = "") -> Program:
    """Read a program's sources. Raises MatiecError."""
    source = _COMMENT.sub(" ", debug_c)
    identity = _IDENTITY.search(source)
    if identity is None:
        raise MatiecError("debug.c holds no program identity (plc_program_md5): generate the program again")
    period_ns = parse_period(config_c)
    if period_ns == 0:
        raise MatiecError("the program has no cyclic task: give it one with an interval")
    check_located(located_h)
    entries = list(_entries(source))
    roles = _roles(variables_csv)
    variables = tuple(
        Variable(name, kind, pointer, _flags(roles.get(path, ())))
        for name, (path, kind, pointer) in zip(_names([path for path, _, _ in entries]), entries, strict=True)
    )
    return Program(identity[1].lower(), period_ns, variables)


def parse_period(config_c: str) -> int | None:
    """Period in ns from Config0.c, or None."""
    found = _TICKTIME.search(_COMMENT.sub(" ", config_c))
    return None if found is None else int(found[1]) * int(found[2] or 1)


def check_located(located_h: str) -> None:
    """Refuse addresses outside the process image."""
    for area, size, numbers in _LOCATED.findall(_COMMENT.sub(" ", located_h)):
        place = [int(number) for number in numbers.split(",")[1:]]
        if place[0] >= IMAGE_BYTES or (size == "X" and len(place) > 1 and place[1] > 7):
            address = f"%{area}{size}{'.'.join(map(str, place))}"
            raise MatiecError(f"{address} is outside the process image (0 to {IMAGE_BYTES - 1}, bits 0 to 7)")


def _entries(source: str) -> Iterable[tuple[str, Type | None, bool]]:
    """C path, type and pointer flag of each row of `debug_vars`."""
    start = _TABLE.search(source)
    if start is None:
        raise MatiecError("debug.c holds no table of variables (debug_vars): generate the program again")
    end = source.find("};", start.end())
    if end < 0:
        raise MatiecError("the table of variables in debug.c does not end: the file is cut off")
    rows = [row.strip(" \t\r\n,{") for row in source[start.end() : end].split("}")]
    rows = [row for row in rows if row]
    if len(rows) > VARIABLES_MAX:
        raise MatiecError(f"the program has {len(rows)} variables; the debugger can address {VARIABLES_MAX}")
    for number, row in enumerate(rows):
        left, _, right = row.partition(",")
        path, kind = left.strip("&() \t\r\n"), _KIND.fullmatch(right.strip())
        if kind is None or len(path) > NAME_MAX or _PATH.fullmatch(path) is None:
            raise MatiecError(f"entry {number} of debug_vars in debug.c is not understood: {row[:60]!r}")
        yield path, _TYPES.get(kind[1]), kind[2] is not None


def _names(paths: list[str]) -> list[str]:
    """Tag names: without the prefix of configuration or resource where that leaves them unique."""
    whole = [path.replace(".value.table[", "[").replace(".value.", ".") for path in paths]
    short = [name.split("__", 1)[-1] for name in whole]
    shorts, wholes = Counter(short), Counter(whole)
    names = [
        s if shorts[s] == 1 else w if wholes[w] == 1 else path for s, w, path in zip(short, whole, paths, strict=True)
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise MatiecError(f"two variables of debug.c are called {twice[0]!r}")
    return names


def _roles(variables_csv: str) -> dict[str, tuple[str, ...]]:
    """Role (IN OUT MEM EXT VAR) and retain column of every variable of VARIABLES.csv, by its C path."""
    roles: dict[str, tuple[str, ...]] = {}
    blocks: set[str] = set()
    for line in variables_csv.splitlines():
        columns = [column.strip() for column in line.split(";")]
        if len(columns) < 6:
            continue
        parts = columns[3].split(".", 2)
        if len(parts) == 3 and f"{parts[0]}__{parts[1]}" in blocks:
            path = f"{parts[0]}__{parts[1]}.{parts[2]}"
        else:
            path = "__".join(parts[1:] if len(parts) == 3 else parts)
        if columns[1] == "FB" and len(parts) == 2:
            blocks.add(path)
        roles[path] = (columns[1], columns[6] if len(columns) > 6 else "")
    return roles


def _flags(role: tuple[str, ...]) -> Flags:
    kind, retain = role or ("VAR", "")
    flags = Flags.INPUT if kind == "IN" else Flags.WRITABLE
    if kind == "OUT":
        flags |= Flags.OUTPUT
    if retain == "1":
        flags |= Flags.RETENTIVE
    return flags


def table_source(program: Program) -> str:
    """The C source that tells matiec_shim.c of the variables."""
    count = len(program.variables)
    rows = [f'    {{"{v.name}", {v.type or 0:d}, {v.flags:d}, {v.pointer:d}}},' for v in program.variables] or [
        "    {0},"
    ]
    return "\n".join(
        [
            '#include "matiec_shim.h"',
            f"const uint32_t matiec_count = {count};",
            "const matiec_entry matiec_entries[] = {",
            *rows,
            "};",
            f"matiec_slot matiec_slots[{max(count, 1)}];",
            f"pl_variable matiec_variables[{max(count, 1)}];",
            "",
        ]
    )
