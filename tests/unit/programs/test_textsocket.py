# SPDX-License-Identifier: Apache-2.0
"""The text socket, through real sockets."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pilotlight.runtime.textsocket import CLIENTS_MAX, LINE_MAX, TextServer


class Runtime:
    """Commands that answer as a runtime would."""

    def __init__(self) -> None:
        self.state = "STOPPED"
        self.slow = asyncio.Event()
        self.figures: dict[str, object] = {"scan_count": 3, "scan_time_avg": None}

    def status(self) -> str:
        return self.state

    async def start(self) -> str:
        if self.state == "RUNNING":
            return "ERROR_ALREADY_RUNNING"
        self.state = "RUNNING"
        return "OK"

    async def stop(self) -> str:
        await self.slow.wait()
        return "ERROR"

    async def statistics(self) -> Mapping[str, object]:
        return self.figures

    async def debug(self, frame: bytes) -> bytes | None:
        return b"\x41\x00\x05" if frame == b"\x41" else None


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[Runtime]:
    runtime = Runtime()
    server = TextServer(path, runtime)
    await server.start()
    try:
        yield runtime
    finally:
        await server.close()


async def ask(path: Path, *lines: str) -> list[str]:
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for line in lines:
        writer.write(line.encode() + b"\n")
        answers.append((await asyncio.wait_for(reader.readline(), 5)).decode())
    writer.close()
    return answers


def run(path: Path, test: Callable[[Runtime], Awaitable[None]]) -> None:
    async def main() -> None:
        async with served(path) as runtime:
            await test(runtime)

    asyncio.run(main())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runtime" / "plc_runtime.socket"


def test_the_commands(path: Path) -> None:
    async def test(_: Runtime) -> None:
        assert await ask(path, "PING", "STATUS", "START", "START", "STATUS", "STATS") == [
            "PING:OK\n",
            "STATUS:STOPPED\n",
            "START:OK\n",
            "START:ERROR_ALREADY_RUNNING\n",
            "STATUS:RUNNING\n",
            'STATS:{"scan_count":3,"scan_time_avg":null}\n',
        ]

    run(path, test)


def test_debug_frames_in_hexadecimal(path: Path) -> None:
    async def test(_: Runtime) -> None:
        assert await ask(path, "DEBUG:41", "DEBUG: 4 1", "DEBUG:zz", "DEBUG:4", "DEBUG:99", "DEBUG:") == [
            "DEBUG:41 00 05\n",
            "DEBUG:ERROR_PARSING\n",
            "DEBUG:ERROR_PARSING\n",
            "DEBUG:ERROR_PARSING\n",
            "DEBUG:ERROR_PROCESSING\n",
            "DEBUG:ERROR_PROCESSING\n",
        ]

    run(path, test)


def test_anything_else_is_an_error(path: Path) -> None:
    async def test(_: Runtime) -> None:
        lines = ["ping", "PING ", "", "HELLO", "\x00\xff", "STATUS:"]
        assert await ask(path, *lines) == ["COMMAND:ERROR\n"] * len(lines)

    run(path, test)


def test_a_client_that_waits_does_not_hold_up_another(path: Path) -> None:
    async def test(runtime: Runtime) -> None:
        waiting = asyncio.create_task(ask(path, "STOP"))
        assert await ask(path, "PING") == ["PING:OK\n"]
        assert not waiting.done()
        runtime.slow.set()
        assert await waiting == ["STOP:ERROR\n"]

    run(path, test)


def test_a_line_without_end_is_refused_and_the_server_goes_on(path: Path) -> None:
    async def test(_: Runtime) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"A" * (2 * LINE_MAX))
        assert await asyncio.wait_for(reader.read(), 5) == b"COMMAND:ERROR\n"
        writer.close()
        assert await ask(path, "PING") == ["PING:OK\n"]

    run(path, test)


def test_an_answer_too_long_is_an_error(path: Path) -> None:
    async def test(runtime: Runtime) -> None:
        runtime.figures = {"x": "y" * 20_000}
        assert await ask(path, "STATS") == ["COMMAND:ERROR\n"]

    run(path, test)


def test_a_client_that_hangs_up_harms_no_one(path: Path) -> None:
    async def test(_: Runtime) -> None:
        for data in (b"", b"PING", b"PING\n"):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(data)
            writer.transport.abort()
        assert await ask(path, "PING") == ["PING:OK\n"]

    run(path, test)


def test_clients_are_bounded(path: Path) -> None:
    async def test(_: Runtime) -> None:
        clients = [await asyncio.open_unix_connection(path) for _ in range(CLIENTS_MAX)]
        for reader, writer in clients:
            writer.write(b"PING\n")
            assert await asyncio.wait_for(reader.readline(), 5) == b"PING:OK\n"
        reader, _ = await asyncio.open_unix_connection(path)
        assert await asyncio.wait_for(reader.readline(), 5) == b"COMMAND:BUSY\n"

    run(path, test)


def test_the_socket_is_for_its_group_and_replaces_a_leftover(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("left over")

    async def test(_: Runtime) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await ask(path, "PING") == ["PING:OK\n"]

    run(path, test)
    assert not path.exists()
