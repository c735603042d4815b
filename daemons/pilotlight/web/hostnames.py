# SPDX-License-Identifier: Apache-2.0
"""The names and addresses under which this device can be reached."""

import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

_SIOCGIFADDR = 0x8915
_LABEL = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")


def device_names(more: Sequence[str] = ()) -> list[str]:
    """Host name, its mDNS name, localhost, the addresses of all interfaces, and `more`; each once, in a
    fixed order."""
    host = socket.gethostname().lower()
    names = [host, *([] if "." in host else [f"{host}.local"])] if valid_name(host) else []
    names += ["localhost", "127.0.0.1", "::1", *sorted(_ipv4_addresses()), *sorted(_ipv6_addresses())]
    names += [name for name in more if valid_name(name) or _is_address(name)]
    return list(dict.fromkeys(names))


def valid_name(name: str) -> bool:
    """Whether this is a host name."""
    return 0 < len(name) <= 253 and all(_LABEL.match(label) for label in name.split("."))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _ipv4_addresses() -> set[str]:
    """The main IPv4 address of each interface."""
    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, interface in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
            except OSError:
                continue  # the interface has none
            found.add(socket.inet_ntoa(answer[20:24]))
    return found - {"127.0.0.1"}


def _ipv6_addresses() -> set[str]:
    """The IPv6 addresses that work from outside: neither loopback nor link-local."""
    try:
        lines = Path("/proc/self/net/if_inet6").read_text().splitlines()
    except OSError:
        return set()
    addresses = (ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines)
    return {str(address) for address in addresses if not address.is_link_local and not address.is_loopback}
