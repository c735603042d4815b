# SPDX-License-Identifier: Apache-2.0
"""The kernel's netlink: being told of changes, and looking at the network."""

from __future__ import annotations

import errno
import logging
import socket

# Told while it is imported, and of no use here: traffic control, which it looks into, is not.
logging.getLogger("pyroute2").setLevel(logging.ERROR)

from pyroute2 import IPRoute  # noqa: E402
from pyroute2.netlink import rtnl  # noqa: E402
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402

from .core import Network  # noqa: E402
from .decode import network  # noqa: E402

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

        Messages lost for want of buffer are as good as received: what changed is found by looking.
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


def look() -> Network:
    """Look at the network of this process's namespace; takes milliseconds. Raises OSError."""
    try:
        with IPRoute() as kernel:
            return network(kernel.get_links(), kernel.get_addr(), kernel.get_routes(table=MAIN_TABLE))
    except NetlinkError as error:
        raise OSError(error.code, f"the kernel refuses to describe the network: {error}") from None
