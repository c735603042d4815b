# SPDX-License-Identifier: Apache-2.0
"""From pyroute2's messages to the network as values. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from .core import Interface, Network, Route

INTERFACES_LIMIT = 256
ROUTES_LIMIT = 1000

_IFF_LOOPBACK, _IFF_RUNNING = 0x8, 0x40
_AF_INET6 = 10
_KINDS = {1: "ethernet", 772: "loopback", 512: "ppp", 65534: "tunnel", 280: "can"}
_UNICAST = 1

Message = Mapping[str, Any]


def network(links: Iterable[Message], addresses: Iterable[Message], routes: Iterable[Message]) -> Network:
    """One look, from dumps of links, addresses and the main table; what is above the limits is left out."""
    links = list(links)
    names: dict[int | None, str] = {
        link["index"]: str(_attributes(link).get("IFLA_IFNAME", link["index"])) for link in links
    }
    held: dict[int, list[str]] = {}
    for address in addresses:
        attributes = _attributes(address)
        value = attributes.get("IFA_LOCAL") or attributes.get("IFA_ADDRESS")
        if value is not None:
            held.setdefault(address["index"], []).append(f"{value}/{address['prefixlen']}")
    interfaces = sorted(
        (_interface(link, names, sorted(held.get(link["index"], []), key=_by_address)) for link in links),
        key=lambda interface: interface.index,
    )
    found = sorted({route for message in routes for route in _routes(message, names)})
    return Network(tuple(interfaces[:INTERFACES_LIMIT]), tuple(found[:ROUTES_LIMIT]))


def _interface(link: Message, names: Mapping[int | None, str], addresses: list[str]) -> Interface:
    attributes = _attributes(link)
    flags = int(link["flags"])
    state = str(attributes.get("IFLA_OPERSTATE", "UNKNOWN"))
    master = attributes.get("IFLA_MASTER")
    return Interface(
        name=names[link["index"]],
        index=int(link["index"]),
        kind=_kind(link, attributes, flags),
        up=state == "UP" or (state == "UNKNOWN" and bool(flags & _IFF_RUNNING)),
        carrier=bool(attributes.get("IFLA_CARRIER", 0)),
        state=state,
        mac=str(attributes.get("IFLA_ADDRESS") or ""),
        mtu=int(attributes.get("IFLA_MTU", 0)),
        master=names.get(master, str(master)) if master else "",
        carrier_changes=int(attributes.get("IFLA_CARRIER_CHANGES", 0)),
        addresses=tuple(addresses),
    )


def _kind(link: Message, attributes: Mapping[str, Any], flags: int) -> str:
    information = attributes.get("IFLA_LINKINFO")
    if information is not None:
        kind = _attributes(information).get("IFLA_INFO_KIND")
        if kind:
            return str(kind)
    if flags & _IFF_LOOPBACK:
        return "loopback"
    return _KINDS.get(link["ifi_type"], f"type {link['ifi_type']}")


def _routes(message: Message, names: Mapping[int | None, str]) -> Iterable[Route]:
    if message["type"] != _UNICAST:
        return
    attributes = _attributes(message)
    ipv6 = message["family"] == _AF_INET6
    target = attributes.get("RTA_DST")
    destination = f"{target}/{message['dst_len']}" if target is not None else "default"
    metric = int(attributes.get("RTA_PRIORITY") or 0)
    hops = attributes.get("RTA_MULTIPATH") or [message]
    for hop in hops:
        own = _attributes(hop)
        gateway = own.get("RTA_GATEWAY") or ""
        if not gateway and isinstance(own.get("RTA_VIA"), Mapping):
            gateway = own["RTA_VIA"].get("addr", "")
        out = hop.get("oif") or own.get("RTA_OIF")
        yield Route(destination, str(gateway), names.get(out, str(out or "")), metric, ipv6)


def _attributes(message: Message) -> dict[str, Any]:
    return dict(message.get("attrs") or ())


def _by_address(text: str) -> tuple[int, int]:
    address = ip_address(text.partition("/")[0])
    return address.version, int(address)
