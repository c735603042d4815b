# SPDX-License-Identifier: Apache-2.0
"""What is wrong, or doubtful, in a control configuration, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilotlight.runtime.control.toml import Section


@dataclass(frozen=True)
class Problem:
    """A sentence about a line of the file, 0 for the file as a whole.

    A check that knows only settings names `section` and `key` instead, and `placed` finds the line.
    """

    line: int
    text: str
    warning: bool = False
    section: str = ""
    key: str = ""

    def placed(self, sections: Mapping[str, Section]) -> Problem:
        """The same problem at the line of its key, or of its section when the key has its default."""
        section = sections.get(self.section)
        if section is None:
            return self
        entry = section.entries.get(self.key)
        return replace(self, line=section.line if entry is None else entry.line)

    def at(self, path: str) -> str:
        """`path:line: error: text`."""
        place = f"{path}:{self.line}" if self.line else path
        return f"{place}: {'warning' if self.warning else 'error'}: {self.text}"


def error(section: str, key: str, text: str) -> Problem:
    """A contradiction with which nothing is started."""
    return Problem(0, f"{section}.{key}: {text}", False, section, key)


def warning(section: str, key: str, text: str) -> Problem:
    """Something allowed that is seldom meant."""
    return Problem(0, f"{section}.{key}: {text}", True, section, key)
