# SPDX-License-Identifier: Apache-2.0
"""Reads what a PLC program asks for out of segment `plc`. It reads the journal, so that it sees every request once."""

from __future__ import annotations

from pilotlight.tags import Quality, SegmentError, SegmentReader, TagValueError, Value, now_ns

from .program import NUMBER_MAX, Look, Request
from .scan import FORCES, SEGMENT, STATE, distrust
from .settings import ProgramSettings

MOST_ROUNDS = 64
"""Calls of `changes` in one look; a program that is always faster loses its session."""


class _Unusable(Exception):
    """The tags cannot be used; the message says why."""


class ProgramTags:
    """The tags of the program. Its looks never raise: what is wrong is in the look."""

    def __init__(self, settings: ProgramSettings) -> None:
        named = (settings.number, settings.request, settings.select, settings.window, settings.life)
        self._names = tuple(name.removeprefix(f"{SEGMENT}.") for name in named)
        self._reader: SegmentReader | None = None
        self._indexes: list[int] = []
        self._values: list[int] = []
        self._cursor = 0

    def look(self) -> Look:
        """What there is since the last look."""
        try:
            return self._look()
        except (_Unusable, SegmentError, TagValueError, KeyError, ValueError, OSError) as error:
            self.close()
            return Look(now_ns(), trouble=f"its tags cannot be used ({error})")

    def close(self) -> None:
        """Let go of the segment; the next look begins anew."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _look(self) -> Look:
        if self._reader is not None and not self._reader.current():
            self.close()
        first = None
        if self._reader is None:
            self._reader = self._attach()
            first = self._values[0]
        reader = self._reader
        requests = self._requests(reader)
        snapshot = reader.snapshot()
        for index in self._indexes:
            if snapshot.quality(index) is not Quality.GOOD:
                raise _Unusable(f"{reader.directory[index].name} is {snapshot.quality(index).name}")
        state, forces = (snapshot.value(reader.directory.index(name)) for name in (STATE, FORCES))
        now = now_ns()
        silent = now > reader.beat().deadline_ns
        trouble = "its segment is not being written" if silent else distrust(state, forces)
        return Look(now, snapshot.stamp(self._indexes[4]), tuple(requests), first, trouble)

    def _attach(self) -> SegmentReader:
        reader = SegmentReader.open(SEGMENT)
        try:
            self._indexes = [reader.directory.index(name) for name in self._names]
            snapshot = reader.snapshot()
            self._values = [
                _number(name, snapshot.value(i)) for name, i in zip(self._names, self._indexes, strict=True)
            ]
            self._cursor = snapshot.cursor
            _check_number(self._values[0])
        except BaseException:
            reader.close()
            raise
        return reader

    def _requests(self, reader: SegmentReader) -> list[Request]:
        """The requests since the last look: one for each publish that changed the number."""
        found: list[Request] = []
        asked_ns = 0
        for _ in range(MOST_ROUNDS):
            changes = reader.changes(self._cursor)
            if changes.lost:
                raise _Unusable("changes came faster than they were read and are lost")
            for change in changes.entries:
                if asked_ns and change.stamp_ns != asked_ns:
                    found.append(self._request(asked_ns))
                    asked_ns = 0
                if change.index in self._indexes:
                    place = self._indexes.index(change.index)
                    self._values[place] = _number(self._names[place], change.value)
                    if place == 0:
                        asked_ns = change.stamp_ns
            if changes.cursor == self._cursor:
                break
            self._cursor = changes.cursor
        else:
            raise _Unusable("changes come faster than they are read")
        if asked_ns:
            found.append(self._request(asked_ns))
        return found

    def _request(self, stamp_ns: int) -> Request:
        number, ask, mask, window, _ = self._values
        _check_number(number)
        return Request(number, ask, mask, window, stamp_ns)


def _number(name: str, value: Value) -> int:
    """The value, which must be a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Unusable(f"{name} is no whole number")
    return value


def _check_number(number: int) -> None:
    if not 0 <= number <= NUMBER_MAX:
        raise _Unusable(f"the number {number} is not from 0 to {NUMBER_MAX}")
