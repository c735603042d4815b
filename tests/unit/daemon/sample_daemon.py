# SPDX-License-Identifier: Apache-2.0
"""A daemon for the tests of the life of a process. The first argument says how it behaves."""

from __future__ import annotations

import asyncio
import sys
import time

from pilotlight.daemon import Context, SettingsError, Unavailable, process, run

from tests.unit.daemon.example import Example

_HOW = sys.argv[1]


async def main(context: Context) -> None:
    """Behave."""
    if _HOW == "settings":
        raise SettingsError("sample.yaml:1: wrong")
    if _HOW == "unavailable":
        raise Unavailable("no such device")
    if _HOW == "crash":
        raise ZeroDivisionError("a bug")
    context.bus.export(Example())
    context.ready("serving é")
    if _HOW == "sick":
        context.healthy = lambda: False
    if _HOW == "stuck":
        time.sleep(60)
    if _HOW == "stubborn":
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                context.log.info("cancelled")
                raise
    await context.stop.wait()


if __name__ == "__main__":
    process.STOP_LIMIT_S = 0.3
    sys.exit(run("sample", main))
