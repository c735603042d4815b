# SPDX-License-Identifier: Apache-2.0
"""Breakpoints on lines of a program: where they stand, and when they stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pilotlight.plc import ir
from pilotlight.plc.debugger.asking import AskingError, Question
from pilotlight.plc.runner.debugging import ScanStep

MOST = 1000
"""Breakpoints of one file."""
_HITS = re.compile(r"\s*(>=|<=|==|>|<|=|%)?\s*(\d{1,9})\s*")
_PLACE = re.compile(r"\{([^{}]*)\}")

Asked = Callable[[str], Question]


def lines_of(program: ir.Program) -> dict[str, list[tuple[int, int]]]:
    """For each file of a program its lines that can be stopped at, sorted, each with the last line of its rung."""
    found: dict[str, dict[int, int]] = {}
    for rung in (rung for rungs in ir.sections(program).values() for rung in rungs):
        lines = found.setdefault(same_path(rung.file), {})
        branches = [power.line for power in rung.powers if power.role == "branch"]
        for line in (rung.line, *branches, *(step.line for step in rung.steps)):
            if line > 0:
                lines[line] = max(lines.get(line, 0), rung.last_line)
    return {file: sorted(lines.items()) for file, lines in found.items()}


@lru_cache(maxsize=1000)
def same_path(path: str) -> str:
    """A path in the form in which paths are compared."""
    return str(Path(path).resolve()) if path else ""


def nearest(lines: list[tuple[int, int]], line: int) -> int | None:
    """The line to stop at for a line that was clicked: itself, the one its rung goes on from, or the next one."""
    behind = [start for start, _end in lines if start >= line]
    if behind and behind[0] == line:
        return line
    within = [start for start, end in lines if start < line <= end]
    return within[-1] if within else behind[0] if behind else None


@dataclass
class Breakpoint:
    """One breakpoint; with `log` it writes instead of stopping. `line` is None where it cannot stand."""

    number: int
    file: str
    asked_line: int
    line: int | None = None
    condition: Question | None = None
    hits: Callable[[int], bool] = field(default=lambda count: True)
    log: str = ""
    questions: dict[str, Question] = field(default_factory=dict)
    problem: str = ""
    count: int = 0

    def at(self, step: ScanStep) -> bool:
        """Whether it stands where a scan has stopped."""
        return self.line == step.source_line and self.file == same_path(step.source_file)

    def asks(self, holds: Callable[[Question], bool]) -> bool:
        """Whether its condition holds."""
        return self.condition is None or holds(self.condition)

    def hit(self) -> bool:
        """Count a stop for which the condition holds; whether it is one of those wanted."""
        self.count += 1
        return self.hits(self.count)

    def message(self, value: Callable[[Question], object]) -> str:
        """The text of a logpoint with values in place of what is in braces."""
        return _PLACE.sub(lambda match: str(value(self.questions[match[1]])), self.log)


def hit_rule(text: str) -> Callable[[int], bool]:
    """When a count of hits stops: `5` and `% 5` each fifth time, `>= 5`, `== 5`, …; AskingError for other text."""
    match = _HITS.fullmatch(text)
    if match is None or (int(match[2]) == 0 and match[1] in (None, "%")):
        raise AskingError(f"{text!r} is no rule for hits: type 5 (each fifth), == 5, >= 5, > 5, < 5 or <= 5")
    sign, limit = match[1], int(match[2])
    rules: dict[str, Callable[[int], bool]] = {
        ">=": lambda count: count >= limit, "<=": lambda count: count <= limit, ">": lambda count: count > limit,
        "<": lambda count: count < limit, "==": lambda count: count == limit, "=": lambda count: count == limit,
    }  # fmt: skip
    return rules.get(sign, lambda count: count % limit == 0)


class Breakpoints:
    """All breakpoints of a session."""

    def __init__(self) -> None:
        self._by_file: dict[str, list[Breakpoint]] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Breakpoint]:
        return (each for several in self._by_file.values() for each in several)

    @property
    def armed(self) -> bool:
        """Whether any can stop or log."""
        return any(each.line is not None for each in self)

    def replace(self, file: str, wanted: Sequence[tuple[int, str]]) -> list[Breakpoint]:
        """Set the breakpoints of a file, given by line and log text, in place of all it had; place() puts them up."""
        file = same_path(file)
        self._by_file[file] = [
            Breakpoint(self._last + number, file, line, log=log) for number, (line, log) in enumerate(wanted, 1)
        ]
        self._last += len(wanted)
        return self._by_file[file]


def place(made: Breakpoint, lines: dict[str, list[tuple[int, int]]], ask: Asked, condition: str, hits: str) -> None:
    """Give a breakpoint its line, its condition and its rule; `problem` says why it cannot stand."""
    try:
        made.condition = ask(condition) if condition.strip() else None
        made.questions = {text: ask(text) for text in _PLACE.findall(made.log)}
        if hits.strip():
            made.hits = hit_rule(hits)
    except AskingError as error:
        made.problem = str(error)
        return
    made.line = nearest(lines.get(made.file, []), made.asked_line)
    if made.line is None:
        made.problem = "no rung or instruction of the program is on this line or behind it"
