# SPDX-License-Identifier: Apache-2.0
"""Start-up of the network monitor, and its loop: wait for the kernel's word, let it settle, look, publish."""

from __future__ import annotations

import asyncio
import sys

from pilotlight.daemon import Context, Unavailable, load_settings, run

from .core import Debounce, Network
from .netlink import Events, look
from .segment import Segment
from .service import NetMon
from .settings import NetMonSettings

BEAT_S = 1.0
LOOK_LIMIT_S = 5.0


async def main(context: Context) -> None:
    """Watch until the end."""
    settings = load_settings(NetMonSettings, "netmon")
    service = NetMon()
    segment = Segment()
    # Listen before the first look: a change between the two is looked at again.
    events = Events()
    debounce = Debounce(settings.debounce_ms / 1000, settings.debounce_max_ms / 1000)
    wake = asyncio.Event()

    def told() -> None:
        try:
            events.drain()
        except OSError as error:
            # The socket would stay readable, and this would be called for ever.
            context.loop.remove_reader(events.fileno())
            context.fail(f"the kernel no longer tells of changes: {error}")
            return
        debounce.event(context.loop.time())
        wake.set()

    context.loop.add_reader(events.fileno(), told)
    stopping = asyncio.ensure_future(context.stop.wait())
    stopping.add_done_callback(lambda _: wake.set())
    try:
        network = await _look()
        service.begin(network)
        segment.publish(network, service.LastChange)
        context.bus.export(service)
        context.ready(f"watching {len(network.interfaces)} interfaces")
        while not context.stop.is_set():
            await _wait(wake, debounce.due(), context.loop.time())
            due = debounce.due()
            if due is not None and context.loop.time() >= due:
                debounce.looked()
                network = await _look()
                for change in service.update(network):
                    context.log.info(change.text, event=change.kind, interface=change.interface)
                segment.publish(network, service.LastChange)
            else:
                segment.beat()
    finally:
        stopping.cancel()
        context.loop.remove_reader(events.fileno())
        events.close()
        segment.close()


async def _wait(wake: asyncio.Event, due: float | None, now: float) -> None:
    """Until something happens, a look is due, or it is time for a heartbeat."""
    try:
        await asyncio.wait_for(wake.wait(), BEAT_S if due is None else min(BEAT_S, max(0.0, due - now)))
    except TimeoutError:
        return
    wake.clear()


async def _look() -> Network:
    try:
        return await asyncio.to_thread(look, LOOK_LIMIT_S)
    except OSError as error:
        raise Unavailable(f"the network cannot be described: {error}; the monitor starts anew") from None


if __name__ == "__main__":
    sys.exit(run("netmon", main))
