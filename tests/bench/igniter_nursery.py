# SPDX-License-Identifier: Apache-2.0
"""The process that forks firing loops and guards for the bench, as lean as they are; see `igniter_fork`.

A command of kind `HANG` makes its loops run without end, as a defect would.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys

from pilotlight.igniter import commands, guard, loop

HANG = 254
MAINS = {"loop": loop.main, "guard": guard.main}
LONGEST, MOST = 8192, 64
"""The largest order in bytes, and the most descriptors of one."""
decode_command = commands.decode


def serve(orders: socket.socket) -> None:
    """Fork a child for each order, until nobody gives any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how the children ended
    while True:
        data, received, _, _ = socket.recv_fds(orders, LONGEST, MOST)
        if not data:
            return
        module, numbers, *words = data.decode().split("\0")
        pid = os.fork()
        if not pid:
            orders.close()
            live(module, received, [int(number) for number in numbers.split()], words)
        for descriptor in received:
            os.close(descriptor)
        orders.send(str(pid).encode())


def live(module: str, received: list[int], numbers: list[int], words: list[str]) -> None:
    """Be the child, and end."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        above = max([*received, *numbers, nothing]) + 1
        moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in received]
        for stream in range(3):
            os.dup2(nothing, stream)
        os.closerange(3, above)
        for descriptor, number in zip(moved, numbers, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        commands.decode = _decode
        code = MAINS[module](words)
    finally:
        os._exit(code)


def _decode(data: bytes) -> commands.Command:
    """The command in `data`, or no end."""
    while data[0] == HANG:
        pass
    return decode_command(data)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
