# SPDX-License-Identifier: Apache-2.0
"""Ports of this machine's loopback."""

import socket


def free_port() -> int:
    """A TCP port that nobody has at present."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
