# SPDX-License-Identifier: Apache-2.0
"""The supervisor of the control loop over simulated devices: faults, hangs, bounds, commands, and a good end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pilotlight.io.config import IoSettings, SimulatedSettings
from pilotlight.io.pulse import PulseChannel
from pilotlight.runtime.control import child
from pilotlight.runtime.control import plan as plan_module
from pilotlight.runtime.control.notes import LoopState
from pilotlight.runtime.control.restarts import FIRST_S, LONGEST_S, WITHIN_S, Restarts
from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.supervisor import LoopSupervisor
from pilotlight.runtime.settings import ControlOptions
from pilotlight.runtime.verdicts import SupervisorError
from pilotlight.tags import SegmentReader
from pilotlight.tags.mailbox import ClientMailbox, Places
from pilotlight.tags.messages import ESTIMATOR_STATE

from tests.unit.control.configs import EMPTY

QUIET = EMPTY + "[threads]\ncontrol_priority = 0\n[timeouts]\nimu_stale_ms = 2000\nactuator_cmd_timeout_ms = 2000\n"
FAILSAFE = "".join(f"[servo{n}]\nfailsafe_norm = -0.5\n" for n in range(4))


class Notes:
    """Keeps what the supervisor says."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str]] = []
        self.remembered: tuple[bool, str] | None = None
        self.last: dict[str, object] = {}

    def say(self, level: str, message: str) -> None:
        self.records.append((level, message))

    def changed(self) -> None:
        """Nobody listens here."""

    def ended(self, reader: SegmentReader | None) -> None:
        if reader is not None:
            self.last = {name: reader.read(name)[0].value for name in ("Servo.Pulse0", "Status.control_ticks")}

    async def remember(self, wanted: bool, fault: str) -> None:
        self.remembered = (wanted, fault)


class Plant:
    """The supervisor, its configuration and what was said."""

    def __init__(self, supervisor: LoopSupervisor, notes: Notes, config: Path, places: Places) -> None:
        self.supervisor = supervisor
        self.notes = notes
        self.config = config
        self._places = places

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, (self.supervisor.state, self.notes.records)
            await asyncio.sleep(0.002)

    async def running(self, not_pid: int = 0) -> int:
        """Wait for a running process other than `not_pid`; its number."""
        await self.until(lambda: self.supervisor.process is not None and self.supervisor.process.pid != not_pid)
        assert self.supervisor.process is not None
        return self.supervisor.process.pid

    def worker(self) -> ClientMailbox:
        """The mailbox as an external estimator has it."""
        return ClientMailbox.attach(ESTIMATOR_STATE.name, ESTIMATOR_STATE, places=self._places)

    def value(self, name: str) -> Any:
        assert self.supervisor.reader is not None
        return self.supervisor.reader.read(name)[0].value


@asynccontextmanager
async def plant(
    text: str | None, run: bool = True, io: IoSettings | None = None, **options: Any
) -> AsyncIterator[Plant]:
    """A supervisor with this configuration."""
    etc, shared = Path(os.environ["PILOTLIGHT_ETC"]), Path(os.environ["PILOTLIGHT_RUN"]) / "shm"
    etc.mkdir(parents=True, exist_ok=True)
    shared.mkdir(parents=True, exist_ok=True)
    config = etc / "control.toml"
    if text is not None:
        config.write_text(text)
    notes = Notes()
    places = Places(shared, shared)
    supervisor = LoopSupervisor(ControlOptions(**{"limit_ms": 1500, **options}), io or IoSettings(), notes, places)
    supervisor.open(run, "")
    try:
        yield Plant(supervisor, notes, config, places)
    finally:
        await supervisor.close()


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, list[int]]]:
    """When servos were driven to failsafe by the parent, and where; they count as real ones."""
    found: list[tuple[float, list[int]]] = []

    def drive(channels: Sequence[PulseChannel]) -> list[str]:
        found.append((time.monotonic(), [channel.first_us for channel in channels]))
        return []

    def as_real(settings: Any) -> list[str]:
        return drive(child.pulse_channels(settings, child.Mapper(settings.servos, 0.0).failsafe_pulses()))

    monkeypatch.setattr(plan_module.Plan, "real", True)
    monkeypatch.setattr(plan_module, "drive_failsafe", as_real)
    return found


