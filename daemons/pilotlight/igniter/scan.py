# SPDX-License-Identifier: Apache-2.0
"""Whether the values of segment `plc` mean anything. A PLC that is stopped still publishes its last ones. No I/O."""

from __future__ import annotations

from pilotlight.tags import Value

SEGMENT = "plc"
STATE, FORCES = "Scan.State", "Scan.Forces"
RUNNING = 2


def distrust(state: Value, forces: Value) -> str:
    """Why the program's values cannot be relied on, from tags `STATE` and `FORCES`; empty when they can."""
    if state != RUNNING:
        return "the PLC does not run"
    return "variables of the PLC are forced" if forces else ""
