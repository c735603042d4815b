# SPDX-License-Identifier: Apache-2.0
"""Looks at the appliance: systemd and the runtime over the bus, the web over TLS, the kernel's tables. All bounded."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pilotlight.daemon import Client, DaemonError, load_settings

from .core import Daemon, Look, mounted

SYSTEMD = "org.freedesktop.systemd1"
BUS_TIMEOUT_S = 20.0
WEB_TIMEOUT_S = 20.0
RUNTIME = "io.pilotlight.Runtime1"


class WebSettings(msgspec.Struct, frozen=True):
    """Where the web listens: the part of its settings that matters here."""

    bind: str = ""
    port: int = 8443


class Appliance:
    """The running appliance; `root` is where the kernel's files are, for tests."""

    def __init__(self, daemons: Sequence[str], root: Path = Path("/")) -> None:
        self._daemons, self._root = daemons, root
        self._systemd = Client(f"{SYSTEMD}.Manager", BUS_TIMEOUT_S, name=SYSTEMD, path="/" + SYSTEMD.replace(".", "/"))
        self._runtime = Client(RUNTIME, BUS_TIMEOUT_S)

    def look(self, slot: str) -> Look:
        """One look; `slot` is why it is not known which slot runs."""
        daemons: list[Daemon] = []
        systemd = program = ""
        try:
            daemons = self._units()
        except DaemonError as error:
            systemd = str(error)
        try:
            program = str(self._runtime.get("State"))
        except DaemonError:
            program = ""
        mounts = _text(self._root / "proc/self/mountinfo")
        base = mounted(mounts, "/")
        device = _text(self._root / f"sys/dev/block/{base.device}/dm/uuid") if base else ""
        return Look(daemons, systemd, program, web_problem(), mounts, device, slot)

    def _units(self) -> list[Daemon]:
        names = [f"pilotlight-{name}.service" for name in self._daemons]
        listed = self._systemd.call("ListUnitsByNames", names, signature="as")
        found = []
        for unit in listed:
            name, active, path = str(unit[0]), str(unit[3]), str(unit[6])
            since = 0
            if active == "active":
                since = Client(f"{SYSTEMD}.Unit", BUS_TIMEOUT_S, name=SYSTEMD, path=path).get(
                    "ActiveEnterTimestampMonotonic"
                )
            age = time.monotonic() - since / 1e6 if since else 0.0
            found.append(Daemon(name.removeprefix("pilotlight-").removesuffix(".service"), active, age))
        return found

    def mark_good(self) -> None:
        """Have RAUC mark the running slot good, which commits it. Raises DaemonError."""
        installer = Client("de.pengutronix.rauc.Installer", 60.0, name="de.pengutronix.rauc", path="/")
        installer.call("Mark", "good", "booted", signature="ss")

    def restart(self) -> None:
        """Begin an orderly restart of the machine. Raises DaemonError."""
        self._systemd.call("StartUnit", "reboot.target", "replace-irreversibly", signature="ss")


def web_problem() -> str:
    """Why the web does not answer a request from this machine; empty when it does."""
    try:
        settings = load_settings(WebSettings, "web")
    except DaemonError as error:
        return str(error)
    # The device makes its own certificate; what is asked here is whether somebody answers at all.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = (settings.bind or "127.0.0.1", settings.port)
    try:
        with (
            socket.create_connection(address, WEB_TIMEOUT_S) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = secure.recv(64).split(b"\r\n")[0].decode("ascii", "replace")
    except OSError as error:
        return str(error)
    return "" if status.startswith("HTTP/1.1 ") and status[9:10] in "234" else f"its answer is '{status}'"


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
