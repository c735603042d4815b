# SPDX-License-Identifier: Apache-2.0
"""Start-up of the igniter: lines off first, then the bus, then checking until the end, and off again."""

from __future__ import annotations

import asyncio
import sys

from pilotlight.daemon import Context, SettingsError, load_settings, run
from pilotlight.io.lines import LineError

from .outputs import Outputs
from .segment import Segment
from .service import Igniter
from .settings import CHANNELS, IgniterSettings

RETRY_S = 1.0
"""How often lines that could not be held are asked for again."""


async def main(context: Context) -> None:
    """Hold the outputs off until the end."""
    settings = load_settings(IgniterSettings, "igniter")
    try:
        outputs = Outputs(settings)
    except LineError as error:
        raise SettingsError(str(error)) from None
    segment = Segment()
    try:
        service = Igniter(settings.channels)
        service.update(outputs.check())
        context.bus.export(service)
        context.ready(f"{len(settings.channels)} of {CHANNELS} channels configured, all held off")
        requested = context.loop.time()
        while not context.stop.is_set():
            retry = context.loop.time() - requested >= RETRY_S
            if retry:
                requested = context.loop.time()
            channels = outputs.check(request=retry)
            segment.publish(channels)
            if service.update(channels):
                for reason in service.problems():
                    context.log.error(reason, event="channel-fault")
            try:
                await asyncio.wait_for(context.stop.wait(), settings.check_ms / 1000)
            except TimeoutError:
                continue
    finally:
        outputs.close()
        segment.close()


if __name__ == "__main__":
    sys.exit(run("igniter", main))
