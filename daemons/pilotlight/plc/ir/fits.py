# SPDX-License-Identifier: Apache-2.0
"""Which types and numbers the instructions of the IR can work with; `check` asks for each of them."""

from __future__ import annotations

from pilotlight.plc.ir.expressions import Load
from pilotlight.plc.ir.instructions import Drum, Instruction, Pack, Parse, Search, Timer, Unpack
from pilotlight.plc.ir.program import IRError, Program
from pilotlight.plc.ir.storage import Cells, Place, Range
from pilotlight.tags import Type
from pilotlight.tags.values import bounds

_BITS = {Type.INT: 16, Type.WORD: 16, Type.DINT: 32, Type.REAL: 32}
_MEMBERS = {1: (Type.BOOL,), 16: (Type.INT, Type.WORD)}


def check_fit(program: Program, step: Instruction) -> None:
    """Raises IRError when an instruction has cells of types, or numbers, that it cannot work with."""
    match step:
        case Timer(unit_ns=unit) if unit < 1:
            raise IRError(f"a timer's unit is at least 1 ns, not {unit}")
        case Drum(events=(), unit_ns=unit) if unit < 1:
            raise IRError(f"a drum's unit is at least 1 ns, not {unit}")
        case Pack(source=members, target=whole, width=width) | Unpack(targets=members, source=whole, width=width):
            _check_parts(program, type(step).__name__, members, whole, width)
        case Parse(target=target) if _type_of_place(program, target) not in _BITS:
            raise IRError(f"text is not read into {_type_of_place(program, target).name}")
        case Search(source=source, result=result):
            _check_addresses(program, source, result)


def _check_parts(program: Program, name: str, members: Cells, whole: Place, width: int) -> None:
    kind, member = _type_of_place(program, whole), _type_of_cells(program, members)
    if width not in _MEMBERS:
        raise IRError(f"{name}: parts have 1 or 16 bits, not {width}")
    if kind not in _BITS or member not in _MEMBERS[width]:
        raise IRError(f"{name}: {kind.name} has no parts of type {member.name}")


def _check_addresses(program: Program, source: Cells, result: int) -> None:
    if isinstance(source, Range):
        addresses = source.addresses or (0,)
        low, high = min(addresses), max(addresses)
    else:
        table = program.tables[source.table]
        low, high = table.first, table.first + len(table.slots) - 1
    least, most = bounds(program.cells[result].type)
    if not least <= low <= high <= most:
        raise IRError(f"search: the addresses {low} to {high} do not fit {program.cells[result].name}")


def _type_of_place(program: Program, place: Place) -> Type:
    return program.cells[place.slot].type if isinstance(place, Load) else program.tables[place.table].type


def _type_of_cells(program: Program, cells: Cells) -> Type:
    return cells.type if isinstance(cells, Range) else program.tables[cells.table].type
