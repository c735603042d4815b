# SPDX-License-Identifier: Apache-2.0
"""The record of every command, every change of mode and every shot: one JSON line each, and the same in the journal.

What arms or fires is on the disk before it is done, as `asked`; what became of it follows as `command`. A shot of which
nothing more was told, because the daemon was killed or the power went, gets its record at the next start.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pilotlight.daemon import logger, state_directory

from .commands import Kind, Verdict

LARGEST = 1 << 20
"""Bytes of the file until it becomes the old one; two are kept."""
DURABLE_S = 0.1
"""How long is waited for the disk at most: well within the age that a command may have."""
UNHEARD = "nobody waited for it"
"""The verdict of a command whose caller left before it came."""
LOST = (
    "what became of it is not known: the igniter or the device was stopped before it was on record. "
    "Its output was off when the igniter began anew"
)
_FIRING = {Kind.FIRE.name, Kind.BOX_FIRE.name}
_OPEN = {Verdict.ACCEPTED.name, UNHEARD}


class _Entry(msgspec.Struct):
    """What matters of an entry for whether its shots are on record."""

    event: str
    time: str = ""
    command: str = ""
    by: str = ""
    sequence: int = 0
    message: int = 0
    channels: list[int] = msgspec.field(default_factory=list)
    channel: int = 0
    verdict: str = ""

    def answers(self, asked: _Entry) -> bool:
        """Whether it is what became of the command that was asked for."""
        mine = (self.command, self.by, self.sequence, self.message)
        return mine == (asked.command, asked.by, asked.sequence, asked.message)


_ENTRIES = msgspec.json.Decoder(_Entry)


def unrecorded(lines: Iterable[bytes]) -> list[tuple[int, str]]:
    """Channel and time of each shot that was asked for, may have been fired, and has no record, in their order.

    A line that is no entry, as a power cut may leave it, says nothing.
    """
    waiting: list[tuple[int, _Entry]] = []
    for line in lines:
        try:
            entry = _ENTRIES.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if entry.event == "asked" and entry.command in _FIRING:
            waiting += [(channel, entry) for channel in entry.channels]
        elif entry.event == "command" and entry.verdict not in _OPEN:
            waiting = [(channel, asked) for channel, asked in waiting if not entry.answers(asked)]
        elif entry.event == "shot":
            first = next((place for place, (channel, _) in enumerate(waiting) if channel == entry.channel), None)
            if first is not None:
                del waiting[first]
    return [(channel, asked.time) for channel, asked in waiting]


class Audit:
    """Writes ``audit.jsonl`` in the igniter's state folder. A disk that fails is told, and stops nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._log = logger("igniter")
        self._disk = ThreadPoolExecutor(1, "audit")
        """A thread that waits for the disk, so that the parent's signs of life go on meanwhile."""
        self._path = (folder or state_directory("igniter")) / "audit.jsonl"
        self._old = self._path.with_suffix(".old.jsonl")

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

    def settle(self) -> None:
        """Give each shot from before its record that has none. Once outputs are off, before anything is fired."""
        try:
            kept = [path.read_bytes() for path in (self._old, self._path) if path.exists()]
            if kept and not kept[-1].endswith(b"\n"):
                self._append("\n")  # a power cut has left the beginning of a line
        except OSError as error:
            text = f"whether every shot is on record is not known: {self._path}: {error.strerror}"
            self._log.error(f"{text}; check the data partition", event="audit-failed")
            return
        for channel, asked in unrecorded(b"\n".join(kept).splitlines()):
            self.note("shot", channel=channel, asked=asked, verdict=LOST)

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
            self._path.replace(self._old)
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
