# SPDX-License-Identifier: Apache-2.0
"""The debug adapter as a process: the protocol on its standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pilotlight.plc.debugger.channel import Channel, Printed
from pilotlight.plc.debugger.requests import Server

USAGE = """\
usage: pilotlight plc debug

A Debug Adapter Protocol server on standard input and output, for editors: they start it, and step PLC programs
through it. docs/plc-debugging.md has the settings for VS Code.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one session; returns the exit code, 2 for a usage error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments:
        wanted = arguments[0] in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    # The program may print and read: it gets other ends than the protocol's.
    with os.fdopen(os.dup(0), "rb") as source, os.fdopen(os.dup(1), "wb") as sink, Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        channel = Channel(source, sink)
        sys.stdout, sys.stdin = Printed(channel), nothing
        try:
            channel.open()
            Server(channel).serve()
        finally:
            channel.close()
            sys.stdout, sys.stdin = sys.__stdout__, sys.__stdin__
        sys.stderr.flush()
        # The reading thread may wait for the client for ever; nothing is left to do.
        os._exit(0)
