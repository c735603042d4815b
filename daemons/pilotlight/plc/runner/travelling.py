# SPDX-License-Identifier: Apache-2.0
"""Going back: to retained scans, to runners that go on from one, to why a tag has its value; and to another program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.runner.causes import Cause
from pilotlight.plc.runner.changing import Change, change
from pilotlight.plc.runner.history import History
from pilotlight.plc.runner.scanner import Scanner
from pilotlight.plc.runner.state import SystemState
from pilotlight.tags import Value


class Traveller(Scanner, ABC):
    """A runner's ways through its history."""

    def seek(self, scan_id: int) -> SystemState:
        """Look at a retained scan; KeyError when it is not retained."""
        state = self._history.at(scan_id)
        self._playhead = scan_id
        return state

    def rewind(self, seconds: float) -> SystemState:
        """Look at the newest scan that is so much older than the one looked at, or at the oldest retained."""
        if seconds < 0:
            raise ValueError("rewind() goes back: give 0 or more seconds")
        return self.seek(self._history.at_or_before(self._history.time_of(self._playhead) - round(seconds * 1e9)))

    def diff(self, scan_a: int, scan_b: int) -> dict[str, tuple[Value | None, Value | None]]:
        """Tags that differ between two retained scans, sorted by name: value in the first, value in the second."""
        a, b = self._history.at(scan_a).tags, self._history.at(scan_b).tags
        return {name: (a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)}

    def fork(self, scan_id: int | None = None) -> Self:
        """A runner of its own that goes on from a retained scan, the newest unless given, without forces, patches and
        watches."""
        number = self._history.newest_scan_id if scan_id is None else scan_id
        time_ns, image = self._history.time_of(number), self._history.image(number)
        other = self._sibling()
        for cell in self.names.cells[len(other.names.cells) :]:
            other.names.slots[cell.name] = len(other.names.cells)
            other.names.cells.append(cell)
        other.names.tags.update(self.names.tags)
        other._cells[: len(image)] = image
        points = other.points
        points.fixed, points.battery = self.points.fixed, self.points.battery
        points.scan_id, points.time_ns = number, time_ns
        points.adopt_clock(self.points)
        other._restarted()
        return other

    def back(self, scans: int = 1) -> SystemState:
        """Undo the newest scans: they are forgotten, and the image, the clock and the mode are as before them.

        The oldest of them is ready to be made again: its patches wait, its forces hold. KeyError when the scan to go
        back to, or what came in after it, is no longer retained; then nothing has changed.
        """
        history = self._history
        scan_id = history.newest_scan_id - scans
        if scans < 1:
            raise ValueError("back() undoes at least one scan")
        image, undone = history.image(scan_id), history.image(scan_id + 1)
        patches, given = history.inputs.patches(scan_id + 1, undone), history.inputs.conditions(scan_id + 1)
        self._settle()
        self._states.clear()
        self._before = history.image(scan_id - 1) if history.contains(scan_id - 1) else image.copy()
        self.points.go_back(scan_id, history.time_of(scan_id), given.clock, running=given.running)
        history.cut(scan_id)
        self._engine.load(image)
        self._changes()
        self._patches, self._forces = patches, dict(given.before)
        self._playhead = min(self._playhead, scan_id)
        for number in [each for each in self._traces if each > scan_id]:
            del self._traces[number]
        return self.current_state

    def change(self, logic: Program, *, trial: int = 10) -> Change:
        """Change the program online: tags, timers, counters, edges, forces and patches that both have by name and type
        go on; all else begins with its defaults. Watches stay, the history begins again.

        When the new program, in one of its first `trial` scans, sets a fault flag that was not set in the last scan
        before, the old one goes on as it was at the change; what this gives then says so.
        """
        return change(self, logic, trial)

    def why(self, tag: str | Tag, *, scan_id: int | None = None, depth: int = 8) -> Cause:
        """Why a tag has the value it had at the end of a scan, that at the playhead unless given; `depth` causes deep.

        The scans it goes back to are run again beside the runner. KeyError for an unknown tag or scan.
        """
        from pilotlight.plc.runner.why import why

        return why(self, self.names.find(tag), self._playhead if scan_id is None else scan_id, depth)

    def _adopt_history(self, rules: Mapping[str, int]) -> None:
        self._rules = dict(rules)
        self._history = History(self._state_at, self.names.cells, **self._rules)

    @abstractmethod
    def _sibling(self) -> Self:
        """A runner of the same kind for the same program, that has made no scan."""
