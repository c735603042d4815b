# SPDX-License-Identifier: Apache-2.0
"""Requests to the server. Every wait is bounded, every answer is, and the token goes to the server alone."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from .messages import BadAnswer, Base, base, origin
from .settings import HawkbitSettings

WAIT_S = 30.0
"""For a connection, and for each piece of an answer."""
ANSWER_MAX = 1 << 20
PIECE = 256 << 10
REDIRECTS_MAX = 3
TOKEN_MAX = 4096


class ServerError(Exception):
    """No answer, or not one of success. ``status`` is the HTTP status, 0 where there was none; ``wait_s`` what the
    server asks to wait."""

    def __init__(self, message: str, status: int = 0, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.wait_s = status, wait_s

    @property
    def permanent(self) -> bool:
        """Whether the same request would fail again."""
        return 400 <= self.status < 500 and self.status not in (408, 425, 429)


class Server:
    """The device interface of one server for one device."""

    def __init__(self, settings: HawkbitSettings, controller: str) -> None:
        """Raises OSError or ssl.SSLError when a file that the settings name cannot be used, BadAnswer for the URL."""
        self._origin = origin(settings.url)
        self._insecure = settings.insecure
        self._allow(self._origin)
        self.root = f"{settings.url.rstrip('/')}/{quote(settings.tenant)}/controller/v1/{quote(controller)}"
        self._authorization = ""
        if settings.auth != "none":
            with Path(settings.auth_file).open(encoding="utf-8") as file:
                token = file.read(TOKEN_MAX).strip()
            self._authorization = f"{settings.auth.capitalize()}Token {token}"
        self._tls = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_certificate:
            self._tls.load_cert_chain(settings.tls_certificate, settings.tls_key or None)

    def base(self) -> Base:
        """Poll. Raises ServerError, BadAnswer."""
        return base(self.get(self.root), self.root)

    def get(self, url: str) -> bytes:
        """The body at an address of the server. Raises ServerError, BadAnswer."""
        return self._ask("GET", url, None)

    def send(self, method: str, url: str, body: dict[str, Any]) -> None:
        """Tell the server something. Raises ServerError, BadAnswer."""
        self._ask(method, url, json.dumps(body).encode())

    def headers_for(self, url: str) -> list[str]:
        """Headers with which somebody else may download from an address."""
        return [f"Authorization: {self._authorization}"] if self._authorization and self._own(url) else []

    def download(self, url: str, at: int, size: int, take: Callable[[int, bytes], None]) -> None:
        """Read a file of ``size`` bytes from offset ``at`` on; ``take`` gets each piece and where it belongs.

        A server that begins at 0 all the same is heard from there. Raises ServerError, BadAnswer; what was taken
        until then is good. Whatever ``take`` raises ends it.
        """
        for _ in range(REDIRECTS_MAX + 1):
            with self._open("GET", url, None, {"Range": f"bytes={at}-"} if at else {}) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.getheader("Location", ""))
                    continue
                if answer.status not in (200, 206):
                    raise _refusal(answer, url)
                begin = _begin(answer, at)
                for piece in _pieces(answer, size - begin):
                    take(begin, piece)
                    begin += len(piece)
                if begin != size:
                    raise ServerError(f"the download ended after {begin} of {size} bytes")
                return
        raise BadAnswer(f"more than {REDIRECTS_MAX} redirections")

    def _ask(self, method: str, url: str, body: bytes | None) -> bytes:
        if not self._own(url):
            raise BadAnswer("the server names an address that is not its own")
        with self._open(method, url, body, {"Content-Type": "application/json"} if body else {}) as answer:
            try:
                content = answer.read(ANSWER_MAX + 1)
            except (OSError, http.client.HTTPException) as error:
                raise ServerError(f"the answer broke off: {_words(error)}") from None
            if answer.status not in (200, 201, 202, 204):
                raise _refusal(answer, url)
        if len(content) > ANSWER_MAX:
            raise BadAnswer(f"an answer of more than {ANSWER_MAX >> 20} MiB")
        return content

    @contextmanager
    def _open(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        where = origin(url)
        self._allow(where)
        _scheme, host, port = where
        connection: http.client.HTTPConnection
        if where[0] == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=WAIT_S, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=WAIT_S)
        if self._authorization and self._own(url):
            headers["Authorization"] = self._authorization
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            try:
                connection.request(
                    method, target, body, {"Accept": "application/hal+json, application/json, */*", **headers}
                )
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise ServerError(f"{host} does not answer: {_words(error)}") from None
            yield answer
        finally:
            connection.close()

    def _own(self, url: str) -> bool:
        return origin(url) == self._origin

    def _allow(self, where: tuple[str, str, int]) -> None:
        if where[0] != "https" and not self._insecure:
            raise BadAnswer("only https addresses are used (setting `insecure` for a bench)")


def _begin(answer: http.client.HTTPResponse, at: int) -> int:
    """Where the content of an answer begins."""
    if answer.status == 200:
        return 0
    told = answer.getheader("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if told != str(at):
        raise BadAnswer("the server sends another part of the file than the one asked for")
    return at


def _pieces(answer: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    taken = 0
    while True:
        try:
            piece = answer.read1(PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"the download broke off: {_words(error)}") from None
        if not piece:
            return
        taken += len(piece)
        if taken > most:
            raise BadAnswer("the file is longer than the server says")
        yield piece


def _refusal(answer: http.client.HTTPResponse, url: str) -> ServerError:
    after = answer.getheader("Retry-After", "")
    return ServerError(
        f"the server answers {answer.status} to {urlsplit(url).path[-80:]}",
        answer.status,
        float(after) if after.isdigit() and len(after) < 7 else 0.0,
    )


def _words(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
