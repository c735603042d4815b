# SPDX-License-Identifier: Apache-2.0
"""Reading a control configuration: from text to checked settings, with every problem named at its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pilotlight.runtime.control import checks
from pilotlight.runtime.control.keys import KeyValueError, keys_of
from pilotlight.runtime.control.problems import Problem
from pilotlight.runtime.control.settings import CHANNELS, REQUIRED, SECTIONS, ControlSettings
from pilotlight.runtime.control.toml import LARGEST_FILE, Section, TomlError, parse


class ControlSettingsError(Exception):
    """A configuration that is refused; `problems` says why, in the order of the file."""

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(problem.at(path) for problem in self.problems)
        super().__init__(f"{lines}\n{path} is refused; nothing was started or changed")


def load(path: Path) -> tuple[ControlSettings, list[Problem]]:
    """The settings in a file and the warnings about them; raises ControlSettingsError."""
    return read(content(path), str(path))


def content(path: Path) -> str:
    """The text of a file; raises ControlSettingsError when there is none, or it is no configuration at all."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ControlSettingsError(str(path), [Problem(0, error.strerror or "cannot be read")]) from error
    if len(data) > LARGEST_FILE:
        raise ControlSettingsError(str(path), [Problem(0, f"larger than {LARGEST_FILE >> 10} KiB")])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ControlSettingsError(str(path), [Problem(line, "not UTF-8 text")]) from error


def read(text: str, path: str = "configuration") -> tuple[ControlSettings, list[Problem]]:
    """The settings in a text and the warnings about them; raises ControlSettingsError. `path` is for messages."""
    try:
        sections = parse(text)
    except TomlError as error:
        raise ControlSettingsError(path, [Problem(error.line, str(error))]) from error
    problems = [Problem(0, f"the section [{name}] is missing") for name in REQUIRED if name not in sections]
    for name, section in sections.items():
        if name not in SECTIONS:
            problems.append(Problem(section.line, f"[{name}] is no section; {_nearest(name, SECTIONS)}"))
    made = {name: _section(name, sections.get(name), problems) for name in SECTIONS}
    if problems:
        raise ControlSettingsError(path, sorted(problems, key=lambda problem: problem.line))
    settings = _settings(made)
    found = [problem.placed(sections) for problem in checks.examine(settings)]
    found.sort(key=lambda problem: problem.line)
    errors = [problem for problem in found if not problem.warning]
    if errors:
        raise ControlSettingsError(path, errors)
    return settings, found


def _section(name: str, section: Section | None, problems: list[Problem]) -> Any:
    """The settings of one section; what is wrong with it is added to `problems`."""
    kind = SECTIONS[name]
    keys = {key.name: key for key in keys_of(kind)}
    values: dict[str, Any] = {}
    for word, entry in (section.entries if section else {}).items():
        key = keys.get(word)
        if key is None:
            problems.append(Problem(entry.line, f"{name}.{word} is no key; {_nearest(word, keys)}"))
            continue
        try:
            values[word] = key.convert(entry.value)
        except KeyValueError as error:
            problems.append(Problem(entry.line, f"{name}.{word} is {_shown(entry.value)}: {error}"))
    return kind(**values)


def _settings(made: dict[str, Any]) -> ControlSettings:
    servos = tuple(made.pop(f"servo{number}") for number in range(CHANNELS))
    igniters = tuple(made.pop(f"igniter{number}") for number in range(CHANNELS))
    return ControlSettings(**made, servos=servos, igniters=igniters)


def _nearest(word: str, known: Iterable[str]) -> str:
    choices = list(known)
    near = difflib.get_close_matches(word, choices, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(choices)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
