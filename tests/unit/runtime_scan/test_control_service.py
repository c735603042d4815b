# SPDX-License-Identifier: Apache-2.0
"""The control loop as the runtime serves it on a bus: started, fed by a PLC program, watched, commanded, ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.daemon import DaemonError
from pilotlight.runtime import safe
from pilotlight.runtime.control import child
from pilotlight.runtime.control.recording import replay
from pilotlight.runtime.control.tools.status import KEYS, read_status
from pilotlight.tags import SegmentReader

from tests.programs.make import zip_of
from tests.unit.control.configs import EMPTY
from tests.unit.control.configs import HARDWARE as HARDWARE_BOARD
from tests.unit.runtime_scan.test_service import Daemon, until

RUNTIME_YAML = """
scan: {priority: 0, limit_ms: 500}
control:
  limit_ms: 1500
  set_points: {roll: plc.INSTANCE0.LEVEL, limit_rad: 3}
  recording: {enabled: true, keep: 2}
"""


def config(**runtime: object) -> str:
    """A loop of simulated devices with mailboxes of this test alone."""
    ipc = "".join(
        f'{key}_shm = "/pilotlight-test-{os.getpid()}-{key}"\n'
        for key in ("sensor_snapshot", "estimator_state", "controller_command")
    )
    keys = "".join(f"{key} = {value}\n" for key, value in {"log_period_ms": 50, **runtime}.items())
    quiet = "[threads]\ncontrol_priority = 0\n[timeouts]\nimu_stale_ms = 2000\nactuator_cmd_timeout_ms = 2000\n"
    return f"{EMPTY}[ipc]\n{ipc}[runtime]\n{keys}{quiet}"


def write(text: str) -> None:
    etc = Path(os.environ["PILOTLIGHT_ETC"])
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "control.toml").write_text(text)


class WithLoop(Daemon):
    """A runtime whose settings name a loop, and set-points for it."""

    def start(self) -> None:
        (Path(os.environ["PILOTLIGHT_ETC"]) / "runtime.yaml").write_text(RUNTIME_YAML)
        super().start()

    def until_state(self, state: str) -> None:
        until(lambda: self.client.get("ControlState") == state)


@pytest.fixture
def runtime(bus: str) -> Iterator[WithLoop]:
    write(config())
    daemon = WithLoop()
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.end()


def test_the_loop_lives_with_the_runtime(runtime: WithLoop) -> None:
    runtime.until_state("RUNNING")
    pid = runtime.client.get("ControlPid")
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "pilotlight-ctl"
    assert runtime.call("Status")["ControlState"] == "RUNNING"
    status = Path(os.environ["PILOTLIGHT_RUN"]) / "runtime" / "rt_status.txt"
    until(lambda: status.exists() and int(read_status(status)["control_ticks"]) > 50)
    assert list(read_status(status)) == list(KEYS)

    # Commands and their refusals.
    with pytest.raises(DaemonError) as refusal:
        runtime.call("ControlStart")
    assert refusal.value.dbus_name == "io.pilotlight.Error.AlreadyRunning"
    assert runtime.call("ControlStop") == "STOPPED"
    with pytest.raises(DaemonError) as refusal:
        runtime.call("ControlStop")
    assert refusal.value.dbus_name == "io.pilotlight.Error.AlreadyStopped"

    # Stopped, it stays stopped over a restart; the PLC beside it does not care.
    assert runtime.end() == 0
    runtime.start()
    runtime.until_state("STOPPED")
    assert runtime.call("ControlStart") == "RUNNING"

    # A crash is a fault, and the loop is back.
    pid = runtime.client.get("ControlPid")
    os.kill(pid, signal.SIGKILL)
    until(lambda: runtime.client.get("ControlPid") not in (0, pid))
    assert "SIGKILL" in runtime.client.get("ControlFault")
    answer = runtime.call("ControlStatus")
    assert (answer["State"], answer["Restarts"], answer["Simulated"]) == ("RUNNING", 1, True)
    assert "SIGKILL" in answer["LastFault"]

    # With the daemon killed the loop ends by itself.
    pid = runtime.client.get("ControlPid")
    runtime.end(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def test_every_run_of_the_loop_is_recorded_and_can_be_repeated(runtime: WithLoop) -> None:
    folder = Path(os.environ["PILOTLIGHT_STATE"]) / "runtime" / "flights"
    for number in (1, 2, 3):
        runtime.until_state("RUNNING")
        path = folder / f"flight-{number:06}.rec"
        until(lambda path=path: path.exists() and path.stat().st_size > 20_000)
        if number == 2:  # it dies
            os.kill(runtime.client.get("ControlPid"), signal.SIGKILL)
            until(lambda: runtime.call("ControlStatus")["Restarts"] == 1)
        else:
            runtime.call("ControlStop")
            if number == 1:
                runtime.call("ControlStart")
    assert runtime.end() == 0
    assert sorted(file.name for file in folder.iterdir()) == ["flight-000002.rec", "flight-000003.rec"]
    for file in folder.iterdir():
        found = replay(file)
        assert (found.problem, found.steps > 100) == ("", True)


def test_a_broken_configuration_is_a_problem_and_the_plc_goes_on(runtime: WithLoop) -> None:
    runtime.until_state("RUNNING")
    runtime.end()
    write(config(sim_mod="true"))
    runtime.start()
    runtime.until_state("REFUSED")
    status = runtime.call("Status")
    assert status["Healthy"] is False
    assert "runtime.sim_mod is no key; did you mean sim_mode?" in status["Problems"][0]
    assert runtime.upload(zip_of("follow"))["Status"] == "SUCCESS"
    assert runtime.client.get("State") == "RUNNING"
    with pytest.raises(DaemonError, match="is no key") as refusal:
        runtime.call("ControlReload")
    assert refusal.value.dbus_name == "io.pilotlight.Error.Failed"
    with pytest.raises(DaemonError) as refusal:
        runtime.call("ControlStart")
    assert refusal.value.dbus_name == "io.pilotlight.Error.WrongState"
    write(config())
    assert runtime.call("ControlReload") == "RUNNING"
    assert runtime.call("ControlStatus")["Refusal"] == ""


def test_a_plc_program_gives_set_points(runtime: WithLoop) -> None:
    runtime.until_state("RUNNING")
    until(lambda: "no program runs" in runtime.call("ControlStatus")["SetPointProblem"])
    assert runtime.upload(zip_of("follow"))["Status"] == "SUCCESS"
    reader = SegmentReader.open("control")
    runtime.call("Force", "INSTANCE0.LEVEL", 2)
    until(lambda: reader.read("SetPoint.Roll")[0].value == 2.0)
    assert runtime.call("ControlStatus")["SetPointProblem"] == ""
    # Beyond the limit it is ignored, and said.
    runtime.call("Force", "INSTANCE0.LEVEL", 4)
    until(lambda: reader.read("SetPoint.Roll")[0].value == 0.0)
    assert any("beyond 3" in problem for problem in runtime.call("Status")["Problems"])
    runtime.call("Force", "INSTANCE0.LEVEL", -1)
    until(lambda: reader.read("SetPoint.Roll")[0].value == -1.0)
    runtime.call("Stop")
    until(lambda: reader.read("SetPoint.Roll")[0].value == 0.0)
    reader.close()


def test_the_last_net_puts_servos_in_failsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    driven: list[list[int]] = []

    def drive(channels: list[child.PulseChannel]) -> list[str]:
        driven.append([channel.first_us for channel in channels])
        return ["servo on channel 3 keeps its pulse"]

    monkeypatch.setattr(child, "drive_safe", drive)
    assert safe.put_servos_in_failsafe() == []
    write(HARDWARE_BOARD + "[servo1]\nfailsafe_norm = 0.5\n[servo2]\nfailsafe_norm = 0.5\ndirection = -1\n")
    assert safe.put_servos_in_failsafe() == ["servo on channel 3 keeps its pulse"]
    assert driven == [[1500, 1750, 1250, 1500]]
    assert safe.main() == 1
    write("[nothing]")
    assert safe.main() == 1
