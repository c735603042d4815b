# SPDX-License-Identifier: Apache-2.0
"""From what a person names and gives to a program variable and its bytes."""

from __future__ import annotations

import difflib

from pilotlight.daemon import InvalidArgument, NotFound
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.scantags import LINE_PREFIX, program_tag
from pilotlight.tags import TagValueError, Value, decode, encode

SEGMENT_PREFIX = "plc."
_OWN = ("Scan.", LINE_PREFIX)


def find(program: LoadedProgram | None, name: str) -> int:
    """The number of the variable with tag `name`, which may have its segment before it (`plc.X`).

    NotFound with the nearest name; InvalidArgument for the runtime's own tags.
    """
    name = name.removeprefix(SEGMENT_PREFIX)
    names = [variable.name for variable in program.variables] if program is not None else []
    if name in names:
        return names.index(name)
    if name.startswith(_OWN):
        raise InvalidArgument(
            f"{name} is written by the runtime itself; nothing was changed: force the variable behind the line instead"
        )
    if program is None:
        raise NotFound(f"there is no tag {name}: no program is loaded; upload one")
    near = difflib.get_close_matches(name, names, 1)
    hint = f", did you mean {near[0]}?" if near else ""
    raise NotFound(f"program {program.name} has no tag {name}; nothing was changed{hint}")


def to_bytes(program: LoadedProgram, variable: int, value: object) -> bytes:
    """`value` in the encoding of the variable's tag. InvalidArgument when it does not fit."""
    tag = program_tag(program.variables[variable])
    if not isinstance(value, (bool, int, float, str)):
        raise InvalidArgument(f"{tag.name} is {tag.type.name}: give one value; nothing was changed")
    try:
        return encode(tag.type, value, tag.length)
    except TagValueError as error:
        raise InvalidArgument(f"{tag.name}: {error}; nothing was changed") from None


def from_bytes(program: LoadedProgram, variable: int, value: bytes) -> Value:
    """The value that the bytes of a variable's tag mean."""
    return decode(program_tag(program.variables[variable]).type, value)
