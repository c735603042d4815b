# SPDX-License-Identifier: Apache-2.0
"""What the interpreter says while it is walked through a scan."""

from __future__ import annotations

from dataclasses import dataclass

from pilotlight.plc import ir


@dataclass(frozen=True)
class Event:
    """One stop of a walk.

    `kind` is rung, branch, instruction or subroutine; `section` the name of the subroutine, or else of the task, ""
    in the main program; `task` that of the task under way, "main" for the main program. `power` is the number of the
    wire in `powers`, which holds what all wires of the rung carry. `conditions` has for each wire its conditions as
    (text, true | false | skipped, values seen). `calls` are the subroutines under way.
    """

    kind: str
    section: str
    rung: int
    power: int
    step: ir.Instruction | None
    powers: tuple[bool, ...]
    conditions: tuple[tuple[tuple[str, str, str], ...], ...]
    calls: tuple[str, ...]
    task: str

    @property
    def on(self) -> bool:
        """Whether there is power."""
        return self.powers[self.power]
