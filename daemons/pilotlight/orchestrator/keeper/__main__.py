# SPDX-License-Identifier: Apache-2.0
"""Carries out the request on its standard input, a socket of the orchestrator. Started by systemd for each request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pilotlight.daemon import DaemonError, InvalidArgument, logger

from ..backup.create import create
from ..backup.device import inspected, now, summary, this_device
from ..backup.restore import stage
from ..reset.marker import ask_for_reset
from .protocol import Answer, Request, receive

REQUEST_S = 10.0

log = logger("keeper")


@dataclass(frozen=True)
class Keeper:
    """Where it works, and how the device restarts."""

    data: Path
    boot: Path
    restart: Callable[[], None]

    def answer(self, request: Request, descriptor: int | None) -> Answer:
        """Do it; whatever goes wrong is in the answer."""
        try:
            details = self._do(request, descriptor)
        except DaemonError as error:
            log.warning(f"{request.verb} for {request.user}: {error}", event="keeper-refused", user=request.user)
            return Answer(error.dbus_name, str(error))
        except OSError as error:
            log.error(f"{request.verb} for {request.user}: {error}", event="keeper-failed", user=request.user)
            return Answer(DaemonError.dbus_name, f"{request.verb} failed: {error}; what is in use was not changed")
        log.warning(
            f"{request.verb} for {request.user}: done", event="keeper-done", user=request.user, verb=request.verb
        )
        return Answer(details=details)

    def _do(self, request: Request, descriptor: int | None) -> dict[str, Any]:
        if request.verb == "factory-reset":
            ask_for_reset(self.boot, f"Asked for by {request.user} over D-Bus.")
            self.restart()
            return {}
        if descriptor is None:
            raise InvalidArgument("a descriptor of a file is missing; nothing was done")
        if request.verb == "backup":
            with os.fdopen(os.dup(descriptor), "wb") as target:
                return summary(create(self.data, target, this_device(), now(), request.passphrase))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            if request.verb == "inspect":
                return inspected(file, request.passphrase)
            details = summary(stage(self.data, file, this_device(), request.user, request.passphrase))
        if request.restart:
            self.restart()
        return details


def restart() -> None:
    """Restart the device in order."""
    subprocess.run(["/usr/bin/systemctl", "--no-block", "reboot"], check=True)


def main() -> int:
    """One request."""
    keeper = Keeper(Path("/data"), Path(os.environ.get("PILOTLIGHT_BOOT_CONFIG", "/boot/config")), restart)
    with socket.socket(fileno=os.dup(0)) as link:
        link.settimeout(REQUEST_S)
        try:
            request, descriptor = receive(link)
        except (ValueError, OSError) as error:
            log.warning(f"no request came: {error}", event="keeper-no-request")
            return 1
        link.settimeout(None)
        link.sendall(msgspec.json.encode(keeper.answer(request, descriptor)) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
