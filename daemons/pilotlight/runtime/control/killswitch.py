# SPDX-License-Identifier: Apache-2.0
"""The kill switch: a normally closed contact that is debounced and, when it tripped, stays tripped."""

from __future__ import annotations


class KillSwitch:
    """Decides from readings whether the switch is active.

    A reading is the line's level, or None when it cannot be read: then the switch is active for that reading. `trips`
    counts how often it became active.
    """

    def __init__(self, enabled: bool, closed_level: int, debounce: int, latch: bool) -> None:
        """`debounce` is how many open readings in a row trip it; with `latch` it stays tripped until the end."""
        self._enabled = enabled
        self._closed = closed_level
        self._debounce = debounce
        self._latch = latch
        self._open_streak = 0
        self._tripped = False
        self.active = False
        self.trips = 0
        self.unreadable = 0
        """How many readings failed."""

    @property
    def latched(self) -> bool:
        """Whether it tripped and stays so."""
        return self._tripped and self._latch

    def trip(self) -> None:
        """It tripped before, and was not acknowledged since: it stays tripped, unless it does not latch."""
        self._tripped = self.active = self._enabled and self._latch

    def step(self, level: int | None) -> bool:
        """Take a reading; returns whether the switch is active."""
        if not self._enabled:
            return False
        if level is None:
            self.unreadable += 1
        elif level != self._closed:
            self._open_streak += 1
            if self._open_streak >= self._debounce:
                self._tripped = True
        else:
            self._open_streak = 0
            if not self._latch:
                self._tripped = False
        active = self._tripped or level is None
        if active and not self.active:
            self.trips += 1
        self.active = active
        return active
