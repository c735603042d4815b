# SPDX-License-Identifier: Apache-2.0
"""Writes the files of a dialect A program around a hand-written body: what the Editor would put in its
ZIP."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

LIBRARY = Path(__file__).parent / "lib"

_AREAS = {"I": "input", "Q": "output", "M": "memory"}
_SIZES = {
    "X": ("bool", "BOOL"),
    "B": ("byte", "BYTE"),
    "W": ("int", "UINT"),
    "D": ("dint", "UDINT"),
    "L": ("lint", "ULINT"),
}
_ROLES = {"I": ("IN", "_P"), "Q": ("OUT", "_O"), "M": ("MEM", "_O")}


@dataclass(frozen=True)
class Var:
    """A variable: name, type, C initial value, and for a located one its address (`%QX0.0`)."""

    name: str
    type: str
    initial: str = "0"
    address: str = ""
    retain: bool = False

    @property
    def location(self) -> str:
        """Name of the generated pointer of a located variable: `__QX0_0`."""
        return "__" + self.address[1:].replace(".", "_")


@dataclass(frozen=True)
class Sample:
    """A program with one instance of one function block, run every `period_ns`."""

    name: str
    variables: tuple[Var, ...]
    body: str = ""
    period_ns: int = 20_000_000
    prologue: str = ""
    """C source before the block's functions."""
    extra: dict[str, str] = field(default_factory=dict)
    """More files, or other contents for the generated ones."""

    @property
    def identity(self) -> str:
        return hashlib.md5(self.structured_text().encode(), usedforsecurity=False).hexdigest()

    def structured_text(self) -> str:
        declared = "\n".join(
            f"    {v.name} {f'AT {v.address} ' if v.address else ''}: {v.type};" for v in self.variables
        )
        return (
            f"PROGRAM {self.name}\n  VAR\n{declared}\n  END_VAR\n  (* {self.body.strip()} *)\nEND_PROGRAM\n"
            f"CONFIGURATION Config0\n  RESOURCE Res0 ON PLC\n"
            f"    TASK task0(INTERVAL := T#{self.period_ns // 1000}us, PRIORITY := 0);\n"
            f"    PROGRAM instance0 WITH task0 : {self.name};\n  END_RESOURCE\nEND_CONFIGURATION\n"
        )


def files_of(sample: Sample) -> dict[str, str]:
    """Path in the ZIP → text."""
    files = {
        "plc.xml": f'<?xml version="1.0"?>\n<project><name>{sample.name}</name></project>\n',
        "program.st": sample.structured_text() + f'(*DBG:char md5[] = "{sample.identity}";*)\n',
        "POUS.h": _pous_h(sample),
        "POUS.c": _pous_c(sample),
        "Config0.h": "\n",
        "Config0.c": _config_c(sample),
        "Res0.c": _res_c(sample),
        "LOCATED_VARIABLES.h": _located_h(sample),
        "VARIABLES.csv": _variables_csv(sample),
        "debug.c": _debug_c(sample),
        "glueVars.c": _glue_c(sample),
        "c_blocks.h": "/* no C blocks */\n",
        "c_blocks_code.cpp": "#include <stdint.h>\n",
    }
    files |= {f"lib/{path.name}": path.read_text() for path in sorted(LIBRARY.glob("*.h"))}
    return files | sample.extra


def _block(sample: Sample) -> str:
    return f"{sample.name.upper()}_PROGRAM"


def _pous_h(sample: Sample) -> str:
    fields = "\n".join(f"  __DECLARE_{'LOCATED' if v.address else 'VAR'}({v.type},{v.name})" for v in sample.variables)
    block = _block(sample)
    return (
        '#ifndef POUS_H\n#define POUS_H\n#include "iec_std_lib.h"\n#include "accessor.h"\n\n'
        f"typedef struct {{\n{fields}\n  uint8_t unused;\n}} {block};\n\n"
        f"void {block}_init__({block} *data__, BOOL retain);\nvoid {block}_body__({block} *data__);\n#endif\n"
    )


