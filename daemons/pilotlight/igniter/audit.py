# SPDX-License-Identifier: Apache-2.0
"""The record of every command, every change of mode and every shot: one JSON line each, and the same in the journal.

What arms or fires is on the disk before it is done, as `asked`; what became of it follows as `command`.
"""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pilotlight.daemon import logger, state_directory

LARGEST = 1 << 20
"""Bytes of the file until it becomes the old one; two are kept."""
DURABLE_S = 0.1
"""How long is waited for the disk at most: well within the age that a command may have."""


class Audit:
    """Writes ``audit.jsonl`` in the igniter's state folder. A disk that fails is told, and stops nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._log = logger("igniter")
        self._disk = ThreadPoolExecutor(1, "audit")
        """A thread that waits for the disk, so that the parent's signs of life go on meanwhile."""
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

    async def durable(self, event: str, **fields: Any) -> None:
        """As `note`, and wait until it is on the disk, for `DURABLE_S` at most."""
        self.note(event, **fields)
        written = asyncio.get_running_loop().run_in_executor(self._disk, _sync, self._path)
        try:
            await asyncio.wait_for(asyncio.shield(written), DURABLE_S)
        except TimeoutError:
            written.add_done_callback(lambda done: done.exception())
            self._tell_late(f"was not there after {DURABLE_S:g} s")
        except OSError as error:
            self._tell_late(f"cannot be reached: {error.strerror}")

    def _tell_late(self, reason: str) -> None:
        text = f"an audit entry may be lost by a power cut: the disk {reason}; check the data partition"
        self._log.error(text, event="audit-late")

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_file() and self._path.stat().st_size + len(line) > LARGEST:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _sync(path: Path) -> None:
    """Wait until the file and its name are on the disk."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _wall_clock() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
