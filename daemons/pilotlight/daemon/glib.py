# SPDX-License-Identifier: Apache-2.0
"""The thread in which GLib's main loop runs, one a process: it delivers D-Bus calls, replies and signals."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gi.repository import GLib

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure_running() -> None:
    """Start the thread when it is not running yet. It ends with the process."""
    global _thread
    with _lock:
        if _thread is None or not _thread.is_alive():
            loop = GLib.MainLoop()
            _thread = threading.Thread(target=loop.run, name="glib", daemon=True)
            _thread.start()


def in_glib_thread() -> bool:
    """Whether the caller is that thread."""
    return threading.current_thread() is _thread


def post(function: Callable[[], None]) -> None:
    """Run a function once in the GLib thread, soon."""

    def once() -> bool:
        function()
        return bool(GLib.SOURCE_REMOVE)

    GLib.idle_add(once, priority=GLib.PRIORITY_DEFAULT)
