# SPDX-License-Identifier: Apache-2.0
"""A daemon for the tests of the life of a process. The first argument says how it behaves."""

from __future__ import annotations

import asyncio
import sys
import threading
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
    if _HOW == "sleeping-thread":
        context.loop.run_in_executor(None, time.sleep, 60)
    if _HOW == "spinning-thread":
        context.loop.run_in_executor(None, _spin)
    if _HOW == "deaf":
        await _sleep_whatever_comes()
    if _HOW == "late-thread":
        threading.Thread(target=time.sleep, args=(60,)).start()
    await context.stop.wait()


def _spin() -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


async def _sleep_whatever_comes() -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


if __name__ == "__main__":
    process.STOP_LIMIT_S = 0.3
    process.END_LIMIT_S = 1.0
    sys.exit(run("sample", main))
