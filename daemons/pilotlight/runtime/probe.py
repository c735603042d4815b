# SPDX-License-Identifier: Apache-2.0
"""The process that `check` starts: loads one program in the scan's sandbox and prints what it is.

Standard output gets the name of each stage as it begins, and at the end one line of JSON. What the program itself
prints goes nowhere.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pilotlight.runtime import filters, native, sandbox
from pilotlight.runtime.confine import LOADER_FILES, SYSTEM

MEMORY = 512 << 20
BURST_US = 10_000_000


def describe(path: Path, report: int) -> dict[str, object]:
    """Load, initialise and capture once; the description as JSON takes it. Raises native.ProgramError."""
    os.write(report, b"load\n")
    program = native.NativeProgram.load(path)
    os.write(report, b"initialise\n")
    offsets, end = [], 0
    for variable in program.variables:
        offsets.append(end)
        end += variable.size + -variable.size % 8
    program.prepare(memoryview(bytearray(max(end, 1))), offsets)
    program.capture()
    return {
        "identity": program.identity,
        "period_ns": program.tasks[0].period_ns,
        "cells": program.cells,
        "variables": [{"name": v.name, "type": v.type, "size": v.size, "flags": v.flags} for v in program.variables],
    }


def main(arguments: list[str]) -> int:
    """Probe the shared object named by the one argument."""
    path = Path(arguments[0])
    report = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sandbox.limit(MEMORY, BURST_US)
    sandbox.give_up_privileges()
    sandbox.restrict_files([Path(name) for name in (*SYSTEM, *LOADER_FILES)] + [path])
    sandbox.install(filters.loading(report, os.getpid(), ()))
    try:
        result: dict[str, object] = {"description": describe(path, report)}
    except native.ProgramError as error:
        result = {"error": str(error)}
    data = memoryview(json.dumps(result).encode())
    while data:
        data = data[os.write(report, data) :]
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
