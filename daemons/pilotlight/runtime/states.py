# SPDX-License-Identifier: Apache-2.0
"""The states of the PLC and the transitions between them that are allowed."""

from __future__ import annotations

import enum


class State(enum.IntEnum):
    """What the PLC is doing; the numbers are those of tag `Scan.State`."""

    EMPTY = 0
    """No program is loaded."""
    INIT = 1
    """A program is being loaded and none is running meanwhile."""
    RUNNING = 2
    STOPPED = 3
    """A program is loaded; its logic does not run and outputs are safe."""
    ERROR = 4
    """The program could not be brought back after a fault; outputs are safe."""


_NEXT: dict[State, frozenset[State]] = {
    State.EMPTY: frozenset({State.INIT, State.ERROR}),
    State.INIT: frozenset({State.EMPTY, State.RUNNING, State.STOPPED, State.ERROR}),
    State.RUNNING: frozenset({State.STOPPED, State.INIT, State.ERROR}),
    State.STOPPED: frozenset({State.RUNNING, State.INIT, State.EMPTY, State.ERROR}),
    State.ERROR: frozenset({State.INIT, State.STOPPED, State.EMPTY}),
}


class TransitionError(Exception):
    """A transition that is not allowed. The state is unchanged."""


def allowed(before: State, after: State) -> bool:
    """Whether `after` may follow `before`; staying is always allowed."""
    return before is after or after in _NEXT[before]


class Machine:
    """The present state, changed only along allowed transitions."""

    def __init__(self) -> None:
        self._state = State.EMPTY

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def enter(self, after: State) -> bool:
        """Go to `after`; True when that is a change. TransitionError when it is not allowed."""
        if not allowed(self._state, after):
            raise TransitionError(f"the PLC cannot go from {self._state.name} to {after.name}")
        changed = after is not self._state
        self._state = after
        return changed
