# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is in a scan: the main program's always, a task's when its period has passed."""

from __future__ import annotations

from pilotlight.plc.engine.flow import Section
from pilotlight.plc.engine.machine import Machine


class Turn:
    """The turn of the main program: in each scan, with the scan's time."""

    def __init__(self, section: Section, edges: list[tuple[int, int]]) -> None:
        self.section: Section = section
        self.edges: list[tuple[int, int]] = edges

    def plan(self, m: Machine, dt_ns: int) -> None:
        """A scan starts: decide whether it is this turn's."""

    def comes(self, m: Machine, dt_ns: int) -> bool:
        """Whether this turn is one of the scan; then the logic's time is set."""
        m.dt_ns = dt_ns
        return True

    def run(self, m: Machine, dt_ns: int) -> None:
        """Run the rungs if it is their turn."""
        if self.comes(m, dt_ns):
            self.section.run(m)

    def finish(self, m: Machine) -> None:
        """A scan ends: what edges compare with becomes the present."""
        cells = m.cells
        for slot, previous in self.edges:
            cells[previous] = 1 if cells[slot] else 0


class TaskTurn(Turn):
    """The turn of a task: on the grid of its period from the first scan, with the time since its last one."""

    def __init__(
        self, section: Section, edges: list[tuple[int, int]], period_ns: int, wait: int, since: int, due: int
    ) -> None:
        super().__init__(section, edges)
        self.period_ns: int = period_ns
        self.wait: int = wait
        self.since: int = since
        self.due: int = due

    def plan(self, m: Machine, dt_ns: int) -> None:
        cells, period = m.cells, self.period_ns
        wait: int = cells[self.wait]
        since: int = cells[self.since]
        cells[self.since] = since + dt_ns
        if wait == 0:
            cells[self.wait] = period
            cells[self.due] = 1
            return
        # Memory of an earlier version of the program may be that of a longer period.
        wait = min(wait, period) - dt_ns
        if wait > 0:
            cells[self.wait] = wait
            cells[self.due] = 0
        else:
            cells[self.wait] = period - -wait % period
            cells[self.due] = 1

    def comes(self, m: Machine, dt_ns: int) -> bool:
        if not m.cells[self.due]:
            return False
        m.dt_ns = m.cells[self.since]
        m.cells[self.since] = 0
        return True

    def finish(self, m: Machine) -> None:
        if m.cells[self.due]:
            super().finish(m)
            m.cells[self.due] = 0
