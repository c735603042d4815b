# SPDX-License-Identifier: Apache-2.0
"""Drive every configured channel off and let go: what systemd runs whenever the igniter has ended.

The kernel released the lines of a dead igniter already; this makes sure of their level. Exit code 0 when
every configured line reads off.
"""

from __future__ import annotations

import sys

from pilotlight.daemon import SettingsError, load_settings, logger
from pilotlight.io.lines import LineError

from .core import problems
from .outputs import Outputs
from .settings import IgniterSettings


def main() -> int:
    """Do it once."""
    log = logger("igniter")
    try:
        outputs = Outputs(load_settings(IgniterSettings, "igniter"))
    except (SettingsError, LineError) as error:
        log.error(f"{error}; no line could be driven off", event="safe-failed")
        return 1
    found = problems(outputs.check())
    outputs.close()
    for reason in found:
        log.error(reason, event="safe-failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
