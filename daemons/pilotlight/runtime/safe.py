# SPDX-License-Identifier: Apache-2.0
"""The last net: whatever ended the daemon and its scan, give every output its safe value.

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


def main() -> int:
    """Returns 0, or 1 when outputs may not be safe."""
    try:
        count = make_safe()
    except (DaemonError, PinMapError, LineError, OSError) as error:
        log.error(f"outputs could not be made safe: {error}", event="safe-failed")
        return 1
    log.info(f"{count} outputs have their safe values", event="safe")
    return 0


if __name__ == "__main__":
    sys.exit(main())
