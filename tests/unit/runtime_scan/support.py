# SPDX-License-Identifier: Apache-2.0
"""A supervisor over simulated lines, as the tests use it."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pilotlight.daemon import state_directory
from pilotlight.io.config import IoSettings, LineSettings, SimulatedSettings, pin_map
from pilotlight.io.drivers import hold, line_counts, simulated_path
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import Variable
from pilotlight.runtime.retention import Retention
from pilotlight.runtime.settings import ScanSettings
from pilotlight.runtime.supervisor import Supervisor

FIXTURES = Path(__file__).parent / "fixtures"
HEADERS = Path(__file__).parents[3] / "daemons/pilotlight/runtime/native"
VARIABLES = (Variable("REPORT", 4, 4, 0), Variable("FLAG", 1, 1, 0))
REPORT, FLAG = 0, 1

Build = Callable[..., LoadedProgram]
SETTINGS = ScanSettings(priority=0, limit_ms=500, start_timeout_ms=10_000)
LINES = {
    "in0": LineSettings("sim0", 0, "%IX0.0"),
    "in1": LineSettings("sim0", 1, "%IX0.1"),
    "out0": LineSettings("sim0", 8, "%QX0.0"),
    "out1": LineSettings("sim0", 9, "%QX0.1"),
    "out2": LineSettings("sim0", 10, "%QX0.2", safe=True),
}
SAFE = [False, False, True]


def compile_program(folder: Path, name: str, **macros: int) -> LoadedProgram:
    """fixtures/<name>.c compiled with these macros into `folder`, unless it has been already."""
    label = "-".join([name, *(f"{key}{value}" for key, value in macros.items())])
    path = folder / f"{label}.so"
    if not path.exists():
        flags = [f"-D{key}={value}" for key, value in macros.items()]
        command = ["gcc", "-O1", "-w", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-Bsymbolic", f"-I{HEADERS}"]
        subprocess.run([*command, *flags, str(FIXTURES / f"{name}.c"), "-o", str(path)], check=True, timeout=60)
    return LoadedProgram(label, label, "0123456789abcdef0123456789abcdef", path, VARIABLES)


class Notes:
    """Keeps what the supervisor says."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []
        self.remembered: tuple[bool, str] | None = None
        self.active = ""

    def say(self, level: str, message: str) -> None:
        self.records.append((level, message))

    def changed(self) -> None:
        """Nothing listens here."""

    async def remember(self, wanted: bool, fault: str) -> None:
        self.remembered = (wanted, fault)

    async def activated(self, program: str) -> None:
        self.active = program


class Plant:
    """The supervisor, the chip seen from outside, and what was said."""

    def __init__(self, supervisor: Supervisor, chip: SimulatedChip, notes: Notes) -> None:
        self.supervisor = supervisor
        self.chip = chip
        self.notes = notes

    def outputs(self) -> list[bool]:
        """Levels of out0, out1, out2."""
        return [self.chip.level(line)[0] for line in (8, 9, 10)]

    def value(self, name: str) -> object:
        """A tag of segment `plc`, as published by the process that has the lines."""
        assert self.supervisor.process is not None and self.supervisor.process.reader is not None
        return self.supervisor.process.reader.read(name)[0].value

    async def until(self, condition: Callable[[], bool], timeout_s: float = 15.0) -> float:
        """Wait for `condition`, looking every millisecond; the seconds it took."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < timeout_s, f"not within {timeout_s} s; {self.notes.records}"
            await asyncio.sleep(0.001)
        return time.monotonic() - start


@asynccontextmanager
async def plant(
    program: LoadedProgram | None, run: bool = True, settings: ScanSettings = SETTINGS
) -> AsyncIterator[Plant]:
    """A supervisor with `program` over five simulated lines."""
    simulated_path("sim0").parent.mkdir(parents=True, exist_ok=True)
    io = IoSettings(LINES, SimulatedSettings("sim0", 16))
    lines = hold(pin_map(io, line_counts(io)), io)
    notes = Notes()
    supervisor = Supervisor(lines, settings, notes, Retention(state_directory("runtime") / "retained", notes.say))
    chip = SimulatedChip.existing(simulated_path("sim0"))
    try:
        await supervisor.open(program, run, "")
        yield Plant(supervisor, chip, notes)
    finally:
        await supervisor.close()
        chip.close()
