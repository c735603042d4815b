# SPDX-License-Identifier: Apache-2.0
"""Where updates stand, as people see it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .attempts import Attempt, Outcome


@dataclass(frozen=True)
class Standing:
    """A word, percent of the present step, a sentence."""

    state: str = "idle"
    progress: int = 0
    text: str = ""


def at_rest(current: Attempt | None, latest: Attempt | None, *, restarting: bool, waits: str) -> Standing:
    """Between installations: by the attempt that is open, if one is, and the newest; ``waits`` is what a restart waits
    for."""
    if restarting:
        return Standing("rebooting", 100, "The device restarts")
    if current is not None:
        what = current.version or current.name
        if current.outcome is Outcome.PENDING:
            more = f"; that waits for {waits}" if waits else ""
            return Standing("pending", 100, f"{what} is used from the next restart on{more}")
        if current.outcome is Outcome.TRYING:
            return Standing("trying", 100, f"{what} runs and is not confirmed yet")
    return Standing("idle", 0, latest.reason if latest is not None else "")
