# SPDX-License-Identifier: Apache-2.0
"""The control loop on the appliance: its rights, its life under the runtime, its files, its neighbours."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.appliance.conftest import Contained
from tests.support import access, scenarios
from tests.support.access import OPERATOR, READER, STRANGER, as_user, call
from tests.support.appliance import bus, bus_property, run, unit_property, wait_until_active
from tests.support.editor import Editor, deadline

ETC = "/etc/pilotlight"
STATUS = "/run/pilotlight/runtime/rt_status.txt"
SECTIONS = (
    "runtime modes threads timeouts ipc imu baro actuator servo0 servo1 servo2 servo3 estimator_cpp controller_cpp"
)
CONFIG = "".join(f"[{name}]\n" for name in SECTIONS.split()) + "[runtime]\nlog_period_ms = 100\n"
SETTINGS = "control: {set_points: {roll: plc.INSTANCE0.LEVEL, limit_rad: 3}}\n"
EXPOSURE_LIMIT = 2.0
IMU_STALE = 2
SOON_S = 20.0
BACK_S = 10.0 + 25.0  # the watchdog's time, and a start on a busy machine


def write(appliance: Contained, name: str, text: str) -> None:
    run(appliance, f"printf %s {shlex.quote(text)} > {ETC}/{name}")


def wait_for(appliance: Contained, state: str) -> None:
    seen = ""
    for _ in deadline(SOON_S, every_s=0.1):
        seen = bus_property(appliance, "runtime", "ControlState")
        if seen == state:
            return
    raise AssertionError(f"the loop is {seen}, not {state}: {bus_property(appliance, 'runtime', 'ControlFault')}")


def another_pid(appliance: Contained, before: int) -> int:
    for _ in deadline(SOON_S, every_s=0.05):
        pid = int(bus_property(appliance, "runtime", "ControlPid"))
        if pid not in (0, before):
            return pid
    raise AssertionError(f"no other process than {before}")


def tag(appliance: Contained, name: str) -> Any:
    return json.loads(run(appliance, f"pilotlight tags read --json control.{name}").splitlines()[0])["value"]


def wait_for_tag(appliance: Contained, name: str, wanted: float | bool) -> None:
    seen: Any = None
    for _ in deadline(SOON_S, every_s=0.1):
        seen = tag(appliance, name)
        if seen == wanted:
            return
    raise AssertionError(f"control.{name} is {seen}, not {wanted}")


@pytest.fixture(scope="module")
def loop(appliance: Contained) -> Iterator[Contained]:
    """The appliance with a running loop of simulated devices, as it was afterwards."""
    assert bus_property(appliance, "runtime", "ControlState") == "OFF"
    write(appliance, "control.toml", CONFIG)
    write(appliance, "runtime.yaml", SETTINGS)
    run(appliance, "systemctl restart pilotlight-runtime")
    wait_for(appliance, "RUNNING")
    yield appliance
    run(appliance, f"rm -f {ETC}/control.toml {ETC}/runtime.yaml /data/pilotlight/runtime/control.json")
    run(appliance, "systemctl restart pilotlight-runtime")
    assert bus_property(appliance, "runtime", "ControlState") == "OFF"


def test_the_process_is_real_time_locked_and_has_no_rights(loop: Contained) -> None:
    pid = bus_property(loop, "runtime", "ControlPid")
    status = run(loop, f"cat /proc/{pid}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert fields["Threads"].strip() == "1"
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["VmLck"].split()[0]) > 0
    policy, priority = run(loop, f"awk '{{print $41, $40}}' /proc/{pid}/stat").split()
    assert (policy, priority) == (access.SCHED_FIFO, "90")
    assert run(loop, f"readlink /proc/{pid}/ns/net") == run(
        loop, f"readlink /proc/{unit_property(loop, 'runtime', 'MainPID')}/ns/net"
    )


def test_its_tags_are_for_the_group(loop: Contained) -> None:
    read = "pilotlight tags read control.Status.control_ticks"
    assert as_user(loop, READER, read)[0] == 0
    assert as_user(loop, READER, "echo x >> /run/pilotlight/segments/control/segment")[0] != 0
    assert as_user(loop, STRANGER, read)[0] != 0


def test_the_status_file_is_whole_and_renewed(loop: Contained) -> None:
    first = dict(line.split("=") for line in run(loop, f"cat {STATUS}").splitlines())
    assert len(first) == 78
    assert (first["sim_mode"], first["last_failsafe_reason_name"]) == ("true", "none")
    for _ in deadline(SOON_S, every_s=0.2):
        now = dict(line.split("=") for line in run(loop, f"cat {STATUS}").splitlines())
        if int(now["control_ticks"]) > int(first["control_ticks"]):
            break
    else:
        raise AssertionError("the file is not written again")
    assert "control" in run(loop, "pilotlight control report --once --no-color")


def test_who_may_command_it(loop: Contained) -> None:
    for method in ("ControlStop", "ControlStart", "ControlReload"):
        code, output = as_user(loop, READER, call("runtime", method))
        assert code != 0
        assert "denied" in output.lower()
    code, output = as_user(loop, OPERATOR, call("runtime", "ControlStart"))
    assert code != 0
    assert "runs already" in output
    assert as_user(loop, READER, call("runtime", "ControlStatus"))[0] == 0


@pytest.mark.parametrize(("signal", "words"), [("KILL", "SIGKILL"), ("STOP", "did not end in time")])
def test_killed_or_frozen_it_is_back(loop: Contained, signal: str, words: str) -> None:
    pid = int(bus_property(loop, "runtime", "ControlPid"))
    run(loop, f"kill -{signal} {pid}")
    another_pid(loop, pid)
    assert words in bus_property(loop, "runtime", "ControlFault")
    assert loop.execute(f"test -e /proc/{pid}")[0] != 0
    wait_for(loop, "RUNNING")


def test_a_program_gives_it_set_points(loop: Contained, editor: Editor) -> None:
    scenarios.load_and_run(loop, editor, "follow")
    bus(loop, "runtime", "Force", "sv", "INSTANCE0.LEVEL", "n", "2")
    wait_for_tag(loop, "SetPoint.Roll", 2.0)
    bus(loop, "runtime", "Force", "sv", "INSTANCE0.LEVEL", "n", "4")
    wait_for_tag(loop, "SetPoint.Roll", 0.0)
    assert "beyond 3" in json.dumps(bus(loop, "runtime", "Status"))
    bus(loop, "runtime", "Unforce", "s", "INSTANCE0.LEVEL")


def test_a_broken_configuration_is_a_problem_and_what_ran_goes_on(loop: Contained) -> None:
    pid = bus_property(loop, "runtime", "ControlPid")
    write(loop, "control.toml", CONFIG.replace("log_period_ms", "log_period"))
    code, output = as_user(loop, OPERATOR, call("runtime", "ControlReload"))
    assert code != 0
    assert "did you mean log_period_ms?" in output
    assert "did you mean log_period_ms?" in json.dumps(bus(loop, "runtime", "Status"))
    assert bus_property(loop, "runtime", "ControlPid") == pid
    write(loop, "control.toml", CONFIG)
    assert bus(loop, "runtime", "ControlReload") == ["RUNNING"]


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_it_ends_with_the_runtime_and_comes_back_with_it(loop: Contained, signal: str) -> None:
    loop_pid = int(bus_property(loop, "runtime", "ControlPid"))
    daemon = unit_property(loop, "runtime", "MainPID")
    run(loop, f"kill -{signal} {daemon}")
    wait_until_active(loop, "runtime", daemon, BACK_S)
    assert loop.execute(f"test -e /proc/{loop_pid}")[0] != 0
    wait_for(loop, "RUNNING")


def test_the_bridge_to_a_simulator_comes_with_the_loop_and_goes_with_it(loop: Contained) -> None:
    exposure = run(loop, "systemd-analyze security --offline=true --no-pager pilotlight-simnet.service | tail -1")
    assert float(exposure.split(":")[1].split()[0]) <= EXPOSURE_LIMIT, exposure
    assert loop.execute("systemctl is-active pilotlight-simnet")[0] != 0
    write(loop, "control.toml", CONFIG + "[timeouts]\nimu_stale_ms = 200\n[sim_net]\nenabled = true\n")
    assert bus(loop, "runtime", "ControlReload") == ["RUNNING"]
    wait_for_tag(loop, "Servo.Reason", IMU_STALE)
    # The simulator flies for a while in the container's own network; the loop takes its samples and steers.
    flight = "/usr/bin/pilotlight control simulate --duration-sec 50"
    run(loop, f"systemd-run --collect --unit flight -p RuntimeMaxSec=60 {flight}")
    wait_for_tag(loop, "Status.sim_net_actuator_client_connected", True)
    wait_for_tag(loop, "Servo.Reason", 0)
    frames = tag(loop, "Status.sim_net_sensor_frames")
    assert frames > 0
    pid = run(loop, "systemctl show --value -p MainPID pilotlight-simnet").strip()
    run(loop, f"kill -STOP {pid}")
    wait_for_tag(loop, "Servo.Reason", IMU_STALE)
    run(loop, f"kill -KILL {pid}; systemctl stop flight")
    write(loop, "control.toml", CONFIG)
    assert bus(loop, "runtime", "ControlReload") == ["RUNNING"]
    for _ in deadline(SOON_S, every_s=0.2):
        if loop.execute("systemctl is-active pilotlight-simnet")[1].strip() == "inactive":
            return
    raise AssertionError("the bridge does not end")


def test_stopped_it_stays_stopped_over_a_restart(loop: Contained) -> None:
    assert bus(loop, "runtime", "ControlStop") == ["STOPPED"]
    run(loop, "systemctl restart pilotlight-runtime")
    wait_for(loop, "STOPPED")
    assert bus(loop, "runtime", "ControlStart") == ["RUNNING"]
    wait_for(loop, "RUNNING")
