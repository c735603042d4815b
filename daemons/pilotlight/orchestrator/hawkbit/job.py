# SPDX-License-Identifier: Apache-2.0
"""The action that is under way, as it is kept over restarts, and what follows from it. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from .messages import Execution, Finished


class Stage(StrEnum):
    """How far an action is."""

    FETCHING = "fetching"
    FETCHED = "fetched"
    """Complete and checked; not installed, because the server says so, or because somebody else updates."""
    INSTALLING = "installing"
    """Handed over; until the device has restarted into it and it is confirmed."""
    CLOSING = "closing"
    """It has ended, and the server does not know yet."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An action of the server. ``update`` is the orchestrator's number; ``finished`` and ``details`` are what the
    server is to be told at the end; ``told`` is what it was told last."""

    action: str
    stage: Stage = Stage.FETCHING
    update: int = 0
    finished: Finished = Finished.NONE
    details: tuple[str, ...] = ()
    told: str = ""
    tries: int = 0


class Kept(msgspec.Struct, frozen=True):
    """The state file: the action under way, and the last one that ended."""

    job: Job | None = None
    last: str = ""


def closing(job: Job, finished: Finished, *details: str) -> Job:
    """The job, ended."""
    return msgspec.structs.replace(job, stage=Stage.CLOSING, finished=finished, details=details)


def after_update(job: Job, update: dict[str, Any] | None) -> tuple[Job, tuple[Execution, str] | None]:
    """What the orchestrator's history says of an installing job: the job as it is then, and what to tell meanwhile."""
    if update is None:
        return closing(job, Finished.FAILURE, "the device does not know this update any more"), None
    outcome, version, reason = update["Outcome"], update.get("Version", ""), update.get("Reason", "")
    if outcome == "done":
        return closing(job, Finished.SUCCESS, f"{version} runs and is confirmed"), None
    if outcome in ("refused", "failed", "rolled back", "withdrawn"):
        return closing(job, Finished.FAILURE, f"{outcome}: {reason}"), None
    meanwhile = {
        "installing": "the bundle is being installed",
        "pending": f"{version} is installed and waits for the restart",
        "trying": f"{version} runs and is not confirmed yet",
    }
    return job, (Execution.PROCEEDING, meanwhile.get(outcome, outcome))
