# SPDX-License-Identifier: Apache-2.0
"""Progress of the long steps: one live line on a terminal, plain start and end lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TICK = 0.5  # seconds between two refreshes of the live line
HEARTBEAT = 30.0  # seconds between two signs of life where there is no terminal
WIDTH = 100  # columns of the live line


def clock(seconds: float) -> str:
    """A duration as people write it: `4.2 s`, `1:07 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


class Progress:
    """Tells which steps run, for how long, and the last line each of them wrote. Safe for several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[float, str]] = {}
        self._spoke = time.monotonic()
        self._ticker: threading.Thread | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` as running until the block ends; then print how long it took."""
        start = time.monotonic()
        with self._lock:
            self._running[name] = (start, "")
            if not self._live:
                self._write(f"· {name} …\n")
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, daemon=True)
                self._ticker.start()
        done = False
        try:
            yield
            done = True
        finally:
            with self._lock:
                del self._running[name]
                self._write(f"{'✓' if done else '✗'} {name} ({clock(time.monotonic() - start)})\n")

    def note(self, name: str, text: str) -> None:
        """Remember the last thing that happened in the running step `name`."""
        with self._lock:
            if name in self._running:
                self._running[name] = (self._running[name][0], text)

    def say(self, text: str) -> None:
        """Print a line of its own."""
        with self._lock:
            self._write(text + "\n")

    def _tick(self) -> None:
        while True:
            time.sleep(TICK)
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                if self._live:
                    self._stream.write("\r\033[K" + self._line())
                    self._stream.flush()
                elif time.monotonic() - self._spoke > HEARTBEAT:
                    self._write(f"  {self._line()}\n")

    def _line(self) -> str:
        now = time.monotonic()
        parts = [f"{name} {clock(now - start)} {note}".rstrip() for name, (start, note) in self._running.items()]
        share = max(20, WIDTH // max(1, len(parts)) - 3)
        return " | ".join(part[:share] for part in parts)

    def _write(self, text: str) -> None:
        self._stream.write(("\r\033[K" if self._live else "") + text)
        self._stream.flush()
        self._spoke = time.monotonic()


progress = Progress(sys.stderr)
