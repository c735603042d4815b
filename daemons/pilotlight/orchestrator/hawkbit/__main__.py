# SPDX-License-Identifier: Apache-2.0
"""Start-up of the fleet door, and its one worker."""

from __future__ import annotations

import os
import random
import sys
import threading
import time

from pilotlight.daemon import (
    Context,
    DaemonError,
    SettingsError,
    StateFile,
    load_settings,
    logger,
    run,
    state_directory,
)

from .delays import Delays
from .device import Device
from .fetching import Stopped
from .fleet import Fleet
from .job import Kept
from .messages import BadAnswer
from .server import Server, ServerError
from .settings import HawkbitSettings

SILENCE_S = 300.0
"""A worker that shows no sign of life for so long hangs: more than any single wait."""
BEAT_S = 5.0

log = logger("hawkbit")


class Worker:
    """The thread that talks to the server; it is ended with the process."""

    def __init__(self, settings: HawkbitSettings, server: Server) -> None:
        file = StateFile(state_directory("hawkbit") / "action.json", Kept)
        self.beat = time.monotonic()
        self._stop = threading.Event()
        self._fleet = Fleet(settings, server, Device(), file, self.pause, random.random)
        self._thread = threading.Thread(target=self._run, name="hawkbit", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end at its next wait."""
        self._stop.set()

    def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped when the daemon stops."""
        end = time.monotonic() + seconds
        while True:
            self.beat = time.monotonic()
            if self._stop.wait(max(0.0, min(BEAT_S, end - self.beat))):
                raise Stopped("the daemon stops")
            if time.monotonic() >= end:
                return

    def _run(self) -> None:
        delays, problem = Delays(), ""
        try:
            while True:
                try:
                    wait = self._fleet.round()
                    delays.success()
                    problem = ""
                except (ServerError, BadAnswer, DaemonError, OSError) as error:
                    wait = delays.after_failure(random.random(), getattr(error, "wait_s", 0.0))
                    if str(error) != problem:
                        problem = str(error)
                        log.warning(f"{problem}; the device goes on and tries again", event="hawkbit-failed")
                self.pause(wait)
        except Stopped:
            return


async def main(context: Context) -> None:
    """Poll until the end."""
    settings = load_settings(HawkbitSettings, "hawkbit")
    if not settings.url:
        context.ready("no server is set")
        await context.stop.wait()
        return
    try:
        server = Server(settings, settings.controller or os.uname().nodename)
    except (OSError, BadAnswer) as error:
        raise SettingsError(f"hawkbit.yaml: {error}; nothing is asked of the server") from None
    worker = Worker(settings, server)
    context.healthy = lambda: time.monotonic() - worker.beat < SILENCE_S
    worker.start()
    context.ready(f"polls {server.root}")
    try:
        await context.stop.wait()
    finally:
        worker.stop()


if __name__ == "__main__":
    sys.exit(run("hawkbit", main))
