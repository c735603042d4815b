# SPDX-License-Identifier: Apache-2.0
"""Whether a web server answers on a port: told from one that only listens, only speaks TLS, or is not there."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pilotlight.web.certificate import CertificateStore

from image import web
from tests.support.ports import free_port

Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    store = CertificateStore(tmp_path_factory.mktemp("certificate"))
    store.ensure(["localhost"], datetime.datetime.now(datetime.UTC), follow_names=False)
    return store.context()


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """A port on which each connection is given to `serve`, then closed."""

    def accept(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    serve(connection)
                except OSError:
                    continue  # the client went away

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def tls(context: ssl.SSLContext, answer: bytes) -> Serve:
    """Over TLS, wait for a request and give the answer."""

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(4096)
            secure.sendall(answer)

    return serve


def test_any_status_is_an_answer(server_context: ssl.SSLContext) -> None:
    with serving(tls(server_context, b"HTTP/1.1 503 Service Unavailable\r\n\r\n")) as port:
        assert web.answers(port)


def test_what_is_no_web_server_does_not_answer(server_context: ssl.SSLContext) -> None:
    with serving(tls(server_context, b"SSH-2.0-other\r\n")) as port:
        assert not web.answers(port)
    with serving(tls(server_context, b"")) as port:
        assert not web.answers(port)
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert not web.answers(port), "without TLS"
    with serving(lambda connection: None) as port:
        assert not web.answers(port), "as a forwarder does while nothing listens behind it"
    assert not web.answers(free_port())


def test_a_silent_server_costs_no_more_than_the_timeout() -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    begin = time.monotonic()
    with serving(silent) as port:
        assert not web.wait(port, 0.2, lambda: True)
    assert time.monotonic() - begin < web.ANSWER_TIMEOUT / 2


def test_waiting_ends_with_the_answer_or_with_the_machine(server_context: ssl.SSLContext) -> None:
    tries: list[None] = []

    def second_time(connection: socket.socket) -> None:
        tries.append(None)
        if len(tries) > 1:
            tls(server_context, b"HTTP/1.1 200 OK\r\n\r\n")(connection)

    with serving(second_time) as port:
        assert web.wait(port, 20, lambda: True)
    assert len(tries) == 2
    alive = iter([True, True, False])
    assert not web.wait(free_port(), 600, lambda: next(alive))
