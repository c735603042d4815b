# SPDX-License-Identifier: Apache-2.0
"""A port of this machine that leads into another network namespace, with nothing configured on either side."""

import asyncio
import ctypes
import os
import socket
import threading
from pathlib import Path

from image.errors import BuildError

CLONE_NEWNET = 0x40000000
CONNECTIONS = 256  # at a time; more wait in the listening socket's queue
CHUNK = 65536  # bytes


class Forwarder:
    """Accepts TCP connections on this machine's loopback and continues each to loopback in a process's network.

    The listening socket is made in the caller's network namespace; the thread then enters the other one, so that the
    connections it makes are there.
    """

    def __init__(self, port: int) -> None:
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listening.bind(("127.0.0.1", port))
        except OSError as error:
            self._listening.close()
            raise BuildError(
                f"port {port} of this machine is in use: end what uses it, or choose another with --port"
            ) from error
        self._listening.listen()
        self.port: int = self._listening.getsockname()[1]
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()

    def start(self, pid: int, port: int) -> None:
        """Begin to forward to `port` in the network namespace of process `pid`."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(Path(f"/proc/{pid}/ns/net"), port, ready), daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close all connections and the port."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
        self._listening.close()

    def _run(self, namespace: Path, port: int, ready: threading.Event) -> None:
        enter(namespace)
        self._listening.setblocking(False)
        slots = asyncio.Semaphore(CONNECTIONS)
        serving = self._loop.create_task(self._serve(port, slots))
        ready.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop) | {serving}
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, port: int, slots: asyncio.Semaphore) -> None:
        connections: set[asyncio.Task[None]] = set()
        while True:
            await slots.acquire()
            client, _ = await self._loop.sock_accept(self._listening)
            task = self._loop.create_task(self._forward(client, port))
            connections.add(task)
            task.add_done_callback(connections.discard)
            task.add_done_callback(lambda _: slots.release())

    async def _forward(self, client: socket.socket, port: int) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            client.setblocking(False)
            server.setblocking(False)
            await self._loop.sock_connect(server, ("127.0.0.1", port))
            await self._both_ways(client, server)
        except OSError:
            return  # nobody listens there; closing tells the client
        finally:
            client.close()
            server.close()

    async def _both_ways(self, one: socket.socket, other: socket.socket) -> None:
        """Copy until both are done or one side goes away; nothing waits for either of them any more then.

        Whoever still waited after they are closed would do so on the number of a later connection's descriptor.
        """
        directions = [self._loop.create_task(self._copy(*pair)) for pair in ((one, other), (other, one))]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _copy(self, source: socket.socket, target: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, CHUNK):
            await self._loop.sock_sendall(target, data)
        target.shutdown(socket.SHUT_WR)


def enter(namespace: Path) -> None:
    """Move the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(descriptor)
