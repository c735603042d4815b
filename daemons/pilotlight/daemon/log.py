# SPDX-License-Identifier: Apache-2.0
"""Structured log: journal fields when stderr is the journal, a readable line on stderr otherwise.

Each record has MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, PILOTLIGHT_DAEMON, and from the call PILOTLIGHT_EVENT
and a PILOTLIGHT_<FIELD> for every keyword. One event of one logger may come BURST times in WINDOW_S; what is
more is counted and the count given with the next record of that event.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from functools import cache

BURST = 20
WINDOW_S = 10.0
EVENTS_LIMIT = 256
MESSAGE_LIMIT = 8192

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_THRESHOLD = _PRIORITY.get(os.environ.get("PILOTLIGHT_LOG_LEVEL", "info"), 6)


class RateLimit:
    """Decides, event by event, whether a record may go out. No I/O, no clock of its own."""

    def __init__(self, burst: int = BURST, window_s: float = WINDOW_S, limit: int = EVENTS_LIMIT) -> None:
        self._burst, self._window, self._limit = burst, window_s, limit
        self._events: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admit(self, event: str, now: float) -> int | None:
        """None: hold it back. A number: let it out, and so many were held back since the last."""
        start, count = self._events.pop(event, (now, 0))
        held = 0
        if now - start >= self._window:
            held, start, count = max(0, count - self._burst), now, 0
        self._events[event] = (start, count + 1)
        if len(self._events) > self._limit:
            self._events.popitem(last=False)
        return held if count < self._burst else None


class Logger:
    """Writes records of one part of the software."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._limit = RateLimit()
        self._lock = threading.Lock()

    def debug(self, message: str, *, event: str = "", **fields: object) -> None:
        """For developers; only with PILOTLIGHT_LOG_LEVEL=debug."""
        self._write("debug", message, event, fields)

    def info(self, message: str, *, event: str = "", **fields: object) -> None:
        """Something happened as intended that an operator may look for later."""
        self._write("info", message, event, fields)

    def warning(self, message: str, *, event: str = "", **fields: object) -> None:
        """Something is not as it should be; the work goes on."""
        self._write("warning", message, event, fields)

    def error(self, message: str, *, event: str = "", exc: BaseException | None = None, **fields: object) -> None:
        """Something failed; ``exc`` adds its traceback."""
        if exc is not None:
            fields["traceback"] = "".join(traceback.format_exception(exc))
        self._write("error", message, event, fields)

    def _write(self, level: str, message: str, event: str, fields: dict[str, object]) -> None:
        priority = _PRIORITY[level]
        if priority > _THRESHOLD:
            return
        with self._lock:
            held = self._limit.admit(event or message[:80], time.monotonic())
        if held is None:
            return
        if held:
            message = f"{message} ({held} more like this were held back)"
        _sink()(priority, self.name, message[:MESSAGE_LIMIT], {"event": event, **fields} if event else fields)


@cache
def logger(name: str) -> Logger:
    """The logger of a part of the software, named after its daemon."""
    return Logger(name)


class StandardLogs(logging.Handler):
    """Brings the records of libraries that use ``logging`` into the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= 30 else "info"
        getattr(logger(record.name), level)(record.getMessage(), event=f"{record.module}:{record.lineno}")


def capture_standard_logs() -> None:
    """Route ``logging`` here: warnings and errors of every library."""
    logging.basicConfig(handlers=[StandardLogs()], level=logging.WARNING, force=True)


def is_journal(stream: str, device: int, inode: int) -> bool:
    """Whether a file is the journal's stream as JOURNAL_STREAM names it."""
    return stream == f"{device}:{inode}"


@cache
def _sink() -> Callable[[int, str, str, dict[str, object]], None]:
    status = os.fstat(sys.stderr.fileno()) if sys.stderr is not None and _has_descriptor() else None
    if status is not None and is_journal(os.environ.get("JOURNAL_STREAM", ""), status.st_dev, status.st_ino):
        try:
            from systemd import journal
        except ImportError:
            return _to_stderr
        return _to_journal(journal.send)
    return _to_stderr


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError):
        return False
    return True


def _to_journal(send: Callable[..., object]) -> Callable[[int, str, str, dict[str, object]], None]:
    def write(priority: int, name: str, message: str, fields: dict[str, object]) -> None:
        own = {f"PILOTLIGHT_{key.upper()}": str(value) for key, value in fields.items()}
        try:
            send(
                message,
                PRIORITY=priority,
                SYSLOG_IDENTIFIER=f"pilotlight-{name}",
                PILOTLIGHT_DAEMON=name,
                **own,
            )
        except OSError:
            _to_stderr(priority, name, message, fields)

    return write


def _to_stderr(priority: int, name: str, message: str, fields: dict[str, object]) -> None:
    level = next(key for key, value in _PRIORITY.items() if value == priority)
    detail = "".join(f" {key}={value}" for key, value in fields.items() if key not in ("event", "traceback"))
    print(f"{level:<7} {name}: {message}{detail}", file=sys.stderr)
    if "traceback" in fields:
        print(fields["traceback"], file=sys.stderr, end="")
