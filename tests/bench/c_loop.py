# SPDX-License-Identifier: Apache-2.0
"""The loop in C that wake-ups are compared with: as punctual as a process can be on the machine, at that time."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pilotlight.runtime.statistics import bucket, ceiling


class CLoop:
    """The compiled loop."""

    def __init__(self, folder: Path) -> None:
        """Compile it into a folder."""
        self._program = folder / "c_loop"
        source = Path(__file__).with_name("c_loop.c")
        subprocess.run(["gcc", "-O2", str(source), "-o", str(self._program)], check=True)

    def block(self, period_ns: int, seconds: float, priority: int) -> list[float]:
        """Percentiles 50, 99 and 99.9 of how late it woke up, in µs, rounded as the histograms of ours round."""
        rounds = int(seconds * 1e9 / period_ns)
        command = [str(self._program), str(period_ns), str(rounds), str(priority)]
        output = subprocess.run(command, capture_output=True, check=True, timeout=seconds * 3 + 30).stdout
        late = sorted(int(line) for line in output.split())
        return [ceiling(bucket(late[-(-rounds * permille // 1000) - 1])) / 1000 for permille in (500, 990, 999)]
