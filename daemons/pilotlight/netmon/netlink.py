# SPDX-License-Identifier: Apache-2.0
"""The kernel's netlink: being told of changes, and looking at the network."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

from pyroute2 import IPRoute
from pyroute2.netlink import rtnl
from pyroute2.netlink.exceptions import NetlinkError

from .core import Network
from .decode import network

MAIN_TABLE = 254
_READS_AT_ONCE = 64
_BUFFER = 65536


class Events:
    """A socket that becomes readable when links, addresses or routes change."""

    def __init__(self) -> None:
        groups = (
            rtnl.RTMGRP_LINK
            | rtnl.RTMGRP_IPV4_IFADDR
            | rtnl.RTMGRP_IPV6_IFADDR
            | rtnl.RTMGRP_IPV4_ROUTE
            | rtnl.RTMGRP_IPV6_ROUTE
        )
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)
        self._socket.bind((0, groups))

    def fileno(self) -> int:
        """For the event loop."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Take away what arrived, at most 64 messages.

        Messages lost for want of buffer are as good as received: what changed is found by looking. Raises OSError.
        """
        for _ in range(_READS_AT_ONCE):
            try:
                self._socket.recv(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def look(limit_s: float) -> Network:
    """Look at the network of this process's namespace; takes milliseconds. Raises OSError, TimeoutError after a limit.

    However the kernel answers, it returns within about ``limit_s`` seconds.
    """
    try:
        with IPRoute() as kernel:
            kernel.settimeout(limit_s)
            kernel.recv = _bounded(kernel.recv, time.monotonic() + limit_s)
            return network(kernel.get_links(), kernel.get_addr(), kernel.get_routes(table=MAIN_TABLE))
    except NetlinkError as error:
        raise OSError(error.code, f"the kernel refuses to describe the network: {error}") from None


def _bounded(receive: Callable[[int, int], bytes], limit: float) -> Callable[[int, int], bytes]:
    """A socket's ``recv`` that gives up at a time, and on an empty answer.

    IPRoute reads until it has the last part of its answer, and counts its own time limit anew at each read.
    """

    def recv(size: int, flags: int = 0) -> bytes:
        data = receive(size, flags)
        if not data:
            raise OSError(errno.ENODATA, "the kernel's answer is empty")
        if time.monotonic() > limit:
            raise TimeoutError("the kernel's answer does not end")
        return data

    return recv
