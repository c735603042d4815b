# SPDX-License-Identifier: Apache-2.0
"""What the interpreter says while it is walked through a scan."""

from __future__ import annotations

from dataclasses import dataclass

from pilotlight.plc import ir


@dataclass(frozen=True)
class Event:
    """One stop of a walk.

    `kind` is rung, branch, instruction or subroutine; `section` the subroutine's name, "" in the main program;
    `power` the number of the wire in `powers`, which holds what all wires of the rung carry. `conditions` has for
    each wire its conditions as (text, true | false | skipped, values seen). `calls` are the subroutines under way.
    """

    kind: str
    section: str
    rung: int
    power: int
    step: ir.Instruction | None
    powers: tuple[bool, ...]
    conditions: tuple[tuple[tuple[str, str, str], ...], ...]
    calls: tuple[str, ...]

    @property
    def on(self) -> bool:
        """Whether there is power."""
        return self.powers[self.power]
