# SPDX-License-Identifier: Apache-2.0
"""The board `container`: the appliance's root file system with its own systemd, on the building machine.

    with Container(data) as appliance:
        code, output = appliance.exec(["systemctl", "is-system-running"])

The root is read-only; what the appliance keeps is in `data`. It has a network of its own with loopback alone; its port
8443 is reached through a port of this machine's loopback. Nothing of the host's network is changed.
"""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from image import debian, processes, web
from image.errors import BuildError
from image.forward import Forwarder
from image.steps import BUILD, in_use

ROOT = BUILD / "container" / "root"
PORT = 8443
START_TIMEOUT = 30.0  # seconds until systemd and the bus run
STOP_TIMEOUT = 15.0  # seconds for an orderly end
POLL = 0.05  # seconds
POWER_OFF = signal.SIGRTMIN + 4  # what systemd takes as "power off"
# An older nspawn does not know that Landlock only takes rights away.
LANDLOCK = "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"
BUS = "/run/dbus/system_bus_socket"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}


class Container:
    """A running appliance in a container; made once, started once, stopped once."""

    def __init__(self, data: Path, *, root: Path = ROOT, port: int = 0) -> None:
        """`data` is the folder that is its data partition; `port` this machine's port for its web (0: any free one).

        What it says on its console is kept beside `data`. Raises BuildError when the port is in use.
        """
        if not root.exists():
            raise BuildError(f"there is no root file system {root}: make it with './build-image.sh build container'")
        self.root = root
        self.data = data
        self.console = data.with_name(data.name + ".console.log")
        self.leader = 0
        self._forwarder = Forwarder(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()

    @property
    def url(self) -> str:
        """The address of the appliance's web page on this machine."""
        return f"https://localhost:{self._forwarder.port}"

    def __enter__(self) -> "Container":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and return when its systemd and its bus run.

        Raises BuildError, with the end of its console, when they do not.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        identity = machine_id(self.data)
        try:
            self._held.enter_context(in_use(self.root))
            with self.console.open("wb") as console:
                self._process = subprocess.Popen(
                    self._command(identity), stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                    start_new_session=True, preexec_fn=processes.end_with_parent(signal.SIGTERM),
                )  # fmt: skip
            self.leader = self._wait_for_leader(time.monotonic() + START_TIMEOUT)
            self._forwarder.start(self.leader, PORT)
        except BaseException:
            self.stop()
            raise

    def exec(self, argv: Sequence[str], *, timeout: float = 60.0, input: str = "") -> tuple[int, str]:
        """Run a command as root inside; returns its exit code and all that it printed.

        Raises subprocess.TimeoutExpired after `timeout` seconds; the command is then killed.
        """
        done = subprocess.run(
            self.enter(argv), input=input.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout.decode(errors="replace")

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside, for callers that want its streams."""
        return enter(self.leader, argv)

    def running(self) -> bool:
        """Whether it is still there."""
        return self._process is not None and self._process.poll() is None

    def wait_for_web(self, timeout: float) -> bool:
        """Wait until the web answers; False when it did not within `timeout` seconds or the container ended."""
        return web.wait(self._forwarder.port, timeout, self.running)

    def stop(self) -> None:
        """Power it off in good order, within bounds, and leave nothing behind."""
        if self._process is not None:
            if self.running() and self.leader:
                os.kill(self.leader, POWER_OFF)
            try:
                self._process.wait(STOP_TIMEOUT if self.leader else 0)
            except subprocess.TimeoutExpired:
                if self.running() and self.leader:
                    os.kill(self.leader, signal.SIGKILL)
                else:
                    self._process.terminate()
                self._process.wait()
            self._process = None
        self.leader = 0
        self._forwarder.stop()
        self._held.close()

    def tail(self, lines: int = 15) -> str:
        """The end of its console output."""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-lines:])

    def _command(self, identity: str) -> list[str]:
        return [
            *delegated(), "unshare", "--mount", "--propagation", "private", "--", str(debian.HOOKS / "container"),
            "--quiet", "--register=no", "--keep-unit", "--boot", "--read-only", f"--directory={self.root}",
            f"--bind={self.data}:/data", "--private-network", f"--machine=pilotlight-{os.getpid()}",
            "--hostname=pilotlight", f"--uuid={identity}", "--console=read-only",
            "--capability=CAP_IPC_LOCK,CAP_SYS_NICE", LANDLOCK,
            "--link-journal=no", "--resolv-conf=off", "--timezone=off",
        ]  # fmt: skip

    def _wait_for_leader(self, limit: float) -> int:
        assert self._process is not None
        while time.monotonic() < limit and self.running():
            leader = processes.leader(self._process.pid, processes.statuses())
            if leader is not None and Path(f"/proc/{leader}/root{BUS}").exists():
                return leader
            time.sleep(POLL)
        raise BuildError(f"the container did not start; the end of its console ({self.console}):\n{self.tail()}")


def delegated() -> list[str]:
    """On a host that runs systemd: what gives us a part of its control groups to use as we like."""
    if Path("/run/systemd/system").exists():
        return ["systemd-run", "--quiet", "--scope", "--property=Delegate=yes"]
    return []


def enter(leader: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` as root in the container whose system manager is process `leader`."""
    environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
    return [
        "nsenter",
        f"--target={leader}",
        *namespaces,
        "/usr/bin/env",
        "--chdir=/",
        "--ignore-environment",
        *environment,
        *argv,
    ]


def machine_id(data: Path) -> str:
    """The identity of the device whose data partition this is; made when it is not there yet."""
    path = data / "system" / "machine-id"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex + "\n")
    return path.read_text().strip()
