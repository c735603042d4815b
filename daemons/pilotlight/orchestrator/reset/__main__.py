# SPDX-License-Identifier: Apache-2.0
"""Run by ``pilotlight-reset-button.service`` early in a start, where ``reset.yaml`` names a button."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pilotlight.daemon import DaemonError, load_settings, logger
from pilotlight.io.config import IoSettings, LineSettings, PinMapError, pin_map
from pilotlight.io.drivers import Lines, hold, line_counts
from pilotlight.io.lines import LineError

from .button import ButtonLine, Hold, ResetSettings, Verdict
from .marker import ask_for_reset

LOOK_S = 0.05

log = logger("reset")


def open_button(button: ButtonLine, io: IoSettings, wait_s: float) -> Lines:
    """Hold the button's line as an input, waiting for its chip to appear. Raises LineError, PinMapError."""
    line = LineSettings(button.chip, button.line, "%IX0.0", button.bias, button.active_low)
    wanted = IoSettings(lines={"reset": line}, simulated=io.simulated)
    deadline = time.monotonic() + wait_s
    while button.chip not in (chips := line_counts(wanted)) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    return hold(pin_map(wanted, chips), wanted)


def watch(read: Callable[[], int], hold_s: float) -> bool:
    """Whether the button stays pressed for ``hold_s`` from now on; returns as soon as it is known."""
    following = Hold(hold_s)
    while (verdict := following.sample(time.monotonic(), read() & 1 == 1)) is Verdict.WAIT:
        time.sleep(LOOK_S)
    return verdict is Verdict.HELD


def main() -> int:
    """Look at the button; when it is held, leave the marker and restart. A faulty line never keeps a device down."""
    try:
        settings = load_settings(ResetSettings, "reset")
        if settings.button is None:
            return 0
        lines = open_button(settings.button, load_settings(IoSettings, "io"), settings.chip_wait_s)
        try:
            held = watch(lines.inputs.read, settings.hold_s)
        finally:
            lines.close()
        if not held:
            return 0
        log.warning(f"the reset button is held for {settings.hold_s:g} s: all data is erased", event="reset-button")
        boot = Path(os.environ.get("PILOTLIGHT_BOOT_CONFIG", "/boot/config"))
        ask_for_reset(boot, f"The reset button was held for {settings.hold_s:g} s.")
        subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
    except (DaemonError, LineError, PinMapError, OSError, subprocess.CalledProcessError) as error:
        log.error(
            f"the reset button cannot be used: {error}; the device starts without it", event="reset-button-failed"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
