# SPDX-License-Identifier: Apache-2.0
"""Units, sandboxes and bus policy on the real systemd."""

import json

import pytest

from tests.appliance.conftest import Contained, as_user
from tests.support.appliance import DAEMONS, bus, bus_property, run, unit_property

EXPOSURE_LIMIT = 2.0

UNITS = [f"pilotlight-{name}.service" for name in DAEMONS]


OPERATOR, READER, STRANGER = "pilotlight pilotlight-operator", "pilotlight", ""


def call(daemon: str, method: str) -> str:
    name = DAEMONS[daemon]
    return f"busctl --json=short call io.pilotlight.{name} /io/pilotlight/{name} io.pilotlight.{name} {method}"


def test_system_is_running_without_failed_units(appliance: Contained) -> None:
    assert run(appliance, "systemctl list-units --failed --plain --no-legend") == ""
    assert appliance.execute("systemctl is-system-running")[1].strip() == "running"


def test_every_daemon_is_ready_and_watched(appliance: Contained) -> None:
    for daemon in DAEMONS:
        assert unit_property(appliance, daemon, "ActiveState") == "active"
        assert unit_property(appliance, daemon, "Type") == "notify"
        assert unit_property(appliance, daemon, "WatchdogUSec") == "10s"
        assert unit_property(appliance, daemon, "User") == f"pilotlight-{daemon}"


def test_systemd_verifies_the_units(appliance: Contained) -> None:
    code, output = appliance.execute(f"systemd-analyze verify --man=no {' '.join(UNITS)}")
    mine = [line for line in output.splitlines() if "pilotlight" in line]
    assert (code, mine) == (0, [])


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_low(appliance: Contained, unit: str) -> None:
    output = run(appliance, f"systemd-analyze security --offline=true --no-pager {unit} | tail -1")
    score = float(output.split(":")[1].split()[0])
    assert score <= EXPOSURE_LIMIT, output


@pytest.mark.parametrize("daemon", DAEMONS)
def test_introspection_documents_every_member(appliance: Contained, daemon: str) -> None:
    name = DAEMONS[daemon]
    text = run(appliance, f"busctl introspect io.pilotlight.{name} /io/pilotlight/{name} io.pilotlight.{name}")
    assert ".Status" in text
    xml = run(appliance, f"busctl introspect --xml-interface io.pilotlight.{name} /io/pilotlight/{name}")
    interface = xml[xml.index(f'<interface name="io.pilotlight.{name}">') :]
    interface = interface[: interface.index("</interface>")]
    members = interface.count("<method ") + interface.count("<property ") + interface.count("<signal ")
    assert members > 1
    assert interface.count("io.pilotlight.Doc") >= members


@pytest.mark.parametrize("daemon", DAEMONS)
def test_status_is_the_same_everywhere(appliance: Contained, daemon: str) -> None:
    status = bus(appliance, daemon, "Status")[0]
    assert {"Daemon", "Version", "Healthy", "Problems", "Started"} <= set(status)
    assert status["Daemon"]["data"] == daemon


@pytest.mark.parametrize("daemon", DAEMONS)
def test_who_may_read_over_the_bus(appliance: Contained, daemon: str) -> None:
    for groups in (OPERATOR, READER):
        code, output = as_user(appliance, groups, call(daemon, "Status"))
        assert code == 0, output
        assert json.loads(output)["data"][0]["Daemon"]["data"] == daemon
    code, output = as_user(appliance, STRANGER, call(daemon, "Status"))
    assert code != 0
    assert "denied" in output.lower()


def test_a_reader_cannot_command(appliance: Contained) -> None:
    code, output = as_user(appliance, READER, call("runtime", "Stop"))
    assert code != 0
    assert "denied" in output.lower()
    # The operator gets past the policy: the verdict is the runtime's own.
    code, output = as_user(appliance, OPERATOR, call("runtime", "Stop"))
    assert "denied" not in output.lower()


def test_who_may_read_tags(appliance: Contained) -> None:
    code, output = as_user(appliance, READER, "pilotlight tags read plc.Scan.State")
    assert code == 0, output
    assert as_user(appliance, READER, "echo x >> /run/pilotlight/segments/plc/segment")[0] != 0
    code, output = as_user(appliance, STRANGER, "pilotlight tags read plc.Scan.State")
    assert code != 0


def test_igniter_refuses_to_arm_and_says_why(appliance: Contained) -> None:
    code, output = appliance.execute(call("igniter", "Arm") + " u 1")
    assert code != 0
    assert "arm" in output.lower()


def test_scan_is_real_time_locked_and_small(appliance: Contained) -> None:
    pid = bus_property(appliance, "runtime", "ScanPid")
    status = run(appliance, f"cat /proc/{pid}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert fields["Threads"].strip() == "1"
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["VmLck"].split()[0]) > 0
    assert int(fields["VmRSS"].split()[0]) <= 25 * 1024
    policy = run(appliance, f"awk '{{print $41}}' /proc/{pid}/stat")
    assert policy.strip() == "1", "the scan is not SCHED_FIFO"
