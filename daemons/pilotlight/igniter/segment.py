# SPDX-License-Identifier: Apache-2.0
"""Segment ``igniter``: ``Channel<n>.State``, ``.Commanded`` and ``.Output`` of the four channels."""

from __future__ import annotations

from collections.abc import Mapping

from pilotlight.tags import Flags, Quality, SegmentWriter, Tag, Type, now_ns

from .core import Channel, State
from .settings import CHANNELS

JOURNAL = 1024
BEAT_NS = 3_000_000_000

_TAGS = ("State", "Commanded", "Output")


def tags() -> list[Tag]:
    """The directory of the segment."""
    result = []
    states = ", ".join(f"{state.value} {state.name}" for state in State)
    for number in range(1, CHANNELS + 1):
        name = f"Channel{number}"
        result += [
            Tag(f"{name}.State", Type.USINT, description=states),
            Tag(f"{name}.Commanded", Type.BOOL, description="what the igniter wants the line to be"),
            Tag(f"{name}.Output", Type.BOOL, description="level read back from the line", flags=Flags.OUTPUT),
        ]
    return result


class Segment:
    """The writer of segment ``igniter``."""

    def __init__(self) -> None:
        self._writer = SegmentWriter.create("igniter", tags(), journal=JOURNAL)

    def publish(self, channels: Mapping[int, Channel]) -> None:
        """Publish what was read; an output that could not be read is BAD."""
        for number, channel in channels.items():
            at = (number - 1) * len(_TAGS)
            quality = Quality.BAD if channel.output is None else Quality.GOOD
            self._writer.set(at, int(channel.state))
            self._writer.set(at + 1, False)
            self._writer.set(at + 2, bool(channel.output), quality)
        now = now_ns()
        self._writer.publish(now)
        self._writer.heartbeat(now + BEAT_NS)

    def close(self) -> None:
        """Let go of the segment."""
        self._writer.close()
