# SPDX-License-Identifier: Apache-2.0
"""What is in each slot, and which of them starts, as RAUC and the boot files tell it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BootState:
    """By boot name: the slot that runs, the one that any reset starts, and the one that the next restart tries.

    Empty: none, or not known.
    """

    current: str = ""
    committed: str = ""
    pending: str = ""


@dataclass(frozen=True)
class Slot:
    """One slot: boot files and root file system together.

    ``name`` is the boot name (A, B), ``rauc`` RAUC's name of it; ``version`` is empty where nothing is known;
    ``installed`` is an ISO date; ``complete`` is False when the last installation into it did not end.
    """

    name: str
    rauc: str
    version: str
    installed: str
    booted: bool
    committed: bool
    pending: bool
    good: bool
    complete: bool


@dataclass(frozen=True)
class Slots:
    """All slots."""

    all: tuple[Slot, ...] = ()

    @property
    def booted(self) -> Slot | None:
        """The slot this system was started from."""
        return next((slot for slot in self.all if slot.booted), None)

    @property
    def other(self) -> Slot | None:
        """The slot that an update goes to."""
        return next((slot for slot in self.all if not slot.booted), None) if self.booted else None

    @property
    def pending(self) -> Slot | None:
        """The slot that the next start tries."""
        return next((slot for slot in self.all if slot.pending), None)

    @property
    def trying(self) -> bool:
        """Whether the running slot is on trial: the next start goes back unless it is confirmed before."""
        return self.booted is not None and not self.booted.committed

    def named(self, name: str) -> Slot | None:
        """The slot with a boot name or a RAUC name."""
        return next((slot for slot in self.all if name in (slot.name, slot.rauc)), None)


def slots(
    listed: Iterable[tuple[str, dict[str, Any]]], primary: str, boot: BootState | None, running_version: str
) -> Slots:
    """From RAUC's ``GetSlotStatus`` and ``GetPrimary``, and the boot files where they can be read.

    A slot that RAUC never wrote has no version there: for the running one it is ``running_version``.
    """
    entries = list(listed)
    found = []
    for name, status in sorted(entries):
        bootname = str(status.get("bootname", ""))
        if not bootname:
            continue
        group = [status, *(other for _, other in entries if other.get("parent") == name)]
        booted = any(part.get("state") == "booted" for part in group)
        version = _first(group, "bundle.version") or (running_version if booted else "")
        found.append(
            Slot(
                name=bootname,
                rauc=name,
                version=version,
                installed=_first(group, "installed.timestamp"),
                booted=booted,
                committed=bootname == boot.committed if boot else name == primary,
                pending=bootname == boot.pending if boot else name == primary and not booted,
                good=status.get("boot-status") == "good",
                complete=all(part.get("status", "ok") == "ok" for part in group),
            )
        )
    return Slots(tuple(found))


def _first(group: Sequence[dict[str, Any]], key: str) -> str:
    return next((str(part[key]) for part in group if part.get(key)), "")
