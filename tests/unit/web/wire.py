# SPDX-License-Identifier: Apache-2.0
"""Bytes on a TLS connection, for what a well-behaved HTTP client would not send."""

import socket
import ssl

_CONTEXT = ssl.create_default_context()
_CONTEXT.check_hostname = False
_CONTEXT.verify_mode = ssl.CERT_NONE


def connect(port: int) -> ssl.SSLSocket:
    """A TLS connection to the loopback port."""
    return _CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))


def read_all(connection: ssl.SSLSocket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return received
        if not piece:
            return received
        received += piece


def exchange(port: int, *pieces: bytes) -> bytes:
    """Sends and reads until the other side closes."""
    with connect(port) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except ConnectionError:
            pass
        return read_all(connection)
