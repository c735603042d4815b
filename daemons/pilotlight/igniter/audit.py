# SPDX-License-Identifier: Apache-2.0
"""The record of every command, every change of mode and every shot: one JSON line each, and the same in the journal."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pilotlight.daemon import logger, state_directory

LARGEST = 1 << 20
"""Bytes of the file until it becomes the old one; two are kept."""


class Audit:
    """Writes ``audit.jsonl`` in the igniter's state folder. A disk that fails is told, and stops nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._log = logger("igniter")
        self._path = (folder or state_directory("igniter")) / "audit.jsonl"

    def note(self, event: str, **fields: Any) -> None:
        """Add an entry; `fields` are plain values."""
        entry = {"event": event, "time": _wall_clock(), **fields}
        text = " ".join(f"{name}={value}" for name, value in fields.items())
        self._log.info(f"{event} {text}", event=f"audit-{event}")
        try:
            self._append(json.dumps(entry, separators=(",", ":")) + "\n")
        except OSError as error:
            self._log.error(
                f"an audit entry is in the journal alone: {self._path}: {error.strerror}; check the data partition",
                event="audit-failed",
            )

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_file() and self._path.stat().st_size + len(line) > LARGEST:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _wall_clock() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
