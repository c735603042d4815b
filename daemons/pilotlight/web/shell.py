# SPDX-License-Identifier: Apache-2.0
"""The outermost layer: headers on every reply, limits on every request, a record of it in the log, no
exception out."""

import asyncio
import json
import time

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilotlight.daemon import logger

log = logger("web")

BODY_LIMIT = 64 * 1024
"""Bytes of an ordinary request body."""
UPLOAD_PATHS = frozenset({"/api/upload-file", "/api/update/bundle", "/api/backup/inspect", "/api/backup/restore"})
"""Where larger bodies go, with limits of their own."""
IDLE_S = 30.0
"""Longest wait for the next piece of a request, and for a client to take a piece of the reply."""
LINGER_S = 2.0
"""How long a refused body is still taken and thrown away, so that the client reads the reply before the
connection ends."""

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), usb=(), serial=()"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


class Shell:
    """Wraps the HTTP application."""

    def __init__(self, app: ASGIApp, version_header: str) -> None:
        self._app = app
        self._version = (b"x-openplc-runtime-version", version_header.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = _Request(scope, receive, send, self._version)
        started = time.monotonic()
        try:
            await request.run(self._app)
        except ClientDisconnect:
            log.info("A client left before its request was complete.", event="web-client-left")
        except TimeoutError:
            log.info(
                f"A client did not take its reply within {IDLE_S:.0f} s; the connection is ended.",
                event="web-slow-client",
            )
        except Exception as error:  # noqa: BLE001 - the last resort: a bug must not end the connection without a word
            log.error(
                f"A request failed inside the web daemon ({type(error).__name__}: {error}); the program keeps running.",
                event="web-request-failed",
                path=scope["path"],
                method=scope["method"],
            )
            await request.refuse(
                500,
                "The web daemon could not handle this request; its log says more. The program keeps running.",
            )
        _record(scope, request.status, time.monotonic() - started)


class _Request:
    def __init__(self, scope: Scope, receive: Receive, send: Send, version: tuple[bytes, bytes]) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = [*SECURITY_HEADERS, (b"cache-control", b"no-store")]
        if scope["path"].startswith("/api/"):
            self._headers.append(version)
        self._limit = None if scope["path"] in UPLOAD_PATHS else BODY_LIMIT
        self._taken = 0
        self.status = 0

    async def run(self, app: ASGIApp) -> None:
        if self._limit is not None and _content_length(self._scope) > self._limit:
            await self.refuse(413, f"The request is too large; at most {self._limit} bytes are taken.")
            return
        await app(self._scope, self.receive, self.send)

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout(None if self.status else IDLE_S):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"The request stopped arriving for {IDLE_S:.0f} s; send it again.") from None
        self._taken += len(message.get("body", b""))
        if self._limit is not None and self._taken > self._limit:
            raise HTTPException(413, f"The request is too large; at most {self._limit} bytes are taken.")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name for name, _ in given}
            message["headers"] = given + [header for header in self._headers if header[0] not in names]
        async with asyncio.timeout(IDLE_S):
            await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        """A reply without reading the body; nothing when a reply has begun."""
        if self.status:
            return
        await reply_and_close(self.receive_raw, self.send, status, json.dumps({"msg": sentence}).encode())

    async def receive_raw(self) -> Message:
        return await self._receive()


async def reply_and_close(receive: Receive, send: Send, status: int, content: bytes) -> None:
    """Answers at once, then throws away what still arrives for a short time, then ends the connection."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_S):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
    except TimeoutError:
        log.debug("A refused request was cut off.", event="web-request-cut")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 16 else 1 << 62
    return 0


def _record(scope: Scope, status: int, seconds: float) -> None:
    """The log of requests: path without query, never a header or a body. What went well and changed nothing
    is for debugging only: an Editor polls twice a second."""
    write = log.debug if status < 400 and scope["method"] in ("GET", "HEAD") else log.info
    client = scope.get("client")
    write(
        f"{scope['method']} {scope['path']!r} {status}",
        event="web-request",
        address=client[0] if client else "",
        user=scope.get("pilotlight.user", ""),
        milliseconds=round(seconds * 1000),
    )
