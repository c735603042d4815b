# SPDX-License-Identifier: Apache-2.0
"""The text socket: one line in, one line out, for tools that drive an OpenPLC runtime directly.

    PING STATUS START STOP STATS          answered PING:OK, STATUS:RUNNING, START:OK, STOP:ERROR, STATS:{json} …
    DEBUG:<hex, blanks optional>          answered DEBUG:<hex, a blank between bytes>, DEBUG:ERROR_PARSING,
                                          or DEBUG:ERROR_PROCESSING
    anything else                         answered COMMAND:ERROR

A line may be 8192 bytes long, an answer 16384. Several clients are served; each waits only for its own answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

LINE_MAX = 8192
ANSWER_MAX = 16384
CLIENTS_MAX = 16
WRITE_TIMEOUT_S = 5.0
"""A client that does not take its answer within this time is dropped."""


class Commands(Protocol):
    """What the socket asks of the runtime. Results are the words after the colon of the answer."""

    def status(self) -> str:
        """EMPTY, INIT, RUNNING, STOPPED or ERROR."""

    async def start(self) -> str:
        """OK, ERROR or ERROR_ALREADY_RUNNING."""

    async def stop(self) -> str:
        """OK or ERROR."""

    async def statistics(self) -> Mapping[str, object]:
        """The scan statistics, as JSON can say them."""

    async def debug(self, frame: bytes) -> bytes | None:
        """Answer one debugger frame (`debug.handle`)."""


def parse_hex(text: str) -> bytes | None:
    """Bytes of hexadecimal digits with blanks between them or not; None when it is neither."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


async def answer(line: str, commands: Commands) -> str:
    """The answer to one line, without its newline."""
    if line == "PING":
        return "PING:OK"
    if line == "STATUS":
        return f"STATUS:{commands.status()}"
    if line == "START":
        return f"START:{await commands.start()}"
    if line == "STOP":
        return f"STOP:{await commands.stop()}"
    if line == "STATS":
        return "STATS:" + json.dumps(dict(await commands.statistics()), separators=(",", ":"))
    if line.startswith("DEBUG:"):
        frame = parse_hex(line[6:])
        if frame is None:
            return "DEBUG:ERROR_PARSING"
        result = await commands.debug(frame)
        return "DEBUG:ERROR_PROCESSING" if result is None else f"DEBUG:{result.hex(' ')}"
    return "COMMAND:ERROR"


class TextServer:
    """Serves `commands` on a Unix stream socket at `path` (mode 0660) until closed."""

    def __init__(self, path: Path, commands: Commands) -> None:
        self._path = path
        self._commands = commands
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to listen. A socket file left by an earlier run is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_MAX)
        self._path.chmod(0o660)

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._clients):
            writer.close()
        await self._server.wait_closed()
        self._server = None
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS_MAX:
            writer.write(b"COMMAND:BUSY\n")
            writer.close()
            return
        self._clients.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, TimeoutError):
            # The client went away or does not read: nothing to tell it, and no one else is concerned.
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One line and its answer; False at the end of the conversation."""
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            writer.write(b"COMMAND:ERROR\n")
            await asyncio.wait_for(writer.drain(), WRITE_TIMEOUT_S)
            return False
        text = line[:-1].decode("utf-8", "replace")
        reply = (await answer(text, self._commands)).encode()
        if len(reply) >= ANSWER_MAX:
            reply = b"COMMAND:ERROR"
        writer.write(reply + b"\n")
        await asyncio.wait_for(writer.drain(), WRITE_TIMEOUT_S)
        return True
