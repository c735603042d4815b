# SPDX-License-Identifier: Apache-2.0
"""A program scanned on a laptop, for `pilotlight plc run`: what is set when, and what changed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pilotlight.plc import ir
from pilotlight.plc.language.program import Program
from pilotlight.plc.runner.plc import PLC
from pilotlight.plc.runner.state import SystemState
from pilotlight.plc.values import to_cell
from pilotlight.tags import TagValueError, Type, Value

_SETTING = re.compile(r"([^=]+)=(.*?)(?:@(\d{1,9}))?", re.DOTALL)
_WORDS = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
_HIDDEN = ("sys.", "rtc.", "storage.", "firmware.", "_")


class SettingError(ValueError):
    """A value on the command line cannot be given to its tag."""


@dataclass(frozen=True)
class Setting:
    """A value for a tag, as text, in scan `scan` (1 is the first)."""

    name: str
    text: str
    scan: int = 1


def parse_setting(text: str) -> Setting:
    """`NAME=VALUE` or `NAME=VALUE@SCAN`; raises SettingError."""
    match = _SETTING.fullmatch(text)
    if match is None or match[3] == "0":
        raise SettingError(f"{text!r}: write NAME=VALUE, or NAME=VALUE@SCAN with a scan from 1 on")
    return Setting(match[1].strip(), match[2], int(match[3] or 1))


def value_of(program: ir.Program, setting: Setting) -> Value:
    """The value of a setting in the type of its tag; raises SettingError."""
    cells = {cell.name: cell for cell in program.cells if not cell.internal}
    cell = cells.get(setting.name)
    if cell is None:
        near = ", ".join(sorted(name for name in cells if not name.startswith((*_HIDDEN, "fault.")))[:20])
        raise SettingError(f"the program has no tag {setting.name!r}; it has: {near}")
    text = setting.text.strip()
    try:
        value: Value = setting.text
        if cell.type is Type.BOOL:
            value = _WORDS[text.lower()]
        elif cell.type is Type.REAL:
            value = float(text)
        elif cell.type is not Type.CHAR:
            value = int(text, 0)
        to_cell(cell.type, value)
    except (KeyError, ValueError, TagValueError) as error:
        what = "on or off" if cell.type is Type.BOOL else f"a value that fits {cell.type.name}"
        raise SettingError(f"{setting.name}: {setting.text!r} does not fit: give {what}") from error
    return value


@dataclass(frozen=True)
class Change:
    """A tag that has another value after a scan than before it."""

    scan: int
    time_ns: int
    name: str
    value: Value

    def text(self) -> str:
        """One line: scan, time, tag, value."""
        return f"{self.scan:>7}  {self.time_ns / 1e9:>10.3f} s  {self.name} = {value_text(self.value)}"


def value_text(value: Value) -> str:
    """A value for people."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.7g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)


def shown(name: str, patterns: Sequence[str]) -> bool:
    """Whether changes of a tag are told: those that match a pattern, or, without any, all but system points."""
    if patterns:
        return any(fnmatchcase(name, pattern) for pattern in patterns)
    return not name.startswith(_HIDDEN)


class Session:
    """A program under way; `plc` is its runner."""

    def __init__(
        self, program: Program, *, period_ns: int, realtime: bool, sets: Sequence[Setting], forces: Sequence[Setting]
    ) -> None:
        self.period_ns = period_ns
        self.realtime = realtime
        # Only the newest scan is looked at: a long run keeps no history.
        self.plc = PLC(program, dt=None if realtime else period_ns / 1e9, realtime=realtime, history=1)
        self._sets = _by_scan(program.ir, sets)
        self._forces = _by_scan(program.ir, forces)

    def scans(self, count: int | None) -> Iterator[tuple[SystemState, list[Change]]]:
        """Scan `count` times, or for ever, and give the state after each scan with what changed.

        In real time a scan waits until its time has come; a late one is made at once and later ones keep their times.
        """
        before: Mapping[str, Value] = self.plc.current_state.tags
        number, due = 0, time.monotonic()
        while count is None or number < count:
            number += 1
            if self.realtime:
                due += self.period_ns / 1e9
                time.sleep(max(0.0, due - time.monotonic()))
            self.plc.patch(self._sets.get(number, {}))
            for name, value in self._forces.get(number, {}).items():
                self.plc.force(name, value)
            state = self.plc.step()
            after = state.tags
            changes = [
                Change(number, state.time_ns, name, value)
                for name, value in after.items()
                if value != before.get(name, value)
            ]
            before = after
            yield state, changes

    def image(self) -> list[int | float]:
        """The image after the newest scan, a number for each cell of the program."""
        state = self.plc.current_state
        cells = self.plc.logic.ir.cells
        return [
            state.memory[cell.name] if cell.internal else to_cell(cell.type, state.tags[cell.name]) for cell in cells
        ]


def _by_scan(program: ir.Program, settings: Sequence[Setting]) -> dict[int, dict[str, Value]]:
    found: dict[int, dict[str, Value]] = {}
    for each in settings:
        found.setdefault(each.scan, {})[each.name] = value_of(program, each)
    return found
