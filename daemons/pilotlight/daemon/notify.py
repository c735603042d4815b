# SPDX-License-Identifier: Apache-2.0
"""Talking to systemd: ready, status, watchdog. Without systemd every call does nothing."""

from __future__ import annotations

import os

from sdnotify import SystemdNotifier

SEND_TIMEOUT_S = 1.0


class Notifier:
    """The notification socket of this process."""

    def __init__(self) -> None:
        self._systemd = SystemdNotifier()
        if self._systemd.socket is not None:
            self._systemd.socket.settimeout(SEND_TIMEOUT_S)

    def ready(self, status: str) -> None:
        """Tell that start-up is complete."""
        self._send("READY=1", status)

    def status(self, text: str) -> None:
        """One line about the present state, shown by ``systemctl status``."""
        self._send(None, text)

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._send("STOPPING=1", "stopping")

    def watchdog(self) -> None:
        """Tell that the main loop is alive."""
        self._systemd.notify("WATCHDOG=1")

    def _send(self, state: str | None, status: str) -> None:
        line = "STATUS=" + " ".join(status.split())
        text = f"{state}\n{line}" if state else line
        # sdnotify encodes in Latin-1 and drops what does not fit: hand it the UTF-8 bytes as such.
        self._systemd.notify(text.encode().decode("latin-1"))


def watchdog_interval_s(environment: os._Environ[str] | dict[str, str], pid: int) -> float | None:
    """How often to ping: a third of WATCHDOG_USEC; None when systemd does not watch this process."""
    try:
        limit = int(environment.get("WATCHDOG_USEC", "0"))
        watched = int(environment.get("WATCHDOG_PID", str(pid)))
    except ValueError:
        return None
    return limit / 3e6 if limit > 0 and watched == pid else None