def test_without_a_configuration_there_is_no_loop_and_no_problem() -> None:
    async def scenario() -> None:
        async with plant(None) as it:
            await it.until(lambda: not it.supervisor._tasks)
            assert it.supervisor.state is LoopState.OFF
            assert it.supervisor.problems() == []
            with pytest.raises(SupervisorError, match="no control loop here") as refusal:
                await it.supervisor.start()
            assert refusal.value.kind == "Refused"

    asyncio.run(scenario())


def test_a_configuration_that_is_named_has_to_be_there() -> None:
    async def scenario() -> None:
        async with plant(None, config="other.toml") as it:
            await it.until(lambda: it.supervisor.state is LoopState.REFUSED)
            assert "other.toml" in it.supervisor.problems()[0]

    asyncio.run(scenario())


def test_a_broken_configuration_is_a_problem_with_the_text_of_the_check() -> None:
    async def scenario() -> None:
        async with plant(EMPTY + "[threads]\ncontrol_hz = 0\n") as it:
            await it.until(lambda: it.supervisor.state is LoopState.REFUSED)
            (problem,) = it.supervisor.problems()
            assert "control_hz is 0" in problem and f"{it.config}:" in problem
            # Mended, it runs.
            it.config.write_text(QUIET)
            assert await it.supervisor.reload() is LoopState.RUNNING
            assert it.supervisor.problems() == []
            pid = await it.running()
            # Broken again, what runs goes on.
            it.config.write_text("[nothing]")
            with pytest.raises(SupervisorError, match="is no section"):
                await it.supervisor.reload()
            assert await it.running() == pid
            assert len(it.supervisor.problems()) == 1

    asyncio.run(scenario())


def test_it_runs_and_ends_in_good_order() -> None:
    async def scenario() -> None:
        async with plant(QUIET + FAILSAFE) as it:
            pid = await it.running()
            await it.until(lambda: it.value("Status.control_ticks") > 50)
            assert it.supervisor.alive(1_000_000_000)
            assert await it.supervisor.stop() is LoopState.STOPPED
            assert not Path(f"/proc/{pid}").exists()
            assert it.notes.last["Servo.Pulse0"] == 1250
            assert it.notes.remembered == (False, "")
            with pytest.raises(SupervisorError) as refusal:
                await it.supervisor.stop()
            assert refusal.value.kind == "AlreadyStopped"
            assert await it.supervisor.start() is LoopState.RUNNING
            with pytest.raises(SupervisorError) as refusal:
                await it.supervisor.start()
            assert refusal.value.kind == "AlreadyRunning"
        assert not any(level == "ERROR" for level, _ in it.notes.records), it.notes.records

    asyncio.run(scenario())


def test_stopped_it_stays_stopped() -> None:
    async def scenario() -> None:
        async with plant(QUIET, run=False) as it:
            await it.until(lambda: it.supervisor.state is LoopState.STOPPED)
            assert await it.supervisor.reload() is LoopState.STOPPED
            assert it.supervisor.process is None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "did not end in time"), (signal.SIGTERM, "end")]
)
def test_a_dead_or_hanging_process_leaves_servos_in_failsafe_and_is_replaced(
    driven: list[tuple[float, list[int]]], number: signal.Signals, words: str
) -> None:
    async def scenario() -> None:
        async with plant(QUIET + FAILSAFE) as it:
            pid = await it.running()
            await it.until(lambda: it.value("Status.control_ticks") > 10)
            driven.clear()
            began = time.monotonic()
            os.kill(pid, number)
            await it.running(not_pid=pid)
            assert driven[0][1] == [1250] * 4
            # The bound of the loop's heartbeat, and what a busy machine adds.
            assert driven[0][0] - began < 4.0
            assert words in it.supervisor.last_fault
            assert it.supervisor.restarts == 1
            assert it.notes.remembered is not None and it.notes.remembered[0] is True
            await it.until(lambda: it.value("Servo.Reason") == Reason.NONE)

    asyncio.run(scenario())


