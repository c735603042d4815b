# SPDX-License-Identifier: Apache-2.0
"""Run by ``pilotlight-restore.service`` before any daemon, when a restore was staged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pilotlight.daemon import logger

from ..provision.name import take_name
from .restore import apply

log = logger("backup")


def main() -> int:
    """Put the staged restore in place; returns 1 when the disk refused, and the next start goes on."""
    data = Path(os.environ.get("PILOTLIGHT_DATA", "/data"))
    try:
        done = apply(data)
        take_name(data)
    except OSError as error:
        log.error(f"the restore is not in place yet: {error}; the next start goes on with it", event="restore-failed")
        return 1
    if done is not None:
        log.warning(
            f"restored {', '.join(done.parts)} from the backup of {done.hostname}, made {done.created}, as {done.user} "
            "asked",
            event="restored",
            user=done.user,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
