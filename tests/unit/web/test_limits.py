# SPDX-License-Identifier: Apache-2.0
"""What a stranger cannot make the daemon do: hold memory, hold connections, hang."""

import threading
from collections.abc import Callable

import pytest
from pilotlight.web import server
from pilotlight.web.server import Connections

from tests.unit.web.conftest import Site
from tests.unit.web.fake_runtime import FakeRuntime
from tests.unit.web.wire import connect, exchange, read_all


def test_head_that_does_not_end_is_cut(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_S", 0.2)
    for start in (b"", b"GET / HTTP/1.1\r\nX: y\r\n"):
        with connect(site.port) as connection:
            connection.sendall(start)
            assert read_all(connection) == b""


def test_head_that_is_too_long(site: Site) -> None:
    reply = exchange(
        site.port, b"GET / HTTP/1.1\r\nHost: x\r\n", *[b"X-%d: " % n + b"y" * 1000 + b"\r\n" for n in range(20)]
    )
    assert b" 400 " in reply.split(b"\r\n")[0]
    assert b" 400 " in exchange(site.port, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n").split(b"\r\n")[0]


def test_body_that_is_too_long(site: Site) -> None:
    head = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    announced = exchange(site.port, head + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413 ")
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    chunked = exchange(site.port, head + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", *[piece] * 10)
    assert chunked.startswith(b"HTTP/1.1 413 ")


def test_not_http(site: Site) -> None:
    assert b" 400 " in exchange(site.port, b"\x00\x01\x02\r\n\r\n").split(b"\r\n")[0]
    assert site.call("GET", "/api/version").status_code == 200


def test_connections_are_counted() -> None:
    gate = Connections(4, 2)
    assert [gate.admit("a"), gate.admit("a"), gate.admit("a")] == [True, True, False]
    assert [gate.admit("b"), gate.admit("c"), gate.admit("d")] == [True, True, False]
    gate.leave("a")
    assert gate.admit("d")


def test_too_many_connections_from_one_address(launch: Callable[..., Site], runtime: FakeRuntime) -> None:
    site = launch(connections_per_address=4)
    site.http.close()
    open_connections = [connect(site.port) for _ in range(4)]
    request = b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n"
    for connection in open_connections:
        connection.sendall(request)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    with connect(site.port) as extra:
        assert read_all(extra) == b""
    for connection in open_connections:
        connection.close()
    answered = threading.Event()
    while not answered.is_set():
        if exchange(site.port, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 200"
        ):
            answered.set()