RAISING = """\
#!{python} -sSPB
import sys
from pilotlight.io.pulse import SimulatedPulses
from pilotlight.io.sensors import ComputedAir
from pilotlight.runtime.control import __main__ as process
from pilotlight.runtime.control.devices import Devices

class Motion:
    ready = True
    polls = 0

    def start(self): ...

    def poll(self, now_ns):
        self.polls += 1
        if self.polls > 100:
            raise ZeroDivisionError("a mistake in a driver")
        return None

def open_devices(settings, switch, link):
    servos = SimulatedPulses([servo.neutral_pwm_us for servo in settings.servos])
    servos.start(1)
    return Devices(Motion(), ComputedAir(), servos, switch, 0)

process.open_devices = open_devices
sys.exit(process.main(sys.argv[7:]))
"""


WITH_DEVICES = """\
#!{python} -sSPB
import sys
from pilotlight.io.pulse import SimulatedPulses
from pilotlight.io.sensors import ComputedAir, ComputedMotion
from pilotlight.runtime.control import __main__ as process
from pilotlight.runtime.control.devices import Devices

def open_devices(settings, switch, link):
    servos = SimulatedPulses([servo.neutral_pwm_us for servo in settings.servos])
    servos.start(1)
    return Devices(ComputedMotion(), ComputedAir(), servos, switch, 0)

process.open_devices = open_devices
sys.exit(process.main(sys.argv[7:]))
"""


def test_an_exception_in_the_process_is_told_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text(RAISING.format(python=sys.executable))
    script.chmod(0o755)

    async def scenario() -> None:
        async with plant(QUIET + FAILSAFE, restarts=1) as it:
            with monkeypatch.context() as broken:
                broken.setattr(sys, "executable", str(script))
                await it.running()
            await it.until(lambda: it.notes.last.get("Servo.Pulse0") == 1250)
            assert "ZeroDivisionError: a mistake in a driver" in it.supervisor.last_fault
            await it.running()

    asyncio.run(scenario())


def test_too_many_faults_end_in_error_until_somebody_starts_it() -> None:
    async def scenario() -> None:
        async with plant(QUIET, restarts=1) as it:
            pid = await it.running()
            os.kill(pid, signal.SIGKILL)
            pid = await it.running(not_pid=pid)
            os.kill(pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.state is LoopState.ERROR)
            assert "SIGKILL" in it.supervisor.problems()[0]
            assert it.supervisor.process is None
            assert await it.supervisor.start() is LoopState.RUNNING
            assert it.supervisor.problems() == []

    asyncio.run(scenario())


def test_external_workers_stay_attached_over_a_fault_and_until_nobody_serves_them() -> None:
    async def scenario() -> None:
        async with plant(QUIET, restarts=1) as it:
            pid = await it.running()
            worker = it.worker()
            os.kill(pid, signal.SIGKILL)
            pid = await it.running(not_pid=pid)
            assert worker.current()
            os.kill(pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.state is LoopState.ERROR)
            assert not worker.current()
            worker.close()
            await it.supervisor.start()
            worker = it.worker()
            await it.supervisor.stop()
            assert not worker.current()
            worker.close()

    asyncio.run(scenario())


def test_a_loop_that_is_ended_while_it_waits_leaves_no_mailbox() -> None:
    async def scenario() -> None:
        async with plant(QUIET) as it:
            pid = await it.running()
            worker = it.worker()
            os.kill(pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.state is LoopState.WAITING)
            assert worker.current()
        assert not worker.current()
        worker.close()

    asyncio.run(scenario())


NO_SENSOR = '[runtime]\nsim_mode = false\nallow_auto_sim_fallback = {}\n[imu]\nspi_device = "/dev/spidev9.7"\n'


def test_devices_that_do_not_start_are_a_fault() -> None:
    async def scenario() -> None:
        async with plant(QUIET + NO_SENSOR.format("false"), restarts=0) as it:
            await it.until(lambda: it.supervisor.state is LoopState.ERROR)
            assert "spidev" in it.supervisor.last_fault
            with pytest.raises(SupervisorError, match="did not start"):
                await it.supervisor.start()

    asyncio.run(scenario())


