# SPDX-License-Identifier: Apache-2.0
"""Many programs in one shared object, and whether both engines agree on them scan by scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pilotlight.plc import ir
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.native.build import build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.engine import NativeEngine

Inputs = tuple[Mapping[int, int | float], int]
"""What a host writes before a scan, by slot, and the ns since the previous scan."""


def build_all(programs: Sequence[ir.Program], cache: Path) -> Path:
    """One shared object with program n behind the symbol `p<n>`, all in one run of the compiler."""
    files: dict[str, str] = {}
    for number, program in enumerate(programs):
        files |= emit(program, f"p{number}", part=1 << 30)
    included = {name.replace(".c", ".inc"): text for name, text in files.items()}
    included["all.c"] = "".join(f'#include "{name}"\n' for name in included if name.endswith(".inc"))
    return build(included, cache=cache)


def difference(program: ir.Program, library: Path, symbol: str, scans: Sequence[Inputs]) -> str:
    """Where the engines first differ, in words; "" when they agree to the bit on every image."""
    one, two = Interpreter(program), NativeEngine(program, library, symbol)
    for scan, (inputs, dt_ns) in enumerate(scans):
        for engine in (one, two):
            engine.begin()
            for slot, number in inputs.items():
                engine.cells[slot] = number
            engine.run(dt_ns)
            engine.finish()
        wanted = two.layout.pack(one.cells)
        held = zip(two.layout.unpack(wanted), one.cells, strict=True)
        if not all(a == b or (a != a and b != b) for a, b in held):
            return f"scan {scan}: the interpreter holds a number that its cell cannot"
        if wanted != two.image:
            cells = zip(program.cells, one.cells, two.cells[:], strict=True)
            parts = [f"{cell.name} {a!r} {b!r}" for cell, a, b in cells if repr(a) != repr(b)]
            return f"scan {scan}, interpreter and native: {'; '.join(parts)}"
    return ""
