# SPDX-License-Identifier: Apache-2.0
"""The words of the debug console."""

from __future__ import annotations

import re

from pilotlight.plc.debugger.asking import AskingError, shown
from pilotlight.plc.debugger.target import Target

HELP = """\
force TAG VALUE      hold a tag at a value       unforce TAG | all   let it go
patch TAG=VALUE …    give values, once           forces              what is forced
step [N]             make N scans                run SECONDS         make scans for simulated time
why TAG              what made the value         help                this
Anything else is a condition or expression: Motor & ~Stop, rise(Start), Count + 1"""
VERBS = ("force", "unforce", "patch", "forces", "step", "run", "why", "help")
MOST_SCANS = 10_000_000
_PAIR = re.compile(r"(\S+?)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)")


def verb(text: str) -> str:
    """The verb that a console line begins with; empty when it is a question."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return first if first in VERBS else ""


def changed(target: Target, text: str) -> str:
    """Carry out force, unforce, patch or forces; gives what to say. AskingError for what cannot be."""
    word, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if word == "forces":
        forces = target.stepper.forces
        return "\n".join(f"{name} = {shown(value)}" for name, value in sorted(forces.items())) or "nothing is forced"
    if word == "unforce":
        return _unforced(target, rest)
    values = {}
    for name, value in pairs(rest, single=word == "force"):
        values.update(target.given(name, value))
    try:
        target.change(values, force=word == "force")
    except ValueError as error:
        raise AskingError(str(error)) from error
    done = "forced" if word == "force" else "patched"
    return "\n".join(f"{name} {done}: {shown(value)}" for name, value in values.items())


def pairs(text: str, *, single: bool) -> list[tuple[str, str]]:
    """Tags and values of a line: `A=1 B=2`, or `A 1` when there is one. AskingError."""
    found = [(match[1], match[2]) for match in _PAIR.finditer(text)]
    rest = _PAIR.sub("", text).split(maxsplit=1)
    if not found and len(rest) == 2:
        return [(rest[0], rest[1])]
    if rest or not found or (single and len(found) > 1):
        raise AskingError("type the tag and its value: force Motor true, patch Count=5 Start=true")
    return found


def _unforced(target: Target, name: str) -> str:
    names = list(target.stepper.forces) if name == "all" else [name]
    for each in names:
        if each not in target.stepper.forces:
            raise AskingError(f"{each or 'nothing'} is not forced: unforce TAG or unforce all")
        target.stepper.unforce(each)
    return f"let go: {', '.join(names) or 'nothing'}"


def amount(text: str) -> tuple[int, int]:
    """Of `step [N]` and `run SECONDS` the most scans to make and the nanoseconds, 0 for no matter. AskingError."""
    word, _, rest = text.strip().partition(" ")
    try:
        if word == "step":
            scans = int(rest or "1")
            if not 0 < scans <= MOST_SCANS:
                raise ValueError
            return scans, 0
        seconds = float(rest)
        if not 0 < seconds < 1e9:
            raise ValueError
        return MOST_SCANS, round(seconds * 1e9)
    except ValueError as error:
        raise AskingError(f"{text!r}: type step, step 10 or run 2.5 (seconds)") from error
