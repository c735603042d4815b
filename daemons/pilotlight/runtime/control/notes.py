# SPDX-License-Identifier: Apache-2.0
"""The states of the control loop as its supervisor sees it, and who is told of them."""

from __future__ import annotations

import enum
from typing import Protocol

from pilotlight.tags import SegmentReader


class LoopState(enum.Enum):
    """What the control loop is doing. In every state but RUNNING real servos are in failsafe, or were never driven."""

    OFF = enum.auto()
    """There is no configuration."""
    REFUSED = enum.auto()
    """The configuration did not pass its check."""
    STOPPED = enum.auto()
    """Ended by a command, or its time is over."""
    STARTING = enum.auto()
    RUNNING = enum.auto()
    WAITING = enum.auto()
    """Failed; it is started again in a moment."""
    ERROR = enum.auto()
    """Failed too often; it stays off until somebody starts it."""


class LoopNotes(Protocol):
    """Who is told what happens."""

    def say(self, level: str, message: str) -> None:
        """A record for people; levels as in LogRing."""

    def changed(self) -> None:
        """State, fault or process are not what they were."""

    def ended(self, reader: SegmentReader | None) -> None:
        """A process has ended; `reader` shows what it published last."""

    async def remember(self, wanted: bool, fault: str) -> None:
        """Keep on disk whether the loop is to run after a restart, and the last fault."""
