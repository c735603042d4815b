# SPDX-License-Identifier: Apache-2.0
"""What ends a scan process ends with outputs safe in time, the reason kept, and the program back, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import msgspec
import pytest
from pilotlight.runtime.states import State
from pilotlight.runtime.verdicts import SupervisorError

from tests.unit.runtime_scan.support import FLAG, SAFE, SETTINGS, Build, Plant, plant

NOTICED_S = 0.1
"""Outputs are safe within this time after the deadline, or after the end of the process."""
MARGIN_S = 1.0
"""What a busy build machine may add."""


async def recovered(it: Plant, before: object) -> None:
    """The program is back in a new process, stopped, outputs safe, the reason remembered."""
    await it.until(lambda: it.supervisor.state is State.STOPPED and it.supervisor.process not in (None, before))
    await it.until(lambda: it.value("Scan.State") == State.STOPPED)
    assert it.outputs() == SAFE
    assert it.notes.remembered == (False, it.supervisor.last_fault)
    assert it.supervisor.variables.forces == {}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(1, "SIGSEGV"), (3, "SIGFPE"), (4, "ended with code 0"), (5, "SIGABRT")],
    ids=["segfault", "division", "exit", "abort"],
)
def test_a_crash_of_the_program(build: Build, fault: int, reason: str) -> None:
    async def scenario() -> None:
        async with plant(build("fault", FAULT=fault)) as it:
            await it.until(lambda: it.outputs()[0])
            process = it.supervisor.process
            assert process is not None
            with contextlib.suppress(SupervisorError):  # the verdict may come after the fault it causes
                await it.supervisor.variables.force(FLAG, b"\1")
            await it.until(process.ended)
            assert await it.until(lambda: it.outputs() == SAFE) < NOTICED_S + MARGIN_S
            await recovered(it, process)
            assert reason in it.supervisor.last_fault
            assert await it.supervisor.start() is State.RUNNING
            await it.until(lambda: it.outputs()[0])

    asyncio.run(scenario())


def test_an_endless_loop_is_noticed_at_its_deadline(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("fault", FAULT=2)) as it:
            await it.until(lambda: it.outputs()[0])
            process = it.supervisor.process
            assert process is not None
            start = time.monotonic()
            with contextlib.suppress(SupervisorError):  # the verdict may come after the fault it causes
                await it.supervisor.variables.force(FLAG, b"\1")
            await it.until(lambda: it.outputs() == SAFE)
            assert time.monotonic() - start < SETTINGS.limit_ms / 1000 + NOTICED_S + MARGIN_S
            await recovered(it, process)
            assert "did not end in time" in it.supervisor.last_fault

    asyncio.run(scenario())


@pytest.mark.parametrize(("number", "deadline_s"), [(signal.SIGKILL, 0.0), (signal.SIGSTOP, SETTINGS.limit_ms / 1000)])
def test_a_signal_from_outside(build: Build, number: signal.Signals, deadline_s: float) -> None:
    async def scenario() -> None:
        async with plant(build("blink")) as it:
            await it.until(lambda: it.outputs()[0])
            process = it.supervisor.process
            assert process is not None
            os.kill(process.pid, number)
            assert await it.until(lambda: it.outputs() == SAFE) < deadline_s + NOTICED_S + MARGIN_S
            await recovered(it, process)

    asyncio.run(scenario())


@pytest.mark.parametrize(("number", "deadline_s"), [(signal.SIGKILL, 0.0), (signal.SIGSTOP, SETTINGS.limit_ms / 1000)])
def test_outputs_are_safe_in_time_though_the_daemon_is_busy(
    build: Build, number: signal.Signals, deadline_s: float
) -> None:
    """The watching thread does it: here the main loop does nothing but compute."""

    async def scenario() -> None:
        async with plant(build("blink")) as it:
            await it.until(lambda: it.outputs()[0])
            assert it.supervisor.process is not None
            os.kill(it.supervisor.process.pid, number)
            start = time.monotonic()
            while it.outputs() != SAFE:
                assert time.monotonic() - start < deadline_s + NOTICED_S + MARGIN_S
            await it.until(lambda: it.supervisor.state is State.STOPPED)

    asyncio.run(scenario())


def test_the_fault_of_the_empty_program_brings_it_back() -> None:
    async def scenario() -> None:
        async with plant(None) as it:
            process = it.supervisor.process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.process not in (None, process))
            assert it.supervisor.state is State.EMPTY

    asyncio.run(scenario())


def test_too_many_faults_lead_to_error_and_start_leads_out(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("blink")) as it:
            for _ in range(3):
                process = it.supervisor.process
                assert process is not None
                os.kill(process.pid, signal.SIGKILL)
                await recovered(it, process)
            process = it.supervisor.process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.state is State.ERROR)
            assert it.outputs() == SAFE and it.supervisor.process is None
            assert await it.supervisor.start() is State.RUNNING
            await it.until(lambda: it.outputs()[0])

    asyncio.run(scenario())


def test_a_program_that_crashes_at_start_up_leads_to_error(build: Build) -> None:
    async def scenario() -> None:
        async with plant(build("constructor", STAGE=1)) as it:
            assert it.supervisor.state is State.ERROR
            assert "SIGSEGV" in it.supervisor.last_fault
            await it.until(lambda: it.value("Scan.State") == State.ERROR)
            assert it.outputs() == SAFE
            assert await it.supervisor.activate(build("blink"), run=True) is State.RUNNING

    asyncio.run(scenario())


def test_a_program_that_crashes_in_its_first_scan_after_the_exchange(build: Build) -> None:
    """The new program has the lines by then: it is the one that comes back, stopped."""

    async def scenario() -> None:
        async with plant(build("blink")) as it:
            bad = build("fault", FAULT=1, ALWAYS=1)
            await it.supervisor.activate(bad)
            await it.until(lambda: it.supervisor.state is State.STOPPED)
            assert it.outputs() == SAFE
            assert "SIGSEGV" in it.supervisor.last_fault
            assert it.supervisor.program == bad

    asyncio.run(scenario())


def test_a_slow_machine_does_not_look_like_a_hang(build: Build) -> None:
    """A pause shorter than the limit is an overrun, counted, and no fault."""
    settings = msgspec.structs.replace(SETTINGS, limit_ms=5000)

    async def scenario() -> None:
        async with plant(build("blink"), settings=settings) as it:
            process = it.supervisor.process
            assert process is not None
            await it.until(lambda: it.outputs()[0])
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(0.2)
            os.kill(process.pid, signal.SIGCONT)
            await it.until(lambda: it.value("Scan.Overruns") >= 10)  # type: ignore[operator]
            assert it.supervisor.process is process and it.supervisor.state is State.RUNNING

    asyncio.run(scenario())
