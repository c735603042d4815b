# SPDX-License-Identifier: Apache-2.0
"""The difference between two looks, the log of changes, the debounce."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from pilotlight.netmon.core import (
    CHANGES_KEPT,
    Change,
    ChangeLog,
    Debounce,
    Interface,
    Network,
    Route,
    changes,
)

_ETH = Interface("eth0", 2, "ethernet", up=True, carrier=True, state="UP", mac="02:00:00:00:00:01", mtu=1500)
_LAN = Route("192.0.2.0/24", "", "eth0", 0, ipv6=False)
_OUT = Route("default", "192.0.2.1", "eth0", 100, ipv6=False)


def _kinds(before: Network, after: Network) -> list[str]:
    return [change.kind for change in changes(before, after)]


def test_nothing_new_is_no_change() -> None:
    network = Network((_ETH,), (_LAN, _OUT))
    assert changes(network, network) == []


def test_every_difference_is_named() -> None:
    before = Network((_ETH,), (_LAN,))
    assert _kinds(before, Network()) == ["removed", "route-removed"]
    assert _kinds(Network(), Network((replace(_ETH, addresses=("192.0.2.2/24",)),), (_OUT,))) == [
        "added",
        "address-added",
        "route-added",
    ]

    def alone(**values: object) -> list[str]:
        return _kinds(Network((_ETH,)), Network((replace(_ETH, **values),)))  # type: ignore[arg-type]

    assert alone(addresses=("fe80::1/64",)) == ["address-added"]
    assert alone(up=False, state="DOWN") == ["down"]
    assert alone(up=False, carrier=False, state="DOWN", carrier_changes=1) == ["down", "carrier"]
    assert alone(mtu=9000) == alone(mac="") == alone(master="br0") == ["changed"]


def test_a_flap_between_two_looks_is_seen() -> None:
    flapped = changes(Network((_ETH,)), Network((replace(_ETH, carrier_changes=4),)))
    assert flapped == [Change("carrier", "eth0", "eth0 has a carrier, 4 changes since the last look")]


_interface = st.builds(
    Interface,
    name=st.sampled_from(["eth0", "eth1", "wlan0"]),
    index=st.integers(1, 4),
    kind=st.just("ethernet"),
    up=st.booleans(),
    carrier=st.booleans(),
    state=st.sampled_from(["UP", "DOWN"]),
    mtu=st.sampled_from([1400, 1500]),
    addresses=st.lists(st.sampled_from(["192.0.2.2/24", "fe80::1/64"]), unique=True).map(tuple),
)
_network = st.builds(
    Network,
    st.lists(_interface, unique_by=lambda i: i.name, max_size=3).map(tuple),
    st.lists(
        st.builds(Route, st.just("default"), st.just(""), st.just("e"), st.integers(0, 3), st.booleans()), unique=True
    )
    .map(sorted)
    .map(tuple),
)


@given(_network, _network)
def test_looks_that_differ_have_changes_and_back_again_as_many_of_names(before: Network, after: Network) -> None:
    there, back = changes(before, after), changes(after, before)
    assert bool(there) == bool(back)
    added = sorted(c.interface for c in there if c.kind == "added")
    assert added == sorted(c.interface for c in back if c.kind == "removed")


def test_the_default_route_is_the_cheapest_ipv4_first() -> None:
    six = Route("default", "fe80::1", "eth0", 1, ipv6=True)
    assert Network((), (six, _LAN)).default_route() == six
    assert Network((), (six, _OUT, replace(_OUT, metric=50, interface="eth1"))).default_route() == replace(
        _OUT, metric=50, interface="eth1"
    )
    assert Network((), (_LAN,)).default_route() is None


def test_first_addresses_prefer_global_ones() -> None:
    interface = replace(_ETH, addresses=("169.254.1.1/16", "192.0.2.2/24", "fe80::1/64", "fd00::2/64"))
    assert interface.first_address(ipv6=False) == "192.0.2.2"
    assert interface.first_address(ipv6=True) == "fd00::2"
    assert _ETH.first_address(ipv6=True) == ""


def test_the_log_numbers_changes_and_is_bounded() -> None:
    log = ChangeLog()
    for number in range(CHANGES_KEPT + 5):
        log.add([Change("up", "eth0", str(number))], time_ns=number)
    assert log.last == CHANGES_KEPT + 5
    assert [entry.number for entry in log.since(log.last - 2)] == [log.last - 1, log.last]
    assert log.since(0)[0].number == 6
    assert log.since(log.last) == []


def test_a_look_is_due_when_it_is_quiet() -> None:
    debounce = Debounce(quiet_s=0.2, limit_s=1.0)
    assert debounce.due() is None
    debounce.event(10.0)
    assert debounce.due() == 10.2
    debounce.event(10.1)
    assert debounce.due() == 10.1 + 0.2
    debounce.looked()
    assert debounce.due() is None


def test_a_network_that_is_never_quiet_is_looked_at_all_the_same() -> None:
    debounce = Debounce(quiet_s=0.2, limit_s=1.0)
    for step in range(100):
        debounce.event(10 + step * 0.1)
    assert debounce.due() == 11.0
