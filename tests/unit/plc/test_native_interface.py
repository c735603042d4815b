# SPDX-License-Identifier: Apache-2.0
"""A program of the language as the scan process sees it: through the C interface of native programs."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

import pytest
from pilotlight.plc import (
    Bool,
    Char,
    Dint,
    Int,
    Program,
    Real,
    Rung,
    Tm,
    calc,
    copy,
    count_up,
    on_delay,
    out,
    rise,
    system,
    task,
)
from pilotlight.plc.native.interface import identity, program_files, variables
from pilotlight.plc.native.layout import Layout
from pilotlight.plc.native.scope import EmitError
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.native import NativeProgram
from pilotlight.tags import Flags

from tests.unit.plc.shim import PERIOD_NS, Loaded, shared_object
from tests.unit.runtime_scan.support import plant

VALUE, FORCED, VARIABLE, SIZE = -4, -7, -2, -3

with Program() as LOGIC:
    with Rung(Bool("Button"), ~Bool("Locked")):
        out(Bool("Lamp"))
        on_delay(Bool("Late"), Int("Elapsed"), preset=30, unit=Tm)
    with Rung(rise(Bool("Button"))):
        count_up(Bool("Full"), Dint("Presses"), preset=2).reset(Bool("Zero"))
    with Rung():
        calc(Real("In") * 2, Real("Twice"))
        copy("ä", Char("Größe"))
        copy(system.rtc.year4, Int("Year"))
    with Rung(system.sys.first_scan):
        out(Bool("First"))
    with task("slow", period=1, unit="s"), Rung():
        calc(Dint("Ticks") + 1, Dint("Ticks"))

LOCATED = {"Button": "%IX0.1", "Lamp": "%QX0.0", "Full": "%QX2.7"}


def made(cache: Path) -> Path:
    return shared_object(cache, LOGIC, LOCATED)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def loaded(cache: Path) -> Loaded:
    return Loaded(made(cache))


def test_the_program_describes_itself(loaded: Loaded) -> None:
    program = loaded.program
    assert program.identity == identity(LOGIC.ir)
    assert [(task.period_ns, task.priority) for task in program.tasks] == [(PERIOD_NS, 0)]
    flags = {variable.name: Flags(variable.flags) for variable in program.variables}
    assert flags["Button"] == Flags.INPUT | Flags.WRITABLE
    assert flags["Lamp"] == Flags.OUTPUT | Flags.WRITABLE
    assert flags["Presses"] == Flags.RETENTIVE | Flags.WRITABLE
    assert flags["fault.out_of_range"] == flags["rtc.year4"] == Flags(0)
    assert not [name for name in flags if name.startswith("#")]
    layout = Layout(LOGIC.ir.cells)
    assert [layout.cells[slot].name for slot in variables(LOGIC.ir)] == list(flags)


def test_it_runs_from_lines_to_lines(loaded: Loaded) -> None:
    assert loaded.scan(lines=0b01) == 0b010
    assert loaded["First"] == 1
    assert loaded.scan(lines=0b10) == 0b011
    assert (loaded["First"], loaded["Lamp"], loaded["Presses"], loaded["Größe"]) == (0, 1, 1, ord("ä"))
    assert loaded.scan() == 0b010
    assert loaded.scan(lines=0b10) == 0b111
    assert loaded["Year"] == time.localtime().tm_year


def test_timers_go_by_the_time_of_the_scan(loaded: Loaded) -> None:
    loaded.scan(lines=0b10)
    for _ in range(19):
        loaded.scan(lines=0b10, ms=900)
    assert loaded["Elapsed"] == 0
    for _ in range(50):
        loaded.scan(lines=0b10, ms=900)
    assert loaded["Elapsed"] == 1
    loaded.scan(lines=0b10, ms=3_600_000)
    assert loaded["Elapsed"] == 1


def test_tasks_of_the_program_are_run_by_the_one_of_the_scan_process(loaded: Loaded) -> None:
    assert len(loaded.program.tasks) == 1
    ticks = []
    for _ in range(8):
        loaded.scan(ms=400)
        ticks.append(loaded["Ticks"])
    assert ticks == [1, 1, 1, 2, 2, 3, 3, 3]
    loaded.scan(ms=3_600_000)  # a stop: the clock of the program stood still
    assert loaded["Ticks"] == 3


def test_writes_and_forces(loaded: Loaded) -> None:
    program, number = loaded.program, loaded.index("In")
    assert program.write(number, struct.pack("<f", 1.5)) == 0
    loaded.scan()
    assert loaded["Twice"] == 3.0
    lamp = loaded.index("Lamp")
    assert program.force(lamp, b"\1") == 0
    assert program.write(lamp, b"\0") == FORCED
    assert loaded.scan() == 0b011
    assert program.force(loaded.index("Locked"), b"\1") == 0
    assert program.unforce(lamp) == 0
    assert loaded.scan(lines=0b10) == 0b010
    assert loaded["Locked"] == 1
    assert program.unforce(lamp) == 0


def test_what_a_variable_cannot_hold_is_refused(loaded: Loaded) -> None:
    program = loaded.program
    assert program.write(loaded.index("Lamp"), b"\2") == VALUE
    assert program.force(loaded.index("rtc.year4"), b"\0\0") == VALUE
    assert program.write(loaded.index("Presses"), b"\0") == SIZE
    assert program.write(9999, b"\0") == program.unforce(9999) == VARIABLE
    number = loaded.index("In")
    for value in (-0.0, float("nan")):
        assert program.write(number, struct.pack("<f", value)) == 0
    program.capture()
    assert loaded.image[loaded.directory.offset(number) :][:4] == b"\0\0\xc0\x7f"
    assert program.write(number, struct.pack("<f", -0.0)) == 0
    program.capture()
    assert loaded.image[loaded.directory.offset(number) :][:4] == bytes(4)


def test_the_scan_process_runs_it(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path))
    path = made(cache)
    program = LoadedProgram("ladder", "ladder", identity(LOGIC.ir), path, tuple(NativeProgram.load(path).variables))

    async def main() -> None:
        async with plant(program) as it:
            it.chip.drive(1, True)
            await it.until(lambda: it.outputs() == [True, False, True])
            await it.until(lambda: it.value("Presses") == 1)
            assert it.value("Year") == time.localtime().tm_year
            it.chip.drive(1, False)
            await it.until(lambda: it.outputs() == [False, False, True])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("located", "why"),
    [
        ({"Lamp": "%QX1024.0"}, "is no point"),
        ({"Lamp": "QX0.0"}, "is no point"),
        ({"Presses": "%QX0.0"}, "no BOOL tag"),
        ({"Nothing": "%QX0.0"}, "no BOOL tag"),
    ],
)
def test_points_and_tags_must_exist(located: dict[str, str], why: str) -> None:
    with pytest.raises(EmitError, match=why):
        program_files(LOGIC.ir, period_ns=PERIOD_NS, located=located)
