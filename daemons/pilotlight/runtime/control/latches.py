# SPDX-License-Identifier: Apache-2.0
"""What keeps the servos in failsafe until somebody starts the loop, whatever befalls its process meanwhile."""

from __future__ import annotations

import enum


class Latch(enum.IntFlag):
    """The causes that stay."""

    NONE = 0
    KILL_SWITCH = 1
    """The kill switch tripped, and `killswitch.latch_on_trip` is set."""
    IO_ERRORS = 2
    """Servos refused their pulses, and `actuator.latch_failsafe_on_io_errors` is set."""


ALL = Latch.KILL_SWITCH | Latch.IO_ERRORS
TEXTS = {
    Latch.KILL_SWITCH: "the kill switch tripped",
    Latch.IO_ERRORS: "servos refused their pulses",
}


def problem(latched: Latch) -> str:
    """What people are told; empty when nothing is latched."""
    causes = " and ".join(text for latch, text in TEXTS.items() if latch in latched)
    return f"servos are in failsafe until the control loop is stopped and started: {causes}" if causes else ""
