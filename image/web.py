# SPDX-License-Identifier: Apache-2.0
"""Whether an appliance's web server answers on a port of this machine."""

import socket
import ssl
import time
from collections.abc import Callable

ANSWER_TIMEOUT = 20.0  # seconds; an emulated processor is slow at cryptography
POLL = 0.1  # seconds


def wait(port: int, timeout: float, running: Callable[[], bool]) -> bool:
    """Wait until the web answers; False when it did not within `timeout` seconds, or as soon as `running` says no."""
    limit = time.monotonic() + timeout
    while running() and (left := limit - time.monotonic()) > 0:
        if answers(port, min(left, ANSWER_TIMEOUT)):
            return True
        time.sleep(POLL)
    return False


def answers(port: int, timeout: float = ANSWER_TIMEOUT) -> bool:
    """Whether a web server answers a request over TLS; any status is an answer.

    `timeout` is in seconds, above 0, for each of connecting, handshake and answer.
    """
    # The device makes its own certificate; all that is asked here is whether it is up.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=timeout) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return secure.recv(16).startswith(b"HTTP/1.1 ")
    except OSError:
        return False
