# SPDX-License-Identifier: Apache-2.0
"""``python3 -m pilotlight.orchestrator.health``: judges the running slot once, after a start.

Exit codes: 0 fit; 1 not fit, said why on a committed slot; 2 not fit on trial, and the machine restarts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from pilotlight.daemon import DaemonError, logger

from ..boot import __main__ as handler
from ..boot import core as boot
from ..boot import store
from ..boot.core import Refused
from ..boot.store import Places
from ..core import DAEMONS
from .core import Look, Wanted, reasons

SETTLE_S = 20.0  # longer than a daemon's watchdog takes to notice
DEADLINE_S = 300.0
POLL_S = 2.0

log = logger("health")


class Judged(Protocol):
    """What the gate needs of an appliance."""

    def look(self, slot: str) -> Look: ...
    def mark_good(self) -> None: ...
    def restart(self) -> None: ...


def judge(appliance: Judged, wanted: Wanted, slot: str, deadline_s: float, sleep: Callable[[float], None]) -> list[str]:
    """Look until all is well, or the time is over: then why it is not. `slot` is why the slot is not known."""
    end = time.monotonic() + deadline_s
    while found := reasons(appliance.look(slot), wanted):
        if time.monotonic() >= end:
            break
        sleep(POLL_S)
    return found


def run(
    appliance: Judged, root: Path, settle_s: float, deadline_s: float, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Judge the running slot and do what follows from it; the exit code. `root` is the root directory."""
    places = Places(str(root))
    with store.Lock(places):
        configuration, facts = store.load(places), store.facts(places)
        store.publish(places, handler.status(configuration, facts))
    trial, pending, slot = boot.on_trial(configuration, facts), configuration.pending, ""
    try:
        running = boot.current(facts)
    except Refused as error:
        running, slot = "", str(error)
    wanted = Wanted(DAEMONS, settle_s, program_runs=bool(trial and pending and pending.ran))
    found = judge(appliance, wanted, slot, deadline_s, sleep)
    if not found and (trial or running not in configuration.good):
        try:
            appliance.mark_good()
        except DaemonError as error:
            found = [f"it could not be marked good, so it could not be updated any more: {error}"]
    if not found:
        log.info(f"slot {running} is fit for its work{', and committed' if trial else ''}", event="healthy")
        return 0
    for reason in found:
        log.error(f"not fit: {reason}", event="unhealthy")
    if not trial:
        return 1
    log.error("the trial has failed: the machine restarts into the old slot", event="trial-failed")
    handler.main(["fail", *found], str(root))
    appliance.restart()
    return 2


def main(arguments: Sequence[str]) -> int:
    """Entry."""
    parser = argparse.ArgumentParser(prog="pilotlight.orchestrator.health", description="Judge the running slot.")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds each daemon must have been ready")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="seconds until it has to be fit")
    options = parser.parse_args(arguments)
    # Loaded late: the bus is slow to load, and everything else starts at this time.
    from .look import Appliance

    try:
        return run(Appliance(DAEMONS), Path("/"), options.settle, options.deadline)
    except Refused as error:
        log.error(f"nothing was judged: {error}", event="unhealthy")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
