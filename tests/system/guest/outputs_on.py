# SPDX-License-Identifier: Apache-2.0
"""Inside the machine: outputs that are on though nobody has commanded them. Arguments: process, lines, their levels.

Whoever holds a line keeps everybody else from it, and no simulated line reads on by itself: what is left is to write
by the holder's own requests. Fails when the process has none of outputs.
"""

import ctypes
import os
import sys
from pathlib import Path

from pilotlight.io.uapi import LineRequest

GETFD = 438
"""The number of pidfd_getfd(2)."""


def main(process: int, lines: int, levels: int) -> bool:
    """Whether the outputs were written."""
    holder, written = os.pidfd_open(process), False
    for link in Path(f"/proc/{process}/fd").iterdir():
        if "gpio-line" not in str(link.readlink()):
            continue
        if (descriptor := ctypes.CDLL(None).syscall(GETFD, holder, int(link.name), 0)) < 0:
            return False
        try:
            LineRequest(descriptor, lines).write(levels)
            written = True
        except OSError:  # an input, or of fewer lines
            continue
    return written


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
