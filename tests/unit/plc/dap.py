# SPDX-License-Identifier: Apache-2.0
"""A client of the Debug Adapter Protocol, with its server in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from typing import Any

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0
"""Seconds to wait for a message."""


class Client:
    """Speaks to a server; `with Client() as client:` ends it whatever happens."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "daemons")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pilotlight", "plc", "debug"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        self.messages: Queue[dict[str, Any] | None] = Queue()
        self.events: list[dict[str, Any]] = []
        self.seq = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            name, _, length = header.partition(b":")
            assert name == b"Content-Length"
            assert stream.readline() == b"\r\n"
            self.messages.put(json.loads(stream.read(int(length))))
        self.messages.put(None)

    def write(self, data: bytes) -> None:
        stream = self.process.stdin
        assert stream is not None
        stream.write(data)
        stream.flush()

    def post(self, command: str, **arguments: Any) -> int:
        """Send a request; gives its number."""
        self.seq += 1
        body = json.dumps({"seq": self.seq, "type": "request", "command": command, "arguments": arguments}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self.seq

    def response(self, number: int) -> dict[str, Any]:
        """The response to a request; events that come before it wait."""
        while True:
            message = self.messages.get(timeout=PATIENCE)
            assert message is not None, "the server has ended"
            if message["type"] == "event":
                self.events.append(message)
            elif message["request_seq"] == number:
                return message

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The body of the response to a request, which must succeed."""
        response = self.response(self.post(command, **arguments))
        assert response["success"], response
        body: dict[str, Any] = response.get("body", {})
        return body

    def refused(self, command: str, **arguments: Any) -> str:
        """Why a request fails."""
        response = self.response(self.post(command, **arguments))
        assert not response["success"], response
        return str(response["message"])

    def event(self, name: str) -> dict[str, Any]:
        """The body of the next event of a kind."""
        while True:
            for place, message in enumerate(self.events):
                if message["event"] == name:
                    del self.events[place]
                    return dict(message.get("body", {}))
            got = self.messages.get(timeout=PATIENCE)
            assert got is not None, "the server has ended"
            assert got["type"] == "event", got
            self.events.append(got)

    def ended(self) -> int:
        """The exit code, when the server has ended by itself."""
        while self.messages.get(timeout=PATIENCE) is not None:
            pass
        return self.process.wait(PATIENCE)

    def line(self) -> tuple[int, str]:
        """Line and scan where the program stands."""
        frames = self.ask("stackTrace", threadId=1)["stackFrames"]
        return frames[0]["line"], frames[-1]["name"]

    def value(self, name: str) -> str:
        """A watched expression."""
        return str(self.ask("evaluate", expression=name, context="watch")["result"])

    def say(self, text: str) -> str:
        """A line of the console."""
        return str(self.ask("evaluate", expression=text, context="repl")["result"])
