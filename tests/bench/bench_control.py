# SPDX-License-Identifier: Apache-2.0
"""How punctual the control process is at 250 Hz, all groups running, and what a tick costs compiled.

Its devices are simulated. The machine is under load, one busy process a processor; blocks of the process and of a loop
in C that wakes at the same times alternate, so that both meet the same neighbours. Figures are medians over the
blocks. Run as root, both are SCHED_FIFO with locked memory.

A wake-up is late by what passes until the process runs, and is what the bar is for. The control step of a slot begins
later by design: after the sensors and the estimator, whose results it uses.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pilotlight
from pilotlight.runtime.commands import Report
from pilotlight.runtime.control.child import ControlProcess
from pilotlight.runtime.control.settings import REQUIRED
from pilotlight.tags import SegmentReader
from pilotlight.tags.mailbox import Places

from tests.bench.c_loop import CLoop
from tests.bench.common import Row, main

PROJECT = Path(__file__).parents[2]
PRIORITY = 70
WAKE_NS = 2_000_000
"""The fastest group, at 500 Hz, sets when the process wakes up; every second time control is due."""
CONFIG = "".join(f"[{name}]\n" for name in REQUIRED) + f"[threads]\ncontrol_priority = {PRIORITY}\n"
FIGURES = tuple(f"Status.{group}_jitter_{part}_ns" for group in ("control", "imu") for part in ("p50", "p99"))
TURN_S = 0.5
"""The process counts the percentiles of all its groups anew within this time."""
BUSY = "while True: sum(range(1000)); open('/proc/self/stat').read()"


@contextlib.contextmanager
def load() -> Iterator[None]:
    """One process a processor that computes and calls the kernel."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def control_block(folder: Path, seconds: float) -> list[float]:
    """The figures in µs of one block, and how many control steps began late by half a period."""
    process = ControlProcess.spawn(CONFIG, places=Places(folder, folder))
    try:
        _wait(process, 20.0, until_ready=True)
        process.activate()
        _wait(process, seconds + TURN_S)
        reader = SegmentReader.open("control")
        try:
            values = [reading.value for reading in reader.read(*FIGURES, "Status.control_deadline_miss_count")]
        finally:
            reader.close()
        return [*(float(str(value)) / 1000 for value in values[:-1]), float(str(values[-1]))]
    finally:
        process.close()


def _wait(process: ControlProcess, seconds: float, until_ready: bool = False) -> None:
    """Do the parent's duties for a while, or until the process is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process.touch()
        while (message := process.next_report()) is not None:
            if message.kind is Report.READY and until_ready:
                return
            if message.kind in (Report.FAILED, Report.ENDED):
                raise SystemExit(f"the control process ended: {message.text}")
        time.sleep(0.02)
    if until_ready:
        raise SystemExit(f"the control process was not ready within {seconds:g} s")


def tick_ns(package: Path, ticks: int) -> tuple[str, float]:
    """The form of a package, and what a tick costs in it."""
    command = [sys.executable, str(Path(__file__).with_name("control_ticks.py")), str(ticks)]
    done = subprocess.run(command, env={"PYTHONPATH": str(package)}, capture_output=True, text=True, check=True)
    form, cost = done.stdout.split()
    return form, float(cost)


def run(quick: bool) -> list[Row]:
    """Measure; `quick` takes 3 blocks of 4 s instead of 7 of 10 s."""
    blocks, seconds, ticks = (3, 4.0, 5_000) if quick else (7, 10.0, 50_000)
    ours: list[list[float]] = []
    peers: list[list[float]] = []
    costs: list[tuple[float, float]] = []
    package, form = Path(pilotlight.__file__).parents[1], ""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        os.environ["PILOTLIGHT_RUN"] = name
        folder = Path(name)
        peer = CLoop(folder)
        with load():
            for _ in range(blocks):
                ours.append(control_block(folder, seconds))
                peers.append(peer.block(WAKE_NS, seconds, PRIORITY))
        for _ in range(blocks):
            form, cost = tick_ns(package, ticks)
            costs.append((cost, tick_ns(PROJECT / "daemons", ticks)[1]))
    begun = [statistics.median(block[place] for block in ours) for place in range(len(FIGURES) + 1)]
    loop = [statistics.median(block[place] for block in peers) for place in range(2)]
    ratio, after = (
        statistics.median(one[place] / other[1] for one, other in zip(ours, peers, strict=True)) for place in (3, 1)
    )
    tick, interpreted = (statistics.median(pair[place] for pair in costs) / 1000 for place in range(2))
    share = statistics.median(one / other for one, other in costs)
    return [
        Row("control wake-up p50", begun[2], "µs", peer=f"C loop {loop[0]:.1f} µs"),
        Row("control wake-up p99", begun[3], "µs", peer=f"C loop {loop[1]:.1f} µs"),
        Row("control wake-up p99, ratio", ratio, "×", 1.5, f"C loop, {blocks} blocks of {seconds:g} s, under load"),
        Row("control step begins p50", begun[0], "µs", peer="after the sensors and the estimator of its slot"),
        Row("control step begins p99", begun[1], "µs", peer=f"{after:.2f} × the C loop's wake-up"),
        Row("control step late by half a period", begun[4], "ticks", peer=f"of {250 * seconds:g}"),
        Row("control tick", tick, "µs", peer=f"{form}; interpreted {interpreted:.2f} µs"),
        Row("control tick, ratio", share, "×", 0.5, f"{form} to interpreted"),
    ]


if __name__ == "__main__":
    main("control at 250 Hz", run)
