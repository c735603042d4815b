# SPDX-License-Identifier: Apache-2.0
"""Scans a second of a ladder of 10, 100 and 1000 rungs, inputs changing in every scan, against pyrung.

`PILOTLIGHT_PYRUNG` is a Python that has it (`pip install pyrung` into an environment of its own); by default the one
that runs the bench. Blocks of both alternate; figures are of CPU time and medians over the blocks.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pilotlight.plc as language
from pilotlight.plc import ir
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.native.build import build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.engine import SYMBOL, NativeEngine
from pilotlight.plc.native.host import Host

from tests.bench.common import Row, main
from tests.bench.plc_ladder import INPUTS, ladder, pattern

DT_NS = 10_000_000
SIZES = {10: (20, 100), 100: (100, 500), 1000: (400, 1500)}
"""Rungs, and how many times the peer's speed the runner with history and the batch should have."""
INTERPRETER = 5
BUILD_S = 5
ROWS = 997
"""Scans after which the inputs repeat."""


def rate(scan: Callable[[int], int], seconds: float) -> float:
    """Scans a second of CPU; `scan` gets the number of the first and says how many it made."""
    scans, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        scans += scan(scans)
    return scans / (time.process_time() - start)


def peer(rungs: int, seconds: float) -> float:
    """Scans a second of the peer."""
    python = os.environ.get("PILOTLIGHT_PYRUNG", sys.executable)
    script = Path(__file__).with_name("plc_peer.py")
    result = subprocess.run([python, script, str(rungs), str(seconds)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{python} does not run pyrung; name one that does in PILOTLIGHT_PYRUNG\n{result.stderr}")
    return float(result.stdout)


def interpreted(program: ir.Program) -> Callable[[int], int]:
    """A scan of the interpreter."""
    engine = Interpreter(program)
    slots = {cell.name: slot for slot, cell in enumerate(program.cells)}

    def scan(number: int) -> int:
        engine.begin()
        for name, value in pattern(number).items():
            engine.cells[slots[name]] = int(value)
        engine.run(DT_NS)
        engine.finish()
        return 1

    return scan


def fed(logic: language.Program) -> Callable[[int], int]:
    """Some hundred scans of the runner, with its history, that is given the inputs of each."""
    runner = language.PLC(logic, dt=DT_NS / 1e9, engine="auto")
    inputs = {f"In{n}": [pattern(scan)[f"In{n}"] for scan in range(ROWS)] for n in range(INPUTS)}

    def scans(_number: int) -> int:
        runner.run(ROWS, inputs=inputs)
        return ROWS

    return scans


def stepped(logic: language.Program) -> Callable[[int], int]:
    """Some scans of the runner, with its history, each by a patch and a step. (To ask for the time costs 0.6 us.)"""
    runner = language.PLC(logic, dt=DT_NS / 1e9, engine="auto")

    def scans(number: int) -> int:
        for each in range(number, number + 20):
            runner.patch(pattern(each))
            runner.step()
        return 20

    return scans


def batched(engine: NativeEngine) -> Callable[[int], int]:
    """Some thousand scans of the native engine."""
    slots = {cell.name: slot for slot, cell in enumerate(engine.program.cells)}
    inputs = {slots[f"In{n}"]: [int(pattern(scan)[f"In{n}"]) for scan in range(ROWS)] for n in range(INPUTS)}
    host = Host(engine, inputs=inputs)
    return lambda _number: host.run(10_000, DT_NS)


def run(quick: bool) -> list[Row]:
    """Measure; `quick` takes 3 blocks of 0.5 s instead of 5 of 2 s."""
    blocks, seconds = (3, 0.5) if quick else (5, 2.0)
    rows: list[Row] = []
    for rungs, (history, batch) in SIZES.items():
        logic = ladder(language, rungs)
        with tempfile.TemporaryDirectory() as cache:
            start = time.perf_counter()
            engine = NativeEngine(logic.ir, build(emit(logic.ir, SYMBOL), cache=Path(cache)), SYMBOL)
            built = time.perf_counter() - start
        ours = {
            f"{rungs} rungs, interpreter without trace": (interpreted(logic.ir), INTERPRETER),
            f"{rungs} rungs, runner with history": (fed(logic), history),
            f"{rungs} rungs, runner with history, scan by scan": (stepped(logic), history),
            f"{rungs} rungs, native, batch": (batched(engine), batch),
        }
        rates: dict[str, list[float]] = {name: [] for name in ours}
        peers: list[float] = []
        for _ in range(blocks):
            peers.append(peer(rungs, seconds))
            for name, (scan, _bar) in ours.items():
                rates[name].append(rate(scan, seconds))
        theirs = statistics.median(peers)
        for name, (_scan, bar) in ours.items():
            ratio = statistics.median(mine / other for mine, other in zip(rates[name], peers, strict=True))
            rows.append(Row(name, statistics.median(rates[name]), "scans/s"))
            rows.append(Row(f"{name}: times the peer", ratio, "×", bar, f"pyrung, {theirs:.0f} scans/s", least=True))
        rows.append(Row(f"{rungs} rungs, native build", built, "s", BUILD_S if rungs == max(SIZES) else None))
    return rows


if __name__ == "__main__":
    main("PLC", run)