def test_the_configuration_may_allow_simulated_devices_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    driven = []
    monkeypatch.setattr(child, "drive_safe", lambda channels: driven.append([each.first_us for each in channels]) or [])
    channels = "".join(f"[servo{number}]\nchannel = {number}\n" for number in range(4))
    text = QUIET + FAILSAFE + channels + NO_SENSOR.format("true") + "[actuator]\nuse_hardware = true\n"

    async def scenario() -> None:
        async with plant(text) as it:
            await it.running()
            assert driven == [[1250] * 4], "servos that were started do not stay where they were"
            await it.until(lambda: it.value("Status.imu_ticks") > 10)
            assert it.value("Status.sim_mode") is True
            assert "simulated" in it.supervisor.problems()[0]
            await it.supervisor.stop()
            await it.supervisor.start()
            assert len(driven) == 2, "a start tries the real devices again"

    asyncio.run(scenario())


def test_devices_that_fail_in_flight_are_waited_for_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text(WITH_DEVICES.format(python=sys.executable))
    script.chmod(0o755)

    async def scenario() -> None:
        async with plant(QUIET + NO_SENSOR.format("true"), restarts=1) as it:
            with monkeypatch.context() as present:
                present.setattr(sys, "executable", str(script))
                pid = await it.running()
            os.kill(pid, signal.SIGKILL)
            await it.until(lambda: it.supervisor.state is LoopState.ERROR)
            assert it.supervisor.plan is not None and it.supervisor.plan.real
            assert "spidev" in it.supervisor.last_fault

    asyncio.run(scenario())


def test_a_new_configuration_does_not_move_servos_that_the_old_one_drove(driven: list[tuple[float, list[int]]]) -> None:
    async def scenario() -> None:
        async with plant(QUIET + FAILSAFE) as it:
            pid = await it.running()
            session = it.supervisor._session
            assert session is not None
            session._guard.forget(session.process)
            os.kill(pid, signal.SIGSTOP)  # it has to be killed: servos are driven from here
            driven.clear()
            it.config.write_text(QUIET + FAILSAFE.replace("-0.5", "0.5"))
            await it.supervisor.reload()
            assert [pulses for _, pulses in driven] == [[1250] * 4]

    asyncio.run(scenario())


def test_a_line_that_is_not_there_is_a_fault_with_its_name() -> None:
    text = QUIET + '[killswitch]\nenabled = true\nchip = "sim0"\ngpio = 40\n'

    async def scenario() -> None:
        async with plant(text, io=IoSettings({}, SimulatedSettings("sim0", 8)), restarts=0) as it:
            await it.until(lambda: it.supervisor.state is LoopState.ERROR)
            assert "40" in it.supervisor.last_fault

    asyncio.run(scenario())


def test_its_time_may_be_limited() -> None:
    async def scenario() -> None:
        async with plant(QUIET + "[runtime]\nrun_duration_s = 0.3\n") as it:
            await it.running()
            await it.until(lambda: it.supervisor.state is LoopState.STOPPED)
            assert it.notes.remembered is None, "it runs again after a restart of the device"

    asyncio.run(scenario())


def test_a_process_that_does_not_end_is_killed_and_servos_driven(driven: list[tuple[float, list[int]]]) -> None:
    async def scenario() -> None:
        async with plant(QUIET + FAILSAFE, start_timeout_ms=10_000) as it:
            pid = await it.running()
            session = it.supervisor._session
            assert session is not None
            session._guard.forget(session.process)  # or it would be quicker
            os.kill(pid, signal.SIGSTOP)
            driven.clear()
            await it.supervisor.stop()
            assert not Path(f"/proc/{pid}").exists()
            assert driven and driven[-1][1] == [1250] * 4

    asyncio.run(scenario())


def test_restarts_wait_longer_each_time_and_are_bounded() -> None:
    restarts = Restarts(10)
    delays = [restarts.after_fault(float(n)) for n in range(11)]
    assert delays[0] == FIRST_S
    assert delays[1] == 2 * FIRST_S
    assert delays[9] == LONGEST_S
    assert delays[10] is None
    assert restarts.after_fault(10.0 + WITHIN_S) == FIRST_S
    restarts.forget()
    assert restarts.after_fault(11.0 + WITHIN_S) == FIRST_S
    assert Restarts(0).after_fault(0.0) is None
