# SPDX-License-Identifier: Apache-2.0

"""A service with one of everything, for the tests of the service base."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

from pilotlight.daemon import DaemonError, Reply, Service, Typed, WrongState, caller, command, deferred, urgent


class Odd(DaemonError):
    """An error that only this service knows."""

    dbus_name = "io.pilotlight.Error.Odd"


class Example(Service):
    """See the interface file."""

    interface = "io.pilotlight.Example1"

    def __init__(self) -> None:
        super().__init__()
        self.Count = 0
        self.Big = ["a"]
        self.Quiet = 1
        self.trouble: list[str] = []
        self.thread_of_call: threading.Thread | None = None
        self.kept: Reply | None = None

    Count: int
    Big: list[str]
    Quiet: int

    def problems(self) -> list[str]:
        return self.trouble

    def details(self) -> dict[str, Any]:
        return {"Count": Typed("u", self.Count)}

    def Add(self, a: int, b: int) -> int:
        self.thread_of_call = threading.current_thread()
        return a + b

    def Pair(self) -> tuple[str, list[dict[str, Any]]]:
        return "one", [{"b": True, "i": -1, "f": 0.5, "s": "é", "y": b"\0\xff", "n": {"d": [1, 2], "e": []}}]

    def Fail(self, how: str) -> None:
        raise {"odd": Odd("odd things"), "state": WrongState("not now"), "bug": ZeroDivisionError("a bug")}[how]

    @urgent
    def Bytes(self, data: bytes) -> bytes:
        return data[::-1]

    @command
    def Secret(self) -> str:
        return caller().user

    @command(group="nogroup")
    def Special(self) -> str:
        return caller().user

    @deferred
    def Later(self, reply: Reply, value: Any) -> None:
        threading.Thread(target=lambda: reply.send(value)).start()

    @deferred
    def Forget(self, reply: Reply) -> None:
        del reply

    async def Sleep(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return caller().user

    def Read(self, file: int) -> bytes:
        return os.read(file, 100)

    def Open(self, text: bytes) -> int:
        read, write = os.pipe()
        os.write(write, text)
        os.close(write)
        return read

    def Wrong(self) -> int:
        return -1
