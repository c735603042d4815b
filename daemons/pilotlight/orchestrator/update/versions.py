# SPDX-License-Identifier: Apache-2.0
"""Which of two versions is the newer one. No I/O."""

from __future__ import annotations

import re
from enum import Enum
from itertools import zip_longest

_FORM = re.compile(
    r"v?(\d{1,9}(?:\.\d{1,9}){0,7})"
    r"(?:[-~.]?([A-Za-z][0-9A-Za-z.-]*|(?<=-)[0-9A-Za-z.-]+))?"
    r"(?:\+[0-9A-Za-z.-]*)?"
)
_PART = re.compile(r"\d+|[A-Za-z]+")
LENGTH_MAX = 100

Key = tuple[tuple[int, ...], tuple[tuple[int, int | str], ...] | None]


class Step(Enum):
    """What a version is to the one in use."""

    NEWER = "newer"
    SAME = "the same"
    OLDER = "older"
    UNKNOWN = "not comparable"


def parse(version: str) -> Key | None:
    """Numbers, and the parts of a pre-release; None for what is not a version.

    ``1.2.0-rc.1`` comes before ``1.2.0``; what follows a ``+`` does not count; ``1.2`` is ``1.2.0``.
    """
    if len(version) > LENGTH_MAX:
        return None
    match = _FORM.fullmatch(version.strip())
    if match is None:
        return None
    numbers = tuple(int(number) for number in match[1].split("."))
    if match[2] is None:
        return numbers, None
    parts = _PART.findall(match[2])
    return numbers, tuple((0, int(part)) if part.isdigit() else (1, part.lower()) for part in parts)


def step(offered: str, present: str) -> Step:
    """What going from ``present`` to ``offered`` is."""
    new, old = parse(offered), parse(present)
    if new is None or old is None:
        return Step.SAME if offered.strip() == present.strip() and offered.strip() else Step.UNKNOWN
    for a, b in zip_longest(new[0], old[0], fillvalue=0):
        if a != b:
            return Step.NEWER if a > b else Step.OLDER
    if new[1] == old[1]:
        return Step.SAME
    if new[1] is None or old[1] is None:
        return Step.NEWER if new[1] is None else Step.OLDER
    return Step.NEWER if _order(new[1]) > _order(old[1]) else Step.OLDER


def _order(parts: tuple[tuple[int, int | str], ...]) -> tuple[tuple[int, int, str], ...]:
    return tuple((kind, part, "") if isinstance(part, int) else (kind, 0, part) for kind, part in parts)
