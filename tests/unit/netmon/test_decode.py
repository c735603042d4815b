# SPDX-License-Identifier: Apache-2.0
"""pyroute2's messages as values."""

from __future__ import annotations

from typing import Any

from pilotlight.netmon.core import Route
from pilotlight.netmon.decode import INTERFACES_LIMIT, network


def _link(index: int, name: str, flags: int = 0x1, kind: str | None = None, **attributes: Any) -> dict[str, Any]:
    attrs: list[tuple[str, Any]] = [("IFLA_IFNAME", name), *attributes.items()]
    if kind is not None:
        attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind)]}))
    return {"index": index, "flags": flags, "ifi_type": 1, "attrs": attrs}


def _route(**values: Any) -> dict[str, Any]:
    attrs = [(key, value) for key, value in values.items() if key.startswith("RTA_")]
    plain = {key: value for key, value in values.items() if not key.startswith("RTA_")}
    return {"type": 1, "family": 2, "dst_len": 0, "attrs": attrs, **plain}


def test_links_with_their_addresses() -> None:
    links = [
        _link(3, "br0", kind="bridge", IFLA_OPERSTATE="UP", IFLA_CARRIER=1, IFLA_MTU=1500),
        _link(2, "eth0", IFLA_OPERSTATE="DOWN", IFLA_MASTER=3, IFLA_ADDRESS="02:00:00:00:00:01"),
    ]
    addresses = [
        {"index": 3, "prefixlen": 64, "attrs": [("IFA_ADDRESS", "fe80::1")]},
        {"index": 3, "prefixlen": 24, "attrs": [("IFA_ADDRESS", "192.0.2.9"), ("IFA_LOCAL", "192.0.2.10")]},
        {"index": 3, "prefixlen": 24, "attrs": [("IFA_LOCAL", "192.0.2.9")]},
    ]
    eth0, br0 = network(links, addresses, []).interfaces
    assert (eth0.name, eth0.kind, eth0.up, eth0.carrier, eth0.master) == ("eth0", "ethernet", False, False, "br0")
    assert (br0.kind, br0.up, br0.carrier, br0.mtu) == ("bridge", True, True, 1500)
    assert br0.addresses == ("192.0.2.9/24", "192.0.2.10/24", "fe80::1/64")


def test_unknown_state_counts_as_up_while_it_runs() -> None:
    links = [
        _link(1, "lo", flags=0x49, IFLA_OPERSTATE="UNKNOWN"),
        _link(2, "ppp0", flags=0x1, IFLA_OPERSTATE="UNKNOWN"),
    ]
    loopback, ppp = network(links, [], []).interfaces
    assert (loopback.kind, loopback.up, ppp.up) == ("loopback", True, False)


def test_routes_with_one_way_several_ways_and_none() -> None:
    routes = [
        _route(RTA_GATEWAY="192.0.2.1", RTA_OIF=2, RTA_PRIORITY=100),
        _route(
            RTA_DST="10.0.0.0",
            dst_len=8,
            RTA_MULTIPATH=[
                {"oif": 2, "attrs": [("RTA_GATEWAY", "192.0.2.7")]},
                {"oif": 3, "attrs": [("RTA_VIA", {"family": 10, "addr": "fe80::7"})]},
            ],
        ),
        _route(RTA_DST="fd00::", dst_len=64, family=10, RTA_OIF=9),
        _route(type=7, RTA_DST="192.0.2.66", dst_len=32),
    ]
    found = network([_link(2, "eth0"), _link(3, "eth1")], [], routes).routes
    assert set(found) == {
        Route("default", "192.0.2.1", "eth0", 100, ipv6=False),
        Route("10.0.0.0/8", "192.0.2.7", "eth0", 0, ipv6=False),
        Route("10.0.0.0/8", "fe80::7", "eth1", 0, ipv6=False),
        Route("fd00::/64", "", "9", 0, ipv6=True),
    }


def test_the_number_of_interfaces_is_bounded() -> None:
    links = [_link(index, f"veth{index}") for index in range(1, 2 * INTERFACES_LIMIT)]
    assert len(network(links, [], []).interfaces) == INTERFACES_LIMIT
