# SPDX-License-Identifier: Apache-2.0
"""Segment ``igniter`` while all outputs are only held off: the daemon itself writes it."""

from __future__ import annotations

from collections.abc import Mapping

from pilotlight.tags import Quality, SegmentWriter, now_ns

from .core import Channel
from .publisher import CHANNEL_TAGS, tags

JOURNAL = 4096
BEAT_NS = 3_000_000_000


class Segment:
    """The writer of segment ``igniter``."""

    def __init__(self) -> None:
        self._writer = SegmentWriter.create("igniter", tags(), journal=JOURNAL)

    def publish(self, channels: Mapping[int, Channel], refused: int) -> None:
        """Publish what was read, and how many commands were refused; an output that could not be read is BAD."""
        for number, channel in channels.items():
            at = (number - 1) * len(CHANNEL_TAGS)
            quality = Quality.BAD if channel.output is None else Quality.GOOD
            self._writer.set(at, int(channel.state))
            self._writer.set(at + 1, False)
            self._writer.set(at + 2, bool(channel.output), quality)
        self._writer.set(self._writer.directory.index("CommandsRefused"), refused)
        now = now_ns()
        self._writer.publish(now)
        self._writer.heartbeat(now + BEAT_NS)

    def close(self) -> None:
        """Let go of the segment."""
        self._writer.close()