def _pous_c(sample: Sample) -> str:
    block = _block(sample)
    initial = []
    for v in sample.variables:
        if v.address:
            initial.append(f"  __INIT_LOCATED({v.type},{v.location},data__->{v.name})")
        else:
            initial.append(f"  __INIT_VAR(data__->{v.name},{v.initial})")
    return (
        f"{sample.prologue}\nvoid {block}_init__({block} *data__, BOOL retain) {{\n" + "\n".join(initial) + "\n}\n\n"
        f"void {block}_body__({block} *data__) {{\n{sample.body}\n}}\n"
    )


def _config_c(sample: Sample) -> str:
    return (
        '#include "iec_std_lib.h"\n#include "accessor.h"\n#include "POUS.h"\n\n'
        "void RES0_init__(void);\nvoid RES0_run__(unsigned long tick);\n\n"
        "void config_init__(void) {\n  RES0_init__();\n}\n\n"
        "void config_run__(unsigned long tick) {\n  RES0_run__(tick);\n}\n\n"
        f"unsigned long long common_ticktime__ = {sample.period_ns}ULL * 1ULL; /* ns */\n"
        "unsigned long greatest_tick_count__ = 0UL;\n"
    )


def _res_c(sample: Sample) -> str:
    block = _block(sample)
    return (
        '#include "iec_std_lib.h"\n#include "accessor.h"\n#include "POUS.h"\n'
        '#include "Config0.h"\n#include "POUS.c"\n\n'
        f"BOOL TASK0;\n{block} RES0__INSTANCE0;\n\n"
        f"void RES0_init__(void) {{\n  TASK0 = 0;\n  {block}_init__(&RES0__INSTANCE0, 0);\n}}\n\n"
        "void RES0_run__(unsigned long tick) {\n  TASK0 = !(tick % 1);\n"
        f"  if (TASK0) {block}_body__(&RES0__INSTANCE0);\n}}\n"
    )


def _located(sample: Sample) -> list[Var]:
    return [v for v in sample.variables if v.address]


def _located_h(sample: Sample) -> str:
    return "".join(
        f"__LOCATED_VAR({v.type},{v.location},{v.address[1]},{v.address[2]},{v.address[3:].replace('.', ',')})\n"
        for v in _located(sample)
    )


def _variables_csv(sample: Sample) -> str:
    where = "CONFIG0.RES0.INSTANCE0"
    rows = [f"0;FB;{where};{where};{_block(sample)};;0;"]
    for number, v in enumerate(sample.variables, 1):
        role = _ROLES[v.address[1]][0] if v.address else "VAR"
        path = f"{where}.{v.name}"
        rows.append(f"{number};{role};{path};{path};{v.type};{v.type};{int(v.retain)};")
    return (
        f"// Programs\n0;{where};{_block(sample)};\n\n// Variables\n"
        + "\n".join(rows)
        + f"\n\n// Ticktime\n{sample.period_ns}\n"
    )


def _debug_c(sample: Sample) -> str:
    rows = "\n".join(
        f"    {{&(RES0__INSTANCE0.{v.name}), {v.type}{_ROLES[v.address[1]][1] if v.address else ''}_ENUM}},"
        for v in sample.variables
    )
    return (
        '#include <stdbool.h>\n#include <string.h>\n#include "iec_types_all.h"\n#include "POUS.h"\n\n'
        f'char plc_program_md5[] = "{sample.identity}";\nuint8_t endianness;\n'
        f"extern {_block(sample)} RES0__INSTANCE0;\n\n"
        "static const struct {\n    void *ptr;\n    __IEC_types_enum type;\n} debug_vars[] = {\n" + rows + "\n};\n"
        f"\n#define VAR_COUNT {len(sample.variables)}\n" + _DEBUGGER
    )


