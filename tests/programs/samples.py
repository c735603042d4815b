# SPDX-License-Identifier: Apache-2.0
"""The sample programs, by name."""

from __future__ import annotations

from dataclasses import replace

from tests.programs.generate import Sample, Var, files_of

_FOLLOW = """
  __SET_LOCATED(data__->LAMP, __GET_LOCATED(data__->BUTTON));
  __SET_LOCATED(data__->COUNT, __GET_LOCATED(data__->COUNT) + 1);
  __SET_VAR(data__->FLAG, __GET_LOCATED(data__->BUTTON));
  __SET_VAR(data__->TWICE, 2 * __GET_VAR(data__->LEVEL));
  __SET_VAR(data__->ELAPSED, __CURRENT_TIME);
"""

# Both go wrong when input %IX0.0 or TRIP is true, or after AFTER scans if that is not 0.
_TRIPPED = """
  __SET_LOCATED(data__->LAMP, 1);
  __SET_VAR(data__->SCANS, __GET_VAR(data__->SCANS) + 1);
  if (__GET_LOCATED(data__->BUTTON) || __GET_VAR(data__->TRIP)
      || (__GET_VAR(data__->AFTER) && __GET_VAR(data__->SCANS) >= __GET_VAR(data__->AFTER))) {
"""
_TRIP_VARIABLES = (
    Var("BUTTON", "BOOL", address="%IX0.0"),
    Var("LAMP", "BOOL", address="%QX0.0"),
    Var("TRIP", "BOOL"),
    Var("SCANS", "DINT"),
    Var("AFTER", "DINT"),
)

_TYPES = (
    "BOOL", "SINT", "INT", "DINT", "LINT", "USINT", "UINT", "UDINT", "ULINT", "BYTE", "WORD", "DWORD", "LWORD",
    "REAL", "LREAL", "TIME", "DATE", "TOD", "DT", "STRING",
)  # fmt: skip


def _initial(kind: str) -> str:
    if kind == "STRING":
        return '(STRING){5, "hello"}'
    return f"({kind}){{-1, -500000000}}" if kind in ("TIME", "DATE", "TOD", "DT") else "1"


def wide(count: int, period_ns: int = 1_000_000) -> Sample:
    """A program with `count` DINT variables, of which the first counts scans."""
    variables = tuple(Var(f"V{number}", "DINT") for number in range(count))
    return Sample(f"wide{count}", variables, "  data__->V0.value++;", period_ns)


_FOLLOW_VARIABLES = (
    Var("BUTTON", "BOOL", address="%IX0.0"),
    Var("LAMP", "BOOL", address="%QX0.0"),
    Var("COUNT", "UINT", address="%MW0"),
    Var("FLAG", "BOOL"),
    Var("LEVEL", "INT", "42"),
    Var("TWICE", "INT"),
    Var("RATIO", "REAL", "1.5f"),
    Var("ELAPSED", "TIME", "(TIME){0, 0}"),
    Var("NOTE", "STRING", '(STRING){5, "ready"}', retain=True),
)


def _older() -> Sample:
    """As older Editors make it: without bits in memory."""
    sample = Sample("older", _FOLLOW_VARIABLES, _FOLLOW)
    glue = files_of(sample)["glueVars.c"]
    glue = glue.replace("setBufferPointers_v4", "setBufferPointers").replace(", IEC_BOOL *bool_memory[1024][8]", "")
    return replace(sample, extra={"glueVars.c": glue.replace("    bool_memory_ptr = bool_memory;\n", "")})


SAMPLES = {
    sample.name: sample
    for sample in (
        # The lamp follows the button.
        Sample("follow", _FOLLOW_VARIABLES, _FOLLOW),
        # The same, and takes so long to load that it can be seen from outside what happens meanwhile.
        Sample(
            "slow",
            _FOLLOW_VARIABLES,
            _FOLLOW,
            prologue="#include <unistd.h>\n__attribute__((constructor)) static void tarry(void) {\n"
            "  sleep(3);\n}",
        ),
        _older(),
        # With another identity and a faster task, for swapping programs.
        Sample(
            "invert",
            (
                Var("BUTTON", "BOOL", address="%IX0.0"),
                Var("LAMP", "BOOL", address="%QX0.0"),
                Var("SCANS", "DINT"),
            ),
            "  __SET_LOCATED(data__->LAMP, !__GET_LOCATED(data__->BUTTON));\n  data__->SCANS.value++;",
            10_000_000,
        ),
        # Writes through a null pointer.
        Sample("null", _TRIP_VARIABLES, _TRIPPED + "    volatile INT *volatile nowhere = 0;\n    *nowhere = 1;\n  }"),
        # Never comes back.
        Sample("loop", _TRIP_VARIABLES, _TRIPPED + "    for (volatile int forever = 1; forever;) ;\n  }"),
        # Does not compile.
        Sample("broken", _TRIP_VARIABLES, "  this is not C;"),
        # Crashes while it is loaded.
        Sample(
            "constructor",
            _TRIP_VARIABLES,
            prologue="__attribute__((constructor)) static void crash(void) {\n"
            "  volatile INT *volatile nowhere = 0;\n  *nowhere = 1;\n}",
        ),
        # Crashes while it is initialised.
        Sample(
            "initialiser",
            (Var("VALUE", "INT", "({ volatile INT *volatile nowhere = 0; *nowhere; })"),),
        ),
        # Never ends to load.
        Sample(
            "hang",
            _TRIP_VARIABLES,
            prologue="__attribute__((constructor)) static void hang(void) {\n"
            "  for (volatile int forever = 1; forever;) ;\n}",
        ),
        # Needs a function that nothing provides.
        Sample("unlinked", _TRIP_VARIABLES, "  extern void missing_function(void);\n  missing_function();"),
        # Tries to read a file of the device while it is compiled.
        Sample("include", _TRIP_VARIABLES, prologue='#include "/etc/passwd"'),
        Sample(
            "incbin",
            _TRIP_VARIABLES,
            prologue='__asm__(".section .rodata\\n.incbin \\"/etc/passwd\\"\\n.text");',
        ),
        # Takes more memory to compile than there is.
        Sample(
            "huge",
            _TRIP_VARIABLES,
            prologue="static char huge[3000000000ULL] = {1};\nchar *keep(void) { return huge; }",
        ),
        # One variable of every type.
        Sample("types", tuple(Var(f"A_{kind}", kind, _initial(kind)) for kind in _TYPES)),
        # More variables than can be forced.
        wide(1100),
        # A function block written in C++.
        Sample(
            "blocks",
            (Var("VALUE", "DINT"),),
            "  data__->VALUE.value = doubled(data__->VALUE.value + 1);",
            prologue='#include "c_blocks.h"',
            extra={
                "c_blocks.h": '#ifdef __cplusplus\nextern "C"\n#endif\nint doubled(int value);\n',
                "c_blocks_code.cpp": 'extern "C" int doubled(int value) { return 2 * value; }\n',
            },
        ),
    )
}
