# SPDX-License-Identifier: Apache-2.0
"""The life of a daemon process: logs, asyncio main loop, bus, signals, ready, watchdog, end."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .bus import Bus
from .errors import DaemonError, SettingsError, Unavailable
from .glib import post
from .log import Logger, capture_standard_logs, logger
from .notify import Notifier, watchdog_interval_s

EXIT_FAILURE = 1
EXIT_CONFIG = 78
STOP_LIMIT_S = 5.0
"""For ``main`` to return once the end has begun."""
END_LIMIT_S = 8.0
"""For the whole process to be gone; less than the units' TimeoutStopSec, so that the reason is told."""
_LAST_WORD_S = 0.5


class Context:
    """What a daemon's ``main`` works with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: Logger = logger(name)
        self.loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        self.healthy: Callable[[], bool] = lambda: True
        self.failure: str | None = None
        self._notifier = Notifier()
        self._started = asyncio.Event()
        self._bus: Bus | None = None

    @property
    def bus(self) -> Bus:
        """The connection to the bus, made at first use. Raises Unavailable."""
        if self._bus is None:
            self._bus = Bus.connect(self.loop.call_soon_threadsafe, self._bus_lost)
        return self._bus

    def ready(self, status: str) -> None:
        """Start-up is complete: the name is owned and the first values are published."""
        self._notifier.ready(status)
        self._started.set()
        self.log.info(f"ready: {status}", event="ready")

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``."""
        self._notifier.status(text)

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Run a function in the asyncio thread, from any thread. Does nothing once the loop is closed."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def fail(self, reason: str) -> None:
        """End the daemon with a failure, so that systemd starts it again."""
        self.failure = self.failure or reason
        self.stop.set()

    def _bus_lost(self) -> None:
        self.fail("the message bus went away")

    async def watch(self) -> None:
        """From `ready` on, ping the watchdog while the loop runs, GLib's thread answers and ``healthy()`` agrees.

        The first ping would start systemd's watch, but until then its limit is the one for a start.
        """
        interval = watchdog_interval_s(os.environ, os.getpid())
        if interval is None:
            await self.stop.wait()
            return
        await self._started.wait()
        glib_seen = time.monotonic()

        def seen() -> None:
            nonlocal glib_seen
            glib_seen = time.monotonic()

        while True:
            if self._bus is not None:
                post(seen)
            else:
                seen()
            if time.monotonic() - glib_seen > 2.5 * interval:
                self.log.error("the D-Bus thread does not answer; no watchdog ping", event="watchdog-held")
            elif not self.healthy():
                self.log.error("not healthy; no watchdog ping", event="watchdog-held")
            else:
                self._notifier.watchdog()
            await asyncio.sleep(interval)

    async def close(self) -> None:
        """Leave the bus."""
        self._notifier.stopping()
        if self._bus is not None:
            self._bus.cancel()
            await asyncio.sleep(0)
            try:
                self._bus.close()
            except Unavailable as error:
                self.log.warning(str(error), event="bus-lost")


def run(
    name: str,
    main: Callable[[Context], Awaitable[None]],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run a daemon to its end and return its exit code.

    ``main`` exports its services, calls ``ready`` and then works until ``context.stop`` is set (SIGTERM,
    SIGINT, bus lost); it has STOP_LIMIT_S to return then. An exception out of it ends the daemon with a
    failure; systemd starts it again. Unusable settings end it with EXIT_CONFIG.

    From the begin of the end the whole process has END_LIMIT_S, also for what comes after this returns: then
    it exits with EXIT_FAILURE and the stacks of its threads on stderr, whatever still runs.
    """
    capture_standard_logs()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_live(name, main))


async def _live(name: str, main: Callable[[Context], Awaitable[None]]) -> int:
    context = Context(name)
    for number in (signal.SIGTERM, signal.SIGINT):
        context.loop.add_signal_handler(number, context.stop.set)
    watch = asyncio.ensure_future(context.watch())
    work = asyncio.ensure_future(main(context))
    stop = asyncio.ensure_future(context.stop.wait())
    try:
        await asyncio.wait((work, stop, watch), return_when=asyncio.FIRST_COMPLETED)
        _limit_the_end(context.log)
        if watch.done() and watch.exception() is not None:
            context.fail(f"the watchdog's health check failed: {watch.exception()!r}")
        if not work.done():
            await asyncio.wait((work,), timeout=STOP_LIMIT_S)
        return _outcome(context, work)
    finally:
        for task in (watch, stop, work):
            task.cancel()
        await asyncio.gather(watch, stop, work, return_exceptions=True)
        await context.close()


def _limit_the_end(log: Logger) -> None:
    """Have the process exit after END_LIMIT_S: a worker thread that never returns would keep it for ever."""

    def tell() -> None:
        log.error(
            f"something does not end within {END_LIMIT_S:g} s and is cut off with the process, see the stacks; "
            "files are written whole or not at all",
            event="end-late",
        )

    teller = threading.Timer(END_LIMIT_S - _LAST_WORD_S, tell)
    teller.daemon = True
    teller.start()
    # Its thread is not Python's: it also works while another thread holds the interpreter, and while that is torn down.
    faulthandler.dump_traceback_later(END_LIMIT_S, exit=True, file=sys.__stderr__ or 2)


def _outcome(context: Context, work: asyncio.Future[None]) -> int:
    if not work.done():
        context.log.error(f"did not stop within {STOP_LIMIT_S:g} s and is cut short", event="stop-late")
        return EXIT_FAILURE
    error = work.exception()
    if isinstance(error, SettingsError):
        context.log.error(str(error), event="settings")
        return EXIT_CONFIG
    if isinstance(error, DaemonError):
        context.log.error(str(error), event="failed")
        return EXIT_FAILURE
    if error is not None:
        context.log.error(f"ended by {type(error).__name__}: {error}", event="crashed", exc=error)
        return EXIT_FAILURE
    if context.failure is not None:
        context.log.error(context.failure, event="failed")
        return EXIT_FAILURE
    return 0