_DEBUGGER = """
uint16_t get_var_count(void) { return VAR_COUNT; }

size_t get_var_size(size_t idx) {
    if (idx >= VAR_COUNT) return 0;
    switch (debug_vars[idx].type) {
#define SIZE(name, base) case name##_ENUM: case name##_P_ENUM: case name##_O_ENUM: return sizeof(name);
    EACH_TYPE(SIZE)
    default: return 0;
    }
}

void *get_var_addr(size_t idx) {
    void *ptr = debug_vars[idx].ptr;
    switch (debug_vars[idx].type) {
#define ADDRESS(name, base) \\
    case name##_ENUM: return &((__IEC_##name##_t *)ptr)->value; \\
    case name##_P_ENUM: case name##_O_ENUM: { \\
        __IEC_##name##_p *at = ptr; \\
        return at->flags & FORCED ? &at->fvalue : at->value; \\
    }
    EACH_TYPE(ADDRESS)
    default: return 0;
    }
}

void set_trace(size_t idx, bool force, void *val) {
    if (idx >= VAR_COUNT) return;
    void *ptr = debug_vars[idx].ptr;
    size_t size = get_var_size(idx);
    if (endianness && size != sizeof(STRING))
        for (size_t low = 0; low < size / 2; low++) {
            uint8_t kept = ((uint8_t *)val)[low];
            ((uint8_t *)val)[low] = ((uint8_t *)val)[size - 1 - low];
            ((uint8_t *)val)[size - 1 - low] = kept;
        }
    switch (debug_vars[idx].type) {
#define TRACE(name, base) \\
    case name##_ENUM: { \\
        __IEC_##name##_t *at = ptr; \\
        if (force) { memcpy(&at->value, val, size); at->flags |= FORCED; } else at->flags &= ~FORCED; \\
        break; \\
    } \\
    case name##_O_ENUM: { \\
        __IEC_##name##_p *at = ptr; \\
        if (force) { memcpy(at->value, val, size); memcpy(&at->fvalue, val, size); at->flags |= FORCED; } \\
        else at->flags &= ~FORCED; \\
        break; \\
    } \\
    case name##_P_ENUM: { \\
        __IEC_##name##_p *at = ptr; \\
        if (force) { memcpy(&at->fvalue, val, size); at->flags |= FORCED; } else at->flags &= ~FORCED; \\
        break; \\
    }
    EACH_TYPE(TRACE)
    default: break;
    }
}

void set_endianness(uint8_t value) { if (value <= 1) endianness = value; }
"""


def _glue_c(sample: Sample) -> str:
    areas = [f"{kind}_{area}" for kind in ("bool", "byte", "int", "dint", "lint") for area in ("input", "output")]
    areas += ["int_memory", "dint_memory", "lint_memory", "bool_memory"]
    kinds = dict(_SIZES.values())
    parameters, pointers, taken = [], [], []
    for area in areas:
        base = f"IEC_{kinds[area.split('_')[0]]}"
        bits = area.startswith("bool")
        parameters.append(f"{base} *{area}[1024]{'[8]' if bits else ''}")
        pointers.append(f"static {base} *(*{area}_ptr)[8];" if bits else f"static {base} **{area}_ptr;")
        taken.append(f"    {area}_ptr = {area};")
    glue = []
    for v in _located(sample):
        kind = _SIZES[v.address[2]]
        place = "".join(f"[{number}]" for number in v.address[3:].split("."))
        glue.append(f"    {kind[0]}_{_AREAS[v.address[1]]}_ptr{place} = (IEC_{kind[1]} *){v.location};")
    return (
        '#include "iec_std_lib.h"\n\n'
        + "".join(
            f"static {v.type} at{v.location};\n{v.type} *{v.location} = &at{v.location};\n" for v in _located(sample)
        )
        + "\nTIME __CURRENT_TIME;\nBOOL __DEBUG;\nextern unsigned long long common_ticktime__;\n\n"
        + "\n".join(pointers)
        + "\n\nvoid setBufferPointers_v4("
        + ", ".join(parameters)
        + ") {\n"
        + "\n".join(taken)
        + "\n}\n\nvoid glueVars() {\n"
        + "\n".join(glue)
        + "\n}\n\nvoid updateTime() {\n"
        "    long long now = __CURRENT_TIME.tv_sec * 1000000000LL + __CURRENT_TIME.tv_nsec;\n"
        "    now += (long long)common_ticktime__;\n"
        "    __CURRENT_TIME.tv_sec = now / 1000000000LL;\n    __CURRENT_TIME.tv_nsec = now % 1000000000LL;\n}\n"
    )
