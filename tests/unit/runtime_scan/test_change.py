# SPDX-License-Identifier: Apache-2.0
"""Online change of a running program, the way back when the new one faults, and values that outlive a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from pilotlight.daemon import state_directory
from pilotlight.plc import Bool, Dint, Int, Program, Rung, calc, count_up, forloop, latch, out, rise, subroutine, system
from pilotlight.plc import call as call_subroutine
from pilotlight.runtime.commands import Command
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.process import ScanError, ScanProcess
from pilotlight.runtime.states import State
from pilotlight.runtime.verdicts import SupervisorError

from tests.unit.plc.shim import loaded_program, shared_object
from tests.unit.runtime_scan.support import SAFE, SETTINGS, Build, Plant, plant

LOCATED = {"Button": "%IX0.0", "Lamp": "%QX0.0", "Other": "%QX0.1"}
QUICK = msgspec.structs.replace(SETTINGS, trial_s=0.5)
UNHURRIED = msgspec.structs.replace(SETTINGS, trial_s=3.0)
"""A trial that is not over before a busy machine has looked at what it is about."""


def counter(step: int, lamp: str) -> Program:
    """Counts scans by `step` and presses, and lights one of two lamps."""
    with Program(strict=False) as logic:
        with Rung():
            calc(Dint("Scans") + step, Dint("Scans"))
        with Rung(rise(Bool("Button"))):
            count_up(Bool("Full"), Dint("Presses"), preset=1000).reset(Bool("Zero"))
        with Rung(system.sys.always_on):
            out(Bool(lamp))
        with Rung(Bool("Never")):
            latch(Bool("Lamp"))
            latch(Bool("Other"))
    return logic


def dividing() -> Program:
    """As `counter`, but divides by null as soon as it is told to."""
    with Program(strict=False) as logic:
        with Rung(Bool("Button")):
            out(Bool("Lamp"))
            out(Bool("Other"))
        with Rung(Bool("Divide")):
            calc(Int("Zero0") / Int("Zero0"), Int("Result"))
    return logic


def hanging() -> Program:
    """Loops for longer than a scan may take, as soon as the button is pressed."""
    with Program(strict=False) as logic:
        with subroutine("inner"), Rung(), forloop(32000):
            calc(Dint("Busy") + 1, Dint("Busy"))
        with subroutine("middle"):
            for _ in range(200):
                with Rung():
                    call_subroutine("inner")
        with subroutine("outer"):
            for _ in range(200):
                with Rung():
                    call_subroutine("middle")
        with Rung(Bool("Button")):
            for _ in range(20):
                call_subroutine("outer")
            out(Bool("Lamp"))
            out(Bool("Other"))
    return logic


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("PILOTLIGHT_STATE", str(tmp_path / "state"))

    def make(logic: Program, name: str) -> LoadedProgram:
        return loaded_program(shared_object(tmp_path, logic, LOCATED), logic, name)

    return make


async def runs(it: Plant, scans: int = 5) -> int:
    """Wait for some scans; `Scans` then."""
    start = int(str(it.value("Scan.Count")))
    await it.until(lambda: int(str(it.value("Scan.Count"))) >= start + scans)
    return int(str(it.value("Scans")))


def test_a_running_program_is_changed_between_two_scans(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=UNHURRIED) as it:
            await it.until(lambda: it.outputs()[0])
            it.chip.drive(0, True)
            await it.until(lambda: it.value("Presses") == 1)
            scans = await runs(it)
            assert await it.supervisor.change(made(counter(1000, "Other"), "two")) is State.RUNNING
            await it.until(lambda: it.outputs()[1])
            await runs(it)
            # The lamp that the new program no longer drives rests at its last value; the count goes on.
            assert (it.value("Presses"), it.value("Lamp")) == (1, True)
            assert int(str(it.value("Scans"))) >= scans + 1000
            assert it.value("Scan.Overruns") == 0
            assert "on trial" in it.supervisor.last_change
            assert it.notes.active == ""
            await it.until(lambda: it.notes.active == "two")
            assert "kept" in it.supervisor.last_change

    asyncio.run(scenario())


def test_forces_go_along(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=QUICK) as it:
            await it.until(lambda: it.outputs()[0])
            one, two = it.supervisor.program, made(counter(2, "Lamp"), "two")
            assert one is not None
            number = [v.name for v in one.variables].index("Lamp")
            await it.supervisor.variables.force(number, b"\0")
            await it.until(lambda: not it.outputs()[0])
            await it.supervisor.change(two)
            await runs(it)
            assert not it.outputs()[0]
            number = [v.name for v in two.variables].index("Lamp")
            assert it.supervisor.variables.forces == {number: b"\0"}
            await it.supervisor.variables.unforce(number)
            await it.until(lambda: it.outputs()[0])

    asyncio.run(scenario())


def test_outputs_are_safe_until_the_successor_begins_when_the_old_process_does_not_finish(
    made,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=QUICK) as it:
            await it.until(lambda: it.outputs()[0])
            ask, before = ScanProcess.ask, []

            async def silent(process: ScanProcess, timeout_s: float) -> NoReturn:
                raise ScanError("it does not answer")

            async def asked(process: ScanProcess, command: Command, *rest: Any) -> int:
                if command is Command.ENTER:
                    before.append(it.outputs())
                return await ask(process, command, *rest)

            monkeypatch.setattr(ScanProcess, "finish", silent)
            monkeypatch.setattr(ScanProcess, "ask", asked)
            await it.supervisor.activate(made(counter(1, "Other"), "two"))
            assert before == [SAFE]
            assert any("did not finish: it does not answer" in text for _, text in it.notes.records)
            await it.until(lambda: it.outputs()[1])

    asyncio.run(scenario())


def test_a_fault_flag_on_trial_brings_the_old_program_back(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=QUICK) as it:
            await it.until(lambda: it.outputs()[0])
            scans = await runs(it)
            new = made(dividing(), "new")
            await it.supervisor.change(new)
            await it.until(lambda: it.supervisor.process is not None and it.value("Scan.Count") != 0)
            await it.supervisor.variables.write([v.name for v in new.variables].index("Divide"), b"\1")
            await it.until(lambda: "changed back" in it.supervisor.last_change)
            assert "fault.division_error" in it.supervisor.last_fault
            assert it.supervisor.state is State.RUNNING
            await it.until(lambda: it.outputs()[0])
            assert scans <= await runs(it) < scans + 500
            assert (it.notes.active, it.notes.remembered) == ("one", (True, it.supervisor.last_fault))

    asyncio.run(scenario())


def test_a_hang_on_trial_brings_the_old_program_back(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one")) as it:
            await it.until(lambda: it.outputs()[0])
            await it.supervisor.change(made(hanging(), "new"))
            it.chip.drive(0, True)
            await it.until(lambda: it.outputs() == SAFE)
            await it.until(lambda: "changed back" in it.supervisor.last_change)
            assert "deadline" in it.supervisor.last_fault
            await it.until(lambda: it.outputs()[0])
            assert it.supervisor.program is not None and it.supervisor.program.name == "one"

    asyncio.run(scenario())


def test_after_the_trial_a_fault_stops_the_program(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=QUICK) as it:
            await it.until(lambda: it.outputs()[0])
            await it.supervisor.change(made(hanging(), "new"))
            await it.until(lambda: it.notes.active == "new")
            it.chip.drive(0, True)
            await it.until(lambda: it.supervisor.state is State.STOPPED)
            assert it.supervisor.program is not None and it.supervisor.program.name == "new"

    asyncio.run(scenario())


def test_what_cannot_be_changed_is_refused(made, build: Build) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), run=False) as it:
            with pytest.raises(SupervisorError, match="no program runs"):
                await it.supervisor.change(made(counter(2, "Lamp"), "two"))
            await it.supervisor.start()
            with pytest.raises(SupervisorError, match="cannot be changed online"):
                await it.supervisor.change(build("follow"))
            await runs(it)
            assert it.supervisor.program is not None and it.supervisor.program.name == "one"

    asyncio.run(scenario())


def test_a_program_that_stops_itself(made) -> None:
    with Program(strict=False) as logic:
        with Rung(Bool("Button")):
            out(system.sys.cmd_mode_stop)
        with Rung(system.sys.always_on):
            out(Bool("Lamp"))
            out(Bool("Other"))

    async def scenario() -> None:
        async with plant(made(logic, "one")) as it:
            await it.until(lambda: it.outputs()[0])
            it.chip.drive(0, True)
            await it.until(lambda: it.supervisor.state is State.STOPPED)
            assert it.outputs() == SAFE
            assert it.value("Scan.State") == State.STOPPED
            assert it.notes.remembered == (False, "")
            it.chip.drive(0, False)
            assert await it.supervisor.start() is State.RUNNING
            await it.until(lambda: it.outputs()[0])

    asyncio.run(scenario())


def test_retentive_values_outlive_stop_daemon_and_crash(made) -> None:
    program = made(counter(1, "Lamp"), "one")
    settings = msgspec.structs.replace(SETTINGS, retain_s=0.1)

    async def scenario() -> None:
        async with plant(program, settings=settings) as it:
            scans = await runs(it)
            await it.supervisor.stop()
            await it.supervisor.start()
            scans, before = await runs(it), scans
            assert scans > before
        async with plant(program, settings=settings) as it:
            scans, before = await runs(it), scans
            assert scans > before
            assert len(list((state_directory("runtime") / "retained").glob("*.json"))) == 1
            process = it.supervisor.process
            assert process is not None
            process.kill()
            await it.until(lambda: it.supervisor.process not in (None, process))
            await it.until(lambda: it.supervisor.state is State.STOPPED)
            await it.supervisor.start()
            assert await runs(it) > scans
            # Another program of the same name takes what it has too; one of another name nothing.
            await it.supervisor.activate(made(counter(2, "Other"), "one"), True)
            assert await runs(it) > scans
            await it.supervisor.activate(made(counter(1, "Other"), "two"), True)
            assert await runs(it, 2) < scans

    asyncio.run(scenario())


def test_a_program_begins_with_the_last_values_of_the_one_before(made) -> None:
    settings = msgspec.structs.replace(SETTINGS, retain_s=60.0)

    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one"), settings=settings) as it:
            scans = await runs(it, 50)
            await it.supervisor.activate(made(counter(1, "Other"), "one"), True)
            assert await runs(it, 2) > scans

    asyncio.run(scenario())


def test_kept_values_can_be_forgotten(made) -> None:
    async def scenario() -> None:
        async with plant(made(counter(1, "Lamp"), "one")) as it:
            await runs(it, 100)
            with pytest.raises(SupervisorError, match="stop it first"):
                await it.supervisor.forget_retained()
            await it.supervisor.stop()
            await it.supervisor.forget_retained()
            assert it.value("Scans") == 0
            await it.supervisor.start()
            assert 0 < await runs(it, 2) < 100

    asyncio.run(scenario())
