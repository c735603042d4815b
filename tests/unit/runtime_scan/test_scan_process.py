# SPDX-License-Identifier: Apache-2.0
"""Real scan processes: following lines, commands, exchange between two scans, resource use."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest
from pilotlight.runtime.states import State
from pilotlight.runtime.supervisor import SupervisorError
from pilotlight.tags import SegmentReader

from tests.unit.runtime_scan.support import FLAG, REPORT, SAFE, SETTINGS, Build, Plant, plant


def count(it: Plant) -> int:
    value = it.value("Scan.Count")
    assert isinstance(value, int)
    return value


def test_an_output_follows_its_input_within_two_scans(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            assert it.supervisor.state is State.RUNNING
            assert it.supervisor.process is not None and it.supervisor.process.reader is not None
            reader = it.supervisor.process.reader
            for level in (True, False, True):
                it.chip.drive(0, level)
                await it.until(lambda wanted=level: it.outputs()[0] is wanted)
                await it.until(lambda wanted=level: it.value("Line.out0") is wanted)
                assert it.outputs()[2] is True, "the program does not drive it, so it keeps its safe value"
                # The scan that read the input wrote the output: both changed at one moment.
                line_in, line_out = reader.read("Line.in0", "Line.out0")
                assert line_in.value is level and line_in.stamp_ns == line_out.stamp_ns

    asyncio.run(scenario())


def test_without_a_program_lines_are_published_and_outputs_are_safe() -> None:
    async def scenario() -> None:
        async with plant(None) as it:
            assert it.supervisor.state is State.EMPTY
            await it.until(lambda: it.value("Scan.State") == State.EMPTY)
            assert it.outputs() == SAFE
            it.chip.drive(1, True)
            await it.until(lambda: it.value("Line.in1") is True)
            with pytest.raises(SupervisorError) as refusal:
                await it.supervisor.start()
            assert refusal.value.kind == "NoProgram"

    asyncio.run(scenario())


def test_stop_makes_outputs_safe_and_start_begins_anew(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("blink")) as it:
            await it.until(lambda: count(it) >= 5 and it.outputs()[0])
            assert await it.supervisor.stop() is State.STOPPED
            assert it.outputs() == SAFE
            assert it.notes.remembered == (False, "")
            with pytest.raises(SupervisorError, match="no program runs"):
                await it.supervisor.stop()
            held = it.value("REPORT")
            assert isinstance(held, int)
            await asyncio.sleep(0.05)
            assert it.value("REPORT") == held
            assert it.value("Scan.State") == State.STOPPED
            assert await it.supervisor.start() is State.RUNNING
            await it.until(lambda: count(it) > 0)
            assert count(it) < held + 5 and it.value("REPORT") == count(it)
            assert it.notes.remembered == (True, "")

    asyncio.run(scenario())


def test_a_program_is_exchanged_between_two_scans(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            it.chip.drive(0, True)
            await it.until(lambda: it.outputs()[0])
            old = SegmentReader.open("plc")
            dark = False

            async def look() -> None:
                nonlocal dark
                while True:
                    dark = dark or not it.outputs()[0]
                    await asyncio.sleep(0.0005)

            watch = asyncio.create_task(look())
            assert await it.supervisor.activate(build("blink")) is State.RUNNING
            await it.until(lambda: count(it) > 3)
            watch.cancel()
            assert not dark, "output 0 is on in both programs and must not blink during the exchange"
            assert not old.current()
            assert it.supervisor.program is not None and it.supervisor.program.name == "blink"
            await it.until(lambda: it.value("Scan.State") == State.RUNNING)

    asyncio.run(scenario())


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_a_program_that_cannot_be_initialised_leaves_the_running_one_alone(build: Build, stage: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, start_timeout_ms=1500 if stage == 2 else 10_000)

    async def scenario() -> None:
        async with plant(build("blink"), settings=settings) as it:
            process = it.supervisor.process
            await it.until(lambda: it.outputs()[0])
            with pytest.raises(SupervisorError, match="cannot be loaded"):
                await it.supervisor.activate(build("constructor", STAGE=stage))
            assert it.supervisor.process is process and it.supervisor.state is State.RUNNING
            before = count(it)
            await it.until(lambda: count(it) > before)
            assert it.supervisor.program is not None and it.supervisor.program.name == "blink"

    asyncio.run(scenario())


def test_forces_hold_until_let_go_and_survive_stop_and_start(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            await it.supervisor.variables.force(FLAG, b"\1")
            await it.until(lambda: it.outputs()[1])
            assert it.value("Scan.Forces") == 1 and it.supervisor.variables.forces == {FLAG: b"\1"}
            await it.supervisor.stop()
            await it.supervisor.start()
            await it.until(lambda: it.outputs()[1])
            await it.supervisor.variables.unforce(FLAG)
            await it.supervisor.variables.write(FLAG, b"\0")
            await it.until(lambda: not it.outputs()[1] and it.value("Scan.Forces") == 0)
            with pytest.raises(SupervisorError, match="no such variable"):
                await it.supervisor.variables.force(99, b"\1")
            with pytest.raises(SupervisorError, match="size"):
                await it.supervisor.variables.write(REPORT, b"\1")

    asyncio.run(scenario())


def test_statistics_are_published(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            await it.until(lambda: count(it) > 20)
            cycle = {figure: it.value(f"Scan.Cycle.{figure}") for figure in ("Min", "Mean", "Max", "P50", "P99")}
            assert cycle["Min"] <= cycle["Mean"] <= cycle["Max"]  # type: ignore[operator]
            assert 5_000 < cycle["P50"] < 20_000, "the period is 10 ms"  # type: ignore[operator]
            assert 0 < it.value("Scan.Time.Max") < 1e6  # type: ignore[operator]

    asyncio.run(scenario())


def test_the_scan_process_is_small_and_confined(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("follow")) as it:
            await it.until(lambda: count(it) > 5)
            assert it.supervisor.process is not None
            text = Path(f"/proc/{it.supervisor.process.pid}/status").read_text()
            status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            assert int(status["VmRSS"].split()[0]) <= 25 * 1024
            assert status["Threads"] == "1"
            assert int(status["CapPrm"], 16) == 0 and int(status["CapEff"], 16) == 0
            assert status["NoNewPrivs"] == "1"
            assert int(status["Seccomp_filters"]) >= 2

    asyncio.run(scenario())


def test_the_scan_makes_outputs_safe_when_its_supervisor_is_silent(build: Build) -> None:
    settings = msgspec.structs.replace(SETTINGS, supervisor_timeout_ms=300)

    async def scenario() -> None:
        async with plant(build("blink"), settings=settings) as it:
            await it.until(lambda: it.outputs()[0])
            process = it.supervisor.process
            assert process is not None
            it.supervisor._guard.forget(process)
            await it.until(lambda: process.ended())
            assert it.outputs() == SAFE
            process.drain()
            assert "no sign of life" in process.last_words

    asyncio.run(scenario())


def test_the_scan_makes_outputs_safe_when_it_is_told_to_end(build: Build) -> None:
    """The kernel sends SIGTERM when the supervisor's process ends."""

    async def scenario() -> None:
        async with plant(build("blink")) as it:
            await it.until(lambda: it.outputs()[0])
            process = it.supervisor.process
            assert process is not None
            it.supervisor._guard.forget(process)
            signal.pidfd_send_signal(process.pidfd, signal.SIGTERM)
            await it.until(lambda: process.ended())
            assert it.outputs() == SAFE

    asyncio.run(scenario())
