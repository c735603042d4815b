# SPDX-License-Identifier: Apache-2.0
"""The users and groups that `units/sysusers` declares."""

import shlex
from dataclasses import dataclass
from pathlib import Path

DECLARATION = Path(__file__).parents[2] / "units/sysusers/pilotlight.conf"


@dataclass(frozen=True)
class Account:
    """One line: `kind` is u (user, with a group of its name and number) or g (group); `number` is as written."""

    kind: str
    name: str
    number: str


def declared() -> list[Account]:
    """All users and groups, in the order of the file."""
    words = [shlex.split(line, comments=True) for line in DECLARATION.read_text().splitlines()]
    return [Account(*line[:3]) for line in words if line and line[0] in ("u", "g")]
