# SPDX-License-Identifier: Apache-2.0
"""How punctually a 1 kHz scan of an empty program wakes up, against a loop in C on the same schedule, and its memory.

Blocks of the scan and of the loop alternate, so that both meet the same neighbours; the figures are medians over the
blocks. Run as root, both are SCHED_FIFO with locked memory.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from pathlib import Path

import msgspec
from pilotlight.runtime.launcher import LoadedProgram

from tests.bench.c_loop import CLoop
from tests.bench.common import Row, main
from tests.unit.runtime_scan.support import SETTINGS, compile_program, plant

PERIOD_NS = 1_000_000
PRIORITY = 70
FIGURES = ("Scan.Latency.P50", "Scan.Latency.P99", "Scan.Latency.P999", "Scan.Time.P50", "Scan.Time.P99")


async def scan_block(program: LoadedProgram, seconds: float) -> tuple[list[float], float]:
    """The figures in µs of one block, and the resident memory in MB."""
    settings = msgspec.structs.replace(SETTINGS, priority=PRIORITY, limit_ms=1000)
    async with plant(program, settings=settings) as it:
        await asyncio.sleep(seconds)
        assert it.supervisor.process is not None, it.notes.records
        status = Path(f"/proc/{it.supervisor.process.pid}/status").read_text()
        (resident,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
        return [float(str(it.value(name))) for name in FIGURES], resident / 1024


def run(quick: bool) -> list[Row]:
    """Measure; `quick` takes 3 blocks of 2 s instead of 7 of 5 s."""
    blocks, seconds = (3, 2.0) if quick else (7, 5.0)
    scans: list[list[float]] = []
    peers: list[list[float]] = []
    memory = 0.0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        os.environ["PILOTLIGHT_RUN"] = folder
        peer = CLoop(Path(folder))
        program = compile_program(Path(folder), "empty", PERIOD_NS=PERIOD_NS)
        for _ in range(blocks):
            figures, memory = asyncio.run(scan_block(program, seconds))
            scans.append(figures)
            peers.append(peer.block(PERIOD_NS, seconds, PRIORITY))
    scan = [statistics.median(block[place] for block in scans) for place in range(len(FIGURES))]
    loop = [statistics.median(block[place] for block in peers) for place in range(3)]
    ratio = statistics.median(ours[1] / theirs[1] for ours, theirs in zip(scans, peers, strict=True))
    return [
        Row("scan wake-up p50", scan[0], "µs", peer=f"C loop {loop[0]:.1f} µs"),
        Row("scan wake-up p99", scan[1], "µs", peer=f"C loop {loop[1]:.1f} µs"),
        Row("scan wake-up p99.9", scan[2], "µs", peer=f"C loop {loop[2]:.1f} µs"),
        Row("scan wake-up p99, ratio", ratio, "×", 1.5, f"C loop, {blocks} blocks of {seconds:g} s each"),
        Row("scan time p50", scan[3], "µs"),
        Row("scan time p99", scan[4], "µs"),
        Row("scan resident memory", memory, "MB", 25),
    ]


if __name__ == "__main__":
    main("scan at 1 kHz", run)
