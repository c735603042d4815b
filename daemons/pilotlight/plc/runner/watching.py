# SPDX-License-Identifier: Apache-2.0
"""Monitors and breakpoints: what is looked at after each scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pilotlight.plc.runner.state import SystemState
from pilotlight.tags import Value


class Watch:
    """Something that is looked at after each scan until it is removed; `id` is unique in its runner."""

    def __init__(self, owner: Watched, number: int) -> None:
        self._owner = owner
        self.id = number
        self.enabled = True

    def remove(self) -> None:
        """Look no more."""
        self._owner.forget(self)

    def enable(self) -> None:
        """Look again."""
        self.enabled = True

    def disable(self) -> None:
        """Look no more for now."""
        self.enabled = False


class Watched(Protocol):
    """Who keeps watches."""

    def forget(self, watch: Watch) -> None:
        """Drop a watch."""


class Monitor(Watch):
    """Calls back with the new and the old value when a tag has changed."""

    def __init__(self, owner: Watched, number: int, name: str, callback: Callable[[Any, Any], object]) -> None:
        super().__init__(owner, number)
        self.name = name
        self.seen: Value | None = None
        self.callback = callback

    def look(self, value: Value | None) -> None:
        """Compare with the last value seen."""
        previous, self.seen = self.seen, value
        if self.enabled and value != previous:
            self.callback(value, previous)


class Breakpoint(Watch):
    """Pauses a run, or marks a scan, in each scan in which its condition holds."""

    def __init__(self, owner: Watched, number: int, holds: Callable[[SystemState], bool]) -> None:
        super().__init__(owner, number)
        self.holds = holds
        self.pauses = False
        self.labels: list[str] = []

    def pause(self) -> Breakpoint:
        """Stop run(), run_for() and run_until() after the scan."""
        self.pauses = True
        return self

    def snapshot(self, label: str) -> Breakpoint:
        """Mark the scan in the history."""
        self.labels.append(label)
        return self
