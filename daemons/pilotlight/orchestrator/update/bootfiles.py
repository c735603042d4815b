# SPDX-License-Identifier: Apache-2.0
"""What the boot handler lets everybody read: which slot runs and which starts next, and how trials ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from pilotlight.daemon import state_directory

from .slots import BootState

SIZE_LIMIT = 1 << 18


class _Status(msgspec.Struct):
    """The part of ``status.json`` that matters here."""

    current: str
    committed: str
    primary: str


class BootFiles:
    """Reads the files anew each time; what cannot be read says nothing."""

    def __init__(self, status: Path | None = None, outcomes: Path | None = None) -> None:
        run = Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight"))
        self._status = status or run / "boot/status.json"
        self._outcomes = outcomes or state_directory("boot") / "outcomes.json"

    def state(self) -> BootState | None:
        """The slots' part in starting; None where there are no slots, or nothing is known yet."""
        found = _decode(self._status, _Status)
        if found is None or not found.current:
            return None
        return BootState(found.current, found.committed, found.primary if found.primary != found.committed else "")

    def note(self, slot: str, since: float) -> str:
        """Why the newest trial of a slot, asked for at ``since`` (Unix s) or later, failed; empty: it did not."""
        entries = _decode(self._outcomes, list[dict[str, Any]]) or []
        for entry in reversed(entries):
            if entry.get("slot") == slot and float(entry.get("time", 0)) >= since - 1:
                failed = entry.get("outcome") in ("failed", "retry")
                return "; ".join(str(reason) for reason in entry.get("reasons", [])) if failed else ""
        return ""


def _decode(path: Path, kind: Any) -> Any:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(SIZE_LIMIT), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
