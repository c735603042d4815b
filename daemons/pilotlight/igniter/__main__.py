# SPDX-License-Identifier: Apache-2.0
"""Start-up of the igniter: lines off first, then the loop, then the bus, until the end, and off again."""

from __future__ import annotations

import asyncio
import sys

from pilotlight.daemon import Context, SettingsError, load_settings, run
from pilotlight.io.lines import LineError
from pilotlight.tags import now_ns
from pilotlight.tags.mailbox import MailboxError

from .bank import CHANNELS
from .boxes import Boxes
from .firing import Firing
from .outputs import Outputs
from .pair import LoopError
from .segment import Segment
from .service import Igniter
from .settings import IgniterSettings, arming_conflicts

RETRY_S = 1.0
"""How often lines that could not be held are asked for again."""


async def main(context: Context) -> None:
    """Arm and fire as asked, or hold the outputs off, until the end."""
    settings = load_settings(IgniterSettings, "igniter")
    conflicts = arming_conflicts(settings)
    if conflicts:
        raise SettingsError("igniter.yaml: " + "; ".join(conflicts) + ". No line is held")
    why = ""
    if settings.arming is not None:
        try:
            firing = Firing(settings, settings.arming, context.log)
        except (LineError, OSError) as error:
            why = f"nothing can be armed: {error}; outputs are held off where possible. Mend it, then restart"
            context.log.error(why, event="lines-failed")
        else:
            await _fire(context, settings, firing)
            return
    await _hold(context, settings, why)


async def _fire(context: Context, settings: IgniterSettings, firing: Firing) -> None:
    """Run the firing loop and serve its commands."""
    boxes: Boxes | None = None
    try:
        await firing.start()
        service = Igniter(settings.channels, firing)
        firing.changed = service.refresh
        service.refresh()
        context.bus.export(service)
        context.ready(f"{len(settings.channels)} of {CHANNELS} channels configured, can be armed, all off")
        wanted = firing.arming.mailboxes
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(firing.run(context.stop))
            if wanted is not None:
                boxes = Boxes(wanted.command, wanted.status)
                tasks.create_task(firing.serve_boxes(boxes, wanted.forced, context.stop))
            tasks.create_task(firing.serve_program(context.stop))
    except* (LoopError, MailboxError, OSError) as errors:
        context.fail("; ".join(str(error) for error in errors.exceptions) + "; all outputs are off")
    finally:
        firing.close()
        if boxes is not None:
            boxes.leave(now_ns())


async def _hold(context: Context, settings: IgniterSettings, why: str) -> None:
    """Hold the outputs off; nothing can be armed."""
    try:
        outputs = Outputs(settings)
    except LineError as error:
        raise SettingsError(str(error)) from None
    segment = Segment()
    try:
        service = Igniter(settings.channels, why=why)
        service.update(outputs.check())
        context.bus.export(service)
        context.ready(f"{len(settings.channels)} of {CHANNELS} channels configured, all held off")
        requested = context.loop.time()
        while not context.stop.is_set():
            retry = context.loop.time() - requested >= RETRY_S
            if retry:
                requested = context.loop.time()
            channels = outputs.check(request=retry)
            segment.publish(channels, service.refused)
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
