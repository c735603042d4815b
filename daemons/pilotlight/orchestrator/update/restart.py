# SPDX-License-Identifier: Apache-2.0
"""Restarts the device when the policy lets it: looks at the runtime, and leaves the request for systemd."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from pilotlight.daemon import Client, DaemonError, WrongState, logger, write_atomic

from .policy import Machine, RebootPolicy, Window, waits_for

PATIENCE_S = 180.0
"""For the device to go down; then the request is made again."""
RUNTIME = "io.pilotlight.Runtime1"

log = logger("orchestrator")


def leave_request(path: Path) -> None:
    """Leave the file that ``pilotlight-reboot.path`` waits for. Raises OSError."""
    write_atomic(path, b"reboot\n", 0o644)


async def runtime_state() -> str | None:
    """State of the runtime; None when it does not answer, and its outputs are safe."""
    try:
        return str(await Client(RUNTIME).aget("State"))
    except DaemonError:
        return None


class Restarts:
    """Decides once a second, while an update waits for a restart."""

    def __init__(
        self,
        state: Callable[[], Awaitable[str | None]],
        reboot: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.waits = ""
        """What a restart waits for, as the end of a sentence; empty when none is wanted, or it was asked for."""
        self._state, self._reboot, self._clock = state, reboot, clock
        self._seen: tuple[str | None, float] | None = None
        self._asked_at: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the device is going down, as far as this service can tell."""
        return self._asked_at is not None and self._clock() - self._asked_at < PATIENCE_S

    async def look(self, policy: RebootPolicy, when: Window | None) -> None:
        """An update waits: restart the device if it may be."""
        if self.asked:
            return
        machine = Machine(None, 0.0)
        if policy is RebootPolicy.STOPPED:
            state, now = await self._state(), self._clock()
            if self._seen is None or (self._seen[0] == "RUNNING") != (state == "RUNNING"):
                self._seen = (state, now)
            machine = Machine(state, now - self._seen[1])
        self.waits = waits_for(policy, when, datetime.now().astimezone(), machine)
        if not self.waits:
            self.now(f"policy “{policy}”")

    def forget(self) -> None:
        """No update waits any more."""
        self.waits, self._seen = "", None

    def now(self, reason: str) -> None:
        """Ask for a restart. Raises WrongState when the request cannot be left."""
        try:
            self._reboot()
        except OSError as error:
            raise WrongState(
                f"the restart could not be asked for ({error.strerror}); nothing was done. At the console: "
                "`systemctl reboot`"
            ) from None
        self._asked_at = self._clock()
        self.waits = ""
        log.warning(f"the device restarts: {reason}", event="update-restart", reason=reason)
