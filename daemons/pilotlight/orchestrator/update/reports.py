# SPDX-License-Identifier: Apache-2.0
"""Updates, slots and standing as D-Bus and the web tell them. No I/O."""

from __future__ import annotations

from typing import Any

from pilotlight.daemon import Typed

from .attempts import Attempt
from .slots import Slot


def attempt_report(attempt: Attempt) -> dict[str, Any]:
    """One update: times in Unix seconds, texts empty where nothing is known."""
    return {
        "Id": Typed("u", attempt.id),
        "Source": attempt.source,
        "Name": attempt.name,
        "User": attempt.user,
        "Started": Typed("t", int(attempt.started)),
        "Ended": Typed("t", int(attempt.ended)),
        "Forced": attempt.forced,
        "Version": attempt.version,
        "Before": attempt.before,
        "Slot": attempt.slot,
        "Outcome": str(attempt.outcome),
        "Reason": attempt.reason,
    }


def slot_report(slot: Slot) -> dict[str, Any]:
    """One slot."""
    return {
        "Name": slot.name,
        "Version": slot.version,
        "Installed": slot.installed,
        "Booted": slot.booted,
        "Committed": slot.committed,
        "Pending": slot.pending,
        "Good": slot.good,
        "Complete": slot.complete,
    }
