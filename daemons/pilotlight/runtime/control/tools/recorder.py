# SPDX-License-Identifier: Apache-2.0
"""Rows of a recording: one whenever a message is new, from the mailboxes or from the journal of segment `control`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pilotlight.tags import SegmentReader, now_ns
from pilotlight.tags.reader import Change

from .boxes import KINDS, TAGS, Message, Value

PREFIXES: Final = {"sensor": "sensor", "estimator": "est", "controller": "ctrl"}
SEGMENT = "control"
MOST_ROUNDS = 256
"""Calls of `changes` in one look: a writer that is always faster must not keep a look from ending."""


def _columns(name: str) -> tuple[str, ...]:
    seq, time, *rest = KINDS[name].fields
    return tuple(f"{PREFIXES[name]}_{field}" for field in (seq, time, "crc_ok", *rest))


HEADER: Final = (
    "host_mono_ns",
    "host_wall_s",
    *(f"updated_{name}" for name in PREFIXES),
    *(column for name in PREFIXES for column in _columns(name)),
)
_EMPTY: Final = {name: ("",) * len(_columns(name)) for name in PREFIXES}


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else repr(value)


def _cells(message: Message) -> tuple[str, ...]:
    seq, time, *rest = message.values
    return tuple(_text(value) for value in (seq, time, message.crc_ok, *rest))


class Rows:
    """Makes rows of new messages; what is not new is repeated, and empty before the first."""

    def __init__(self) -> None:
        self._cells: dict[str, tuple[str, ...]] = dict(_EMPTY)
        self._seqs: dict[str, Value] = {}

    def row(self, mono_ns: int, wall_ns: int, messages: Mapping[str, Message]) -> tuple[str, ...] | None:
        """The row of these messages at a time; None when none of them has another number than before."""
        new = {name: message for name, message in messages.items() if self._seqs.get(name) != message.values[0]}
        if not new:
            return None
        for name, message in new.items():
            self._seqs[name] = message.values[0]
            self._cells[name] = _cells(message)
        updated = (str(int(name in new)) for name in PREFIXES)
        cells = (cell for name in PREFIXES for cell in self._cells[name])
        return (str(mono_ns), f"{wall_ns / 1e9:.6f}", *updated, *cells)


class Journal:
    """The messages out of the journal of segment `control`, each of them, while it is read often enough.

    `lost` counts what was overwritten before it was read, `epochs` how often the loop began anew.
    """

    def __init__(self) -> None:
        self._reader = SegmentReader.open(SEGMENT)
        self._rows = Rows()
        self.lost = 0
        self.epochs = 0
        self._begin()

    def _begin(self) -> None:
        """Start from the present values. Raises KeyError when the segment has no messages."""
        directory = self._reader.directory
        self._fields = {
            directory.index(tag.name): (name, place) for name, tags in TAGS.items() for place, tag in enumerate(tags)
        }
        snapshot = self._reader.snapshot()
        self._cursor = snapshot.cursor
        self._wall_offset_ns = snapshot.wall_offset_ns
        self._values = {
            name: [snapshot.value(directory.index(tag.name)) for tag in tags] for name, tags in TAGS.items()
        }
        self._begun_ns = snapshot.time_ns
        self._pending: list[Change] = []
        self._first = True

    def alive(self) -> bool:
        """Whether the loop that writes it runs, or has not begun. Raises SegmentError."""
        beat = self._reader.beat()
        return beat.count == 0 or now_ns() <= beat.deadline_ns

    def wait(self, timeout_s: float) -> None:
        """Wait for the next publish."""
        self._reader.wait(timeout_s)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The rows since the last call. Raises SegmentError."""
        current = self._reader.current()
        if self._first:
            self._first = False
            yield from self._made(self._begun_ns, set(PREFIXES))
        for _ in range(MOST_ROUNDS):
            before = self._cursor
            changes = self._reader.changes(before)
            if changes.lost:
                self.lost += changes.lost
                self._begin()
                return
            self._cursor = changes.cursor
            for change in changes.entries:
                if self._pending and change.stamp_ns != self._pending[0].stamp_ns:
                    yield from self._flush()
                self._pending.append(change)
            if changes.cursor == before:
                break
        else:
            return
        yield from self._flush()
        if not current:
            self._reader.reopen()
            self.epochs += 1
            self._begin()

    def _flush(self) -> Iterator[tuple[str, ...]]:
        """What one publish changed."""
        touched = set()
        for change in self._pending:
            field = self._fields.get(change.index)
            if field is not None:
                name, place = field
                self._values[name][place] = change.value
                if place == 0:
                    touched.add(name)
        stamp = self._pending[0].stamp_ns if self._pending else 0
        self._pending = []
        yield from self._made(stamp, touched)

    def _made(self, stamp_ns: int, names: set[str]) -> Iterator[tuple[str, ...]]:
        messages = {
            name: Message(tuple(v for v in self._values[name] if not isinstance(v, str)), True)
            for name in names
            if self._values[name][0]
        }
        row = self._rows.row(stamp_ns, stamp_ns + self._wall_offset_ns, messages)
        if row is not None:
            yield row

    def close(self) -> None:
        """Let go of the segment."""
        self._reader.close()
