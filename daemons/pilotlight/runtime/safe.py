# SPDX-License-Identifier: Apache-2.0
"""The last net: whatever ended the daemon and its children, every output gets its safe value, every servo failsafe.

Run by the unit after the daemon has ended (`ExecStopPost=`). The lines may still be held by processes that are just
being killed, so it tries for a bounded time.
"""

from __future__ import annotations

import sys
import time

from pilotlight.daemon import DaemonError, load_settings, logger
from pilotlight.io.config import IoSettings, PinMapError, pin_map
from pilotlight.io.drivers import hold, line_counts
from pilotlight.io.lines import LineError
from pilotlight.runtime.control.child import drive_failsafe
from pilotlight.runtime.control.loading import ControlSettingsError
from pilotlight.runtime.control.plan import make_plan
from pilotlight.runtime.settings import RuntimeSettings

PATIENCE_S = 3.0
PAUSE_S = 0.02

log = logger("runtime")


def make_safe(patience_s: float = PATIENCE_S) -> int:
    """Request all lines, outputs at their safe values, and let them go again; how many outputs that were.

    Raises LineError when they cannot be had in time, DaemonError or PinMapError when io.yaml cannot be used: then no
    daemon has held a line of it either.
    """
    settings = load_settings(IoSettings, "io")
    lines = pin_map(settings, line_counts(settings))
    end = time.monotonic() + patience_s
    while True:
        try:
            held = hold(lines, settings)
        except LineError:
            if time.monotonic() >= end:
                raise
            time.sleep(PAUSE_S)
            continue
        held.drive_safe()
        held.close()
        return len(lines.outputs)


def put_servos_in_failsafe() -> list[str]:
    """The servos of the control loop's configuration; a sentence for each that is not in failsafe.

    Raises DaemonError or ControlSettingsError when the settings cannot be used: then no loop has driven a servo either,
    unless they were changed meanwhile.
    """
    plan = make_plan(load_settings(RuntimeSettings, "runtime").control)
    return drive_failsafe(plan.settings) if plan is not None else []


def _servos() -> bool:
    try:
        problems = put_servos_in_failsafe()
    except (DaemonError, ControlSettingsError) as error:
        problems = [str(error)]
    for problem in problems:
        log.error(f"servos could not be put in failsafe: {problem}", event="safe-failed")
    return not problems


def _outputs() -> bool:
    try:
        count = make_safe()
    except (DaemonError, PinMapError, LineError, OSError) as error:
        log.error(f"outputs could not be made safe: {error}", event="safe-failed")
        return False
    log.info(f"{count} outputs have their safe values", event="safe")
    return True


def main() -> int:
    """Returns 0, or 1 when outputs or servos may not be safe."""
    # Servos first: they take a write each, and the lines may have to be waited for.
    try:
        servos = _servos()
    finally:
        outputs = _outputs()
    return 0 if servos and outputs else 1


if __name__ == "__main__":
    sys.exit(main())
