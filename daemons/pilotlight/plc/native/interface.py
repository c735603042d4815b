# SPDX-License-Identifier: Apache-2.0
"""Programs of the IR behind the C interface of native programs, which the scan process runs.

    files = program_files(program, period_ns=10_000_000, located={"Button": "%IX0.0", "Lamp": "%QX0.0"})

is the C of the program and its description. It is compiled with `plc_host.c`, `plc_shim.c` and the folder of
`pilotlight_program.h`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from pilotlight.plc import ir
from pilotlight.plc.native.emit import HEAD, emit
from pilotlight.plc.native.host import POINTS
from pilotlight.plc.native.layout import Layout
from pilotlight.plc.native.scope import EmitError
from pilotlight.tags import Flags, Type

SUPPORT_SOURCES = ("plc_host.c", "plc_shim.c")
POINT_BYTES = 1024
_POINT = re.compile(r"%([IQ])X(\d{1,4})\.([0-7])")
_SYMBOL = "program"
COMMANDS = (
    *("sys.cmd_mode_stop", "sys.cmd_watchdog_reset", "storage.sd.eject_cmd", "storage.sd.delete_all_cmd"),
    "storage.sd.write_status",
    *("rtc.apply_date", "rtc.apply_date_error", "rtc.new_year4", "rtc.new_month", "rtc.new_day"),
    *("rtc.apply_time", "rtc.apply_time_error", "rtc.new_hour", "rtc.new_minute", "rtc.new_second"),
)
"""Points of the commands that the shim obeys, in the order of its enumeration."""
_SMALLEST_KEY = 1 << 16
"""Below it are the keys of what the shim itself remembers."""


def identity(program: ir.Program) -> str:
    """32 hexadecimal digits that differ when programs do."""
    return hashlib.sha256(ir.to_json(program)).hexdigest()[:32]


def variables(program: ir.Program) -> list[int]:
    """The slots of the cells that are variables, in the order of the description: that of the image."""
    layout = Layout(program.cells)
    return sorted((slot for slot, cell in enumerate(program.cells) if not cell.internal), key=layout.offset)


def key(cell: ir.Cell) -> int:
    """What a cell is called in the memory that an online change hands over: 64 bits of its name and type."""
    digest = hashlib.sha256(f"{cell.type.name} {cell.name}".encode()).digest()
    return max(int.from_bytes(digest[:8], "little"), _SMALLEST_KEY)


def program_files(program: ir.Program, *, period_ns: int, located: Mapping[str, str] | None = None) -> dict[str, str]:
    """The sources, by file name. `located` has points for names of BOOL tags, `period_ns` is above 0.

    Raises EmitError when the program calls Python or a point or a tag does not exist.
    """
    return {**emit(program, _SYMBOL), f"{_SYMBOL}_interface.c": _interface(program, period_ns, located or {})}


def _flags(cell: ir.Cell, point: str) -> Flags:
    flags = Flags(0)
    if point:
        flags |= Flags.INPUT if point.startswith("%I") else Flags.OUTPUT
    if cell.retentive:
        flags |= Flags.RETENTIVE
    return flags if cell.readonly else flags | Flags.WRITABLE


def _quoted(name: str) -> str:
    """A name as C, in UTF-8."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in name.encode()) + '"'


def _interface(program: ir.Program, period_ns: int, located: Mapping[str, str]) -> str:
    layout, slots = Layout(program.cells), variables(program)
    cells = [program.cells[slot] for slot in slots]
    described: list[str] = []
    for cell in cells:
        flags = int(_flags(cell, located.get(cell.name, "")))
        described.append(f"    {{{_quoted(cell.name)}, {cell.type.size}, {int(cell.type)}, {flags}, 0}},")
    points = _points(layout)
    bound = _located(layout, located)
    kept = _kept(layout)
    places = {cell.name: layout.offset(slot) for slot, cell in enumerate(layout.cells)}
    commands = ", ".join(str(places.get(name, "PLC_NOWHERE")) for name in COMMANDS)
    return "\n".join(
        [
            HEAD + f'#include "{_SYMBOL}.h"\n#include "plc_shim.h"\n',
            f"extern const plc_entry {_SYMBOL}_entry;",
            f"static {_SYMBOL}_image image;",
            f"static uint32_t places[{len(slots)}];",
            f"static const uint32_t offsets[] = {{{', '.join(str(layout.offset(slot)) for slot in slots)}}};",
            "static const pl_variable variables[] = {",
            *described,
            "};",
            f"static const plc_located located[] = {{{', '.join(bound) or '{0}'}}};",
            f"static const plc_point points[] = {{{', '.join(points) or '{{0}}'}}};",
            f"static const plc_kept kept[] = {{{', '.join(kept) or '{0}'}}};",
            f"static const uint32_t commands[PLC_COMMANDS] = {{{commands}}};",
            f'static const pl_task task = {{.name = "main", .period_ns = UINT64_C({period_ns})}};',
            "static const pl_description description = {",
            f"    .abi = PL_ABI, .variable_count = {len(slots)}, .variables = variables,",
            f"    .task_count = 1, .tasks = &task, .cell_count = PLC_CLOCK_CELLS + {len(kept)},",
            f'    .identity = "{identity(program)}",',
            "};",
            "const plc_interface plc_shim_interface = {",
            f"    &{_SYMBOL}_entry, &image, &description, offsets, places, located, points, kept,",
            f"    commands, {len(bound)}, {len(points)}, {len(kept)},",
            "};",
            "",
        ]
    )


def _kept(layout: Layout) -> list[str]:
    """What the program remembers and nobody else writes, by rising key."""
    rows = {key(cell): (layout.offset(slot), cell) for slot, cell in enumerate(layout.cells) if not cell.readonly}
    if len(rows) != sum(not cell.readonly for cell in layout.cells):
        raise EmitError("two names of the program have the same key: rename the tag that was added last")
    return [f"{{UINT64_C({each}), {{{rows[each][0]}, {rows[each][1].type.size}}}}}" for each in sorted(rows)]


def _points(layout: Layout) -> list[str]:
    """The system points that the program names and that follow from the clock, or never change."""
    constants = dict.fromkeys(("sys.always_on", "sys.mode_switch_run", "sys.mode_run", "storage.sd.ready"), 1)
    rules = {**POINTS, **{name: (0, value) for name, value in constants.items()}}
    return [
        f"{{{{{layout.offset(slot)}, {cell.type.size}}}, {rules[cell.name][0]}, {rules[cell.name][1]}}}"
        for slot, cell in enumerate(layout.cells)
        if cell.name in rules
    ]


def _located(layout: Layout, located: Mapping[str, str]) -> list[str]:
    slots = {cell.name: slot for slot, cell in enumerate(layout.cells) if cell.type is Type.BOOL}
    rows: list[str] = []
    for name, point in located.items():
        match = _POINT.fullmatch(point)
        if match is None or int(match[2]) >= POINT_BYTES:
            raise EmitError(f"{name}: {point!r} is no point; give %IX0.0 to %IX{POINT_BYTES - 1}.7 or %QX…")
        if name not in slots:
            raise EmitError(f"{name} is no BOOL tag of the program, and {point} cannot be it")
        rows.append(f"{{{match[2]}, {match[3]}, {int(match[1] == 'Q')}, {layout.offset(slots[name])}}}")
    return rows
