# SPDX-License-Identifier: Apache-2.0
"""What made a value, as data and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilotlight.plc import ir
from pilotlight.tags import Value


@dataclass(frozen=True)
class Site:
    """The instruction that wrote a value: the rung, where it is in the source, and the instruction as text."""

    section: str
    rung: int
    instruction: str
    comment: str = ""
    file: str = ""
    line: int = 0

    @property
    def text(self) -> str:
        """In words."""
        where = f" ({self.file.rpartition('/')[2]}:{self.line})" if self.line else ""
        return f"{self.section or ir.MAIN} rung {self.rung}{where}: {self.instruction}"


@dataclass(frozen=True)
class Contact:
    """A value that had its part: as a condition of the rung, a pin of the instruction, or what it reads.

    `proximate`: it changed in the very scan, so it set the thing off; else it held before and enabled it. `cause` is
    why it had the value, None when that was not looked into.
    """

    tag: str
    value: Value
    role: str
    proximate: bool
    condition: str
    cause: Cause | None = None


@dataclass(frozen=True)
class Cause:
    """Why a tag has a value: the newest change of it, and what made that.

    `kind` is `rung` (an instruction wrote it: `site`, `contacts`), `patch`, `force`, `system` (the runner wrote it),
    `start` (never changed since the start), `forgotten` (not changed since the oldest retained scan), `above` (told
    elsewhere in the tree) or `unclear` (the scan cannot be run again as it was: its patches are no longer kept, or a
    Python function answers otherwise now). `scan_id` and `time_ns` are those of the scan that changed it; for `start`
    and `forgotten` those of the oldest known.
    """

    tag: str
    value: Value
    previous: Value
    kind: str
    scan_id: int
    time_ns: int
    site: Site | None = None
    contacts: tuple[Contact, ...] = ()

    @property
    def text(self) -> str:
        """The whole tree in words, a line a fact."""
        return "\n".join(_lines(self, 0))

    def as_dict(self) -> dict[str, Any]:
        """The whole tree as dicts, lists and values, for JSON."""
        return dataclasses.asdict(self)

    def walk(self) -> Iterator[Cause]:
        """This cause and all below it."""
        yield self
        for contact in self.contacts:
            if contact.cause is not None:
                yield from contact.cause.walk()

    def __str__(self) -> str:
        return self.text


_WORDS = {
    "patch": "patched", "force": "forced", "system": "written by the runner", "start": "its value since the start",
    "forgotten": "unchanged since the oldest retained scan", "above": "told above",
    "unclear": "the scan cannot be run again as it was",
}  # fmt: skip


def _lines(cause: Cause, depth: int) -> Iterator[str]:
    indent = "  " * depth
    when = f"scan {cause.scan_id} ({cause.time_ns / 1e9:g} s)"
    if cause.kind in ("start", "forgotten"):
        yield f"{indent}{cause.tag} is {cause.value!r}: {_WORDS[cause.kind]}, {when}"
        return
    head = f"{indent}{cause.tag} became {cause.value!r} in {when}, was {cause.previous!r}"
    if cause.kind != "rung" or cause.site is None:
        yield f"{head}: {_WORDS[cause.kind]}"
        return
    yield head
    yield f"{indent}  by {cause.site.text}"
    for contact in sorted(cause.contacts, key=lambda each: not each.proximate):
        since = "set off by" if contact.proximate else "enabled by"
        yield f"{indent}  {since} {contact.tag} = {contact.value!r} ({contact.role} {contact.condition})"
        if contact.cause is not None:
            yield from _lines(contact.cause, depth + 2)
