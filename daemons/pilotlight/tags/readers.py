# SPDX-License-Identifier: Apache-2.0
"""Readers of several segments, each kept at the present epoch."""

from __future__ import annotations

from pilotlight.tags.clock import now_ns
from pilotlight.tags.errors import SegmentSilent
from pilotlight.tags.reader import SegmentReader


class Readers:
    """Opens segments when they are first asked for, and again when their writer begins anew."""

    def __init__(self) -> None:
        self._readers: dict[str, SegmentReader] = {}

    def present(self, name: str) -> SegmentReader:
        """The reader of the present epoch. It is a new one in a new epoch. Raises SegmentError."""
        reader = self._readers.get(name)
        if reader is not None and not reader.current():
            self._readers.pop(name).close()
            reader = None
        if reader is None:
            reader = self._readers[name] = SegmentReader.open(name)
        return reader

    def written(self, name: str) -> SegmentReader:
        """As `present`, but SegmentSilent when the writer's heartbeat is overdue."""
        reader = self.present(name)
        if now_ns() > reader.beat().deadline_ns:
            raise SegmentSilent("its segment is not being written")
        return reader

    def close(self) -> None:
        """Let go of all of them."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
