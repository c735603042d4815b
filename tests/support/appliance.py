# SPDX-License-Identifier: Apache-2.0
"""What the scenarios need of a running appliance, be it a container or an emulated machine."""

import json
from typing import Any, Protocol

from tests.support.editor import deadline

DAEMONS = {
    "runtime": "Runtime1",
    "igniter": "Igniter1",
    "netmon": "NetMon1",
    "web": "Web1",
    "orchestrator": "Orchestrator1",
}


class Appliance(Protocol):
    """A running appliance: a root shell, an address, and one input and one output line."""

    url: str
    request_s: float
    """How long it may take to answer one request, in seconds."""

    def execute(self, command: str, timeout_s: float = 60.0) -> tuple[int, str]:
        """Run a shell command as root; its exit code and its output."""

    def write(self, path: str, data: bytes) -> None:
        """Put a small text file (a few KiB) there."""

    def set_input(self, value: bool) -> None:
        """Drive the line that `%IX0.0` reads."""

    def output(self) -> bool:
        """The level of the line that `%QX0.0` drives, read from outside the runtime."""


def run(appliance: Appliance, command: str, timeout_s: float = 60.0) -> str:
    """Output of a command that must succeed."""
    code, output = appliance.execute(command, timeout_s)
    assert code == 0, f"{command!r} ended with {code}: {output}"
    return output


def bus(appliance: Appliance, daemon: str, method: str, *arguments: str) -> Any:
    """Call a method of a daemon over the bus as root; the reply as `busctl` decodes it, None when there is none."""
    name = f"io.pilotlight.{DAEMONS[daemon]}"
    path = f"/io/pilotlight/{DAEMONS[daemon]}"
    words = " ".join([name, path, name, method, *arguments])
    reply = run(appliance, f"busctl --json=short call {words}")
    return json.loads(reply)["data"] if reply.strip() else None


def bus_property(appliance: Appliance, daemon: str, name: str) -> Any:
    interface = f"io.pilotlight.{DAEMONS[daemon]}"
    path = f"/io/pilotlight/{DAEMONS[daemon]}"
    return json.loads(run(appliance, f"busctl --json=short get-property {interface} {path} {interface} {name}"))["data"]


def unit_property(appliance: Appliance, daemon: str, name: str) -> str:
    return run(appliance, f"systemctl show --value -p {name} pilotlight-{daemon}").strip()


def wait_until_active(appliance: Appliance, daemon: str, not_pid: str, patience_s: float) -> str:
    """Wait until a daemon is ready again under another process; its new process number."""
    seen = ""
    for _ in deadline(patience_s, every_s=0.1):
        state, pid = unit_property(appliance, daemon, "ActiveState"), unit_property(appliance, daemon, "MainPID")
        seen = f"{state} as {pid}"
        if state == "active" and pid not in ("0", not_pid):
            return pid
    raise AssertionError(f"{daemon} is {seen} after {patience_s} s")
