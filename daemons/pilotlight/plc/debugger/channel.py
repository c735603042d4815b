# SPDX-License-Identifier: Apache-2.0
"""The two ends of the line to the client."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping
from queue import Queue
from typing import Any, BinaryIO

from pilotlight.plc.debugger.protocol import Message, ProtocolError, Request, encoded, read_message

MOST_WAITING = 1000
"""Requests that may wait; the client's pipe holds the rest."""
PATIENCE = 3.0
"""Seconds that a session has to end when the client wants it to, before the process is ended."""
LONGEST_LINE = 10_000
"""Characters without an end of the line that are kept back."""
_ENDING = ("disconnect", "terminate")


class Channel:
    """Reads messages in a thread of its own and writes from any thread.

    The thread sees to it that the process ends even when the program that is debugged never comes back.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._inbox: Queue[Message | ProtocolError | None] = Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._sent = 0
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, name="dap-reader", daemon=True)

    def open(self) -> None:
        """Begin to read."""
        self._reader.start()

    def close(self) -> None:
        """The session has ended."""
        self._over.set()

    def _read(self) -> None:
        while True:
            message: Message | ProtocolError | None
            try:
                message = read_message(self._source)
            except ProtocolError as error:
                message = error
            except (OSError, ValueError):
                message = None
            last = message is None or isinstance(message, ProtocolError)
            ending = isinstance(message, Request) and message.command in _ENDING
            if last or ending:
                threading.Thread(target=self._end, name="dap-end", daemon=True).start()
            self._inbox.put(message)
            if last:
                return

    def _end(self) -> None:
        if not self._over.wait(PATIENCE):
            os._exit(1)

    def next(self, timeout: float | None) -> Message | ProtocolError | None:
        """The next message, None at the end of the stream; raises queue.Empty after `timeout` seconds."""
        return self._inbox.get(timeout=timeout) if timeout is None or timeout > 0 else self._inbox.get_nowait()

    def send(self, kind: str, content: Mapping[str, Any]) -> None:
        """Send a response or event; nothing when the client has gone."""
        with self._lock:
            self._sent += 1
            try:
                self._sink.write(encoded({"seq": self._sent, "type": kind, **content}))
                self._sink.flush()
            except (OSError, ValueError):
                self._over.set()

    def event(self, name: str, **body: object) -> None:
        """Send an event."""
        self.send("event", {"event": name, "body": body})

    def output(self, text: str, category: str = "console") -> None:
        """Write a line to the client's console."""
        self.event("output", category=category, output=text)


class Printed(io.TextIOBase):
    """What the program prints, as output of the session, line by line."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._line = ""

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str) -> int:
        """Send the lines that are complete; a line beyond `LONGEST_LINE` goes in pieces."""
        self._line += text
        lines, newline, rest = self._line.rpartition("\n")
        if len(rest) > LONGEST_LINE:
            lines, newline, rest = self._line, "", ""
        self._line = rest
        if lines or newline:
            self._channel.output(lines + newline, "stdout")
        return len(text)

