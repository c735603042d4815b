# SPDX-License-Identifier: Apache-2.0
"""The firing loop as the bench starts it: a command of kind `HANG` makes it run without end, as a defect would."""

import os
import sys

from pilotlight.igniter import commands, loop

HANG = 254


def decode(data: bytes) -> commands.Command:
    """The command in `data`, or no end."""
    while data[0] == HANG:
        pass
    return decode_command(data)


if __name__ == "__main__":
    decode_command = commands.decode
    commands.decode = decode
    os._exit(loop.main(sys.argv[1:]))
