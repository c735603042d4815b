# SPDX-License-Identifier: Apache-2.0
"""Who may do what on an appliance, and what its real-time process is allowed: checked wherever one runs."""

import json
import shlex

from tests.support.appliance import DAEMONS, Appliance, bus_property, run

OPERATOR, READER, STRANGER = "pilotlight pilotlight-operator", "pilotlight", ""
SCAN_MEMORY_KIB = 25 * 1024
SCHED_FIFO = "1"


def as_user(appliance: Appliance, groups: str, command: str) -> tuple[int, str]:
    """Run a command as an unprivileged user who is in the named groups and nothing else."""
    numbers = [run(appliance, f"getent group {group}").split(":")[2] for group in groups.split()]
    belonging = f"--groups {','.join(numbers)}" if numbers else "--clear-groups"
    words = f"setpriv --reuid nobody --regid nogroup {belonging} sh -c {shlex.quote(command)}"
    return appliance.execute(words)


def call(daemon: str, method: str) -> str:
    """The command that calls a daemon's method over the bus."""
    name = DAEMONS[daemon]
    return f"busctl --json=short call io.pilotlight.{name} /io/pilotlight/{name} io.pilotlight.{name} {method}"


def introspection_documents_every_member(appliance: Appliance, daemon: str) -> None:
    """A person at the console finds out what a daemon offers."""
    name = DAEMONS[daemon]
    text = run(appliance, f"busctl introspect io.pilotlight.{name} /io/pilotlight/{name} io.pilotlight.{name}")
    assert ".Status" in text
    xml = run(appliance, f"busctl introspect --xml-interface io.pilotlight.{name} /io/pilotlight/{name}")
    interface = xml[xml.index(f'<interface name="io.pilotlight.{name}">') :]
    interface = interface[: interface.index("</interface>")]
    members = interface.count("<method ") + interface.count("<property ") + interface.count("<signal ")
    assert members > 1
    assert interface.count("io.pilotlight.Doc") >= members


def reading_is_for_the_group(appliance: Appliance, daemon: str) -> None:
    """Status is for those in group `pilotlight`, and for nobody else."""
    for groups in (OPERATOR, READER):
        code, output = as_user(appliance, groups, call(daemon, "Status"))
        assert code == 0, output
        assert json.loads(output)["data"][0]["Daemon"]["data"] == daemon
    code, output = as_user(appliance, STRANGER, call(daemon, "Status"))
    assert code != 0
    assert "denied" in output.lower()


def a_reader_cannot_command(appliance: Appliance) -> None:
    """Reading does not include commanding."""
    code, output = as_user(appliance, READER, call("runtime", "Stop"))
    assert code != 0
    assert "denied" in output.lower()
    # The operator gets past the policy: the verdict is the runtime's own.
    code, output = as_user(appliance, OPERATOR, call("runtime", "Stop"))
    assert "denied" not in output.lower()


def reading_tags_is_for_the_group(appliance: Appliance) -> None:
    """Segments are readable in group `pilotlight` and writable for their writer alone."""
    code, output = as_user(appliance, READER, "pilotlight tags read plc.Scan.State")
    assert code == 0, output
    assert as_user(appliance, READER, "echo x >> /run/pilotlight/segments/plc/segment")[0] != 0
    code, output = as_user(appliance, STRANGER, "pilotlight tags read plc.Scan.State")
    assert code != 0


def scan_is_real_time_locked_and_small(appliance: Appliance) -> None:
    """The scan process has its schedule and its memory, and no rights."""
    pid = bus_property(appliance, "runtime", "ScanPid")
    status = run(appliance, f"cat /proc/{pid}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert fields["Threads"].strip() == "1"
    assert int(fields["CapEff"], 16) == 0
    assert int(fields["VmLck"].split()[0]) > 0
    assert int(fields["VmRSS"].split()[0]) <= SCAN_MEMORY_KIB, fields["VmRSS"]
    policy = run(appliance, f"awk '{{print $41}}' /proc/{pid}/stat")
    assert policy.strip() == SCHED_FIFO
