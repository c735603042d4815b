# SPDX-License-Identifier: Apache-2.0
"""uvicorn with bounds of our own: connections, sizes and times that a stranger cannot exceed."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto import events

from pilotlight.daemon import Unavailable
from pilotlight.web.debug_socket import LONGEST_COMMAND
from pilotlight.web.settings import WebSettings
from pilotlight.web.throttle import network_of, plain_address

HEAD_S = 10.0
"""A request's first line and headers must be complete within this time."""
HEAD_BYTES = 16 * 1024
HANDSHAKE_S = 10.0
KEEP_ALIVE_S = 75
STOP_S = 3


class Connections:
    """Counts open connections, in all and by address."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_address: Counter[str] = Counter()

    def admit(self, address: str) -> bool:
        """Counts one more from this address; False when it would be too many."""
        if self._by_address.total() >= self._most or self._by_address[address] >= self._most_per_address:
            return False
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One less from this address."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


class _Http(HttpToolsProtocol):
    """HTTP/1.1 with a time limit for the head of a request and a size limit for it."""

    gate: Connections

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._admitted = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        if self.client:
            self.client = (plain_address(self.client[0]), self.client[1])
        self._address = network_of(self.client[0]) if self.client else ""
        if not self.gate.admit(self._address):
            transport.abort()
            return
        self._admitted = True
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        if self._admitted:
            self._admitted = False
            self.gate.leave(self._address)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._head_arrived()
        super().handle_websocket_upgrade()
        if self._admitted:
            protocol = self.transport.get_protocol()
            if isinstance(protocol, _WebSocket):
                self._admitted = False
                protocol.leave = lambda: self.gate.leave(self._address)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._await_head()

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size + 4
        if self._head_bytes > HEAD_BYTES:
            raise ValueError("the head of the request is too long")

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _WebSocket(WSProtocol):
    """A websocket whose messages have a greatest size, and which counts as a connection until it ends."""

    leave: Any = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.leave is not None:
            self.leave()
        super().connection_lost(exc)

    def handle_text(self, event: events.TextMessage) -> None:
        if len(self.text) + len(event.data) > LONGEST_COMMAND:
            self.transport.abort()
            return
        super().handle_text(event)

    def handle_bytes(self, event: events.BytesMessage) -> None:
        if len(self.bytes) + len(event.data) > LONGEST_COMMAND:
            self.transport.abort()
            return
        super().handle_bytes(event)


class WebServer(uvicorn.Server):
    """Serves an application over TLS in the running loop until `should_exit` is set."""

    def __init__(self, app: ASGIApp, settings: WebSettings, context: ssl.SSLContext) -> None:
        gate = Connections(settings.connections, settings.connections_per_address)
        super().__init__(
            uvicorn.Config(
                app,
                http=type("Http", (_Http,), {"gate": gate}),
                ws=_WebSocket,
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws_per_message_deflate=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._context = context
        try:
            self.sockets = listen(settings.bind, settings.port)
        except OSError as error:
            raise Unavailable(
                f"Cannot listen on port {settings.port} of {settings.bind or 'any address'} ({error.strerror}); "
                "end what uses it, or set bind and port in web.yaml."
            ) from None
        self.port: int = self.sockets[0].getsockname()[1]
        self.listening = asyncio.Event()
        """Set when connections are accepted."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's affair."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts connections on the sockets, with a time limit for the TLS handshake."""
        loop = asyncio.get_running_loop()
        config, state = self.config, self.server_state

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=state, app_state=self.lifespan.state, _loop=loop
            )
            return made

        self.servers = [
            await loop.create_server(
                protocol,
                sock=sock,
                ssl=self._context,
                backlog=128,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=STOP_S,
            )
            for sock in self.sockets
        ]
        self.started = True
        self.listening.set()


def listen(bind: str, port: int) -> list[socket.socket]:
    """The listening socket; an empty `bind` means every address, IPv6 too where there is IPv6."""
    if not bind:
        try:
            return [_socket(socket.AF_INET6, "::", port)]
        except OSError:
            bind = "0.0.0.0"  # noqa: S104 - what the setting asks for
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    return [_socket(family, bind, port)]


def _socket(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address == "::":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((address, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
