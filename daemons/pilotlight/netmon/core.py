# SPDX-License-Identifier: Apache-2.0
"""The network as values, the difference between two looks at it, and when to look. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

CHANGES_KEPT = 1000


@dataclass(frozen=True)
class Interface:
    """A network interface. ``state`` is the kernel's operational state, ``addresses`` are in CIDR form, sorted."""

    name: str
    index: int
    kind: str
    up: bool
    carrier: bool
    state: str
    mac: str = ""
    mtu: int = 0
    master: str = ""
    carrier_changes: int = 0
    addresses: tuple[str, ...] = ()

    def first_address(self, ipv6: bool) -> str:
        """The first address of a family without its prefix length, global before link-local; empty when none."""
        found = [a.partition("/")[0] for a in self.addresses if (":" in a) == ipv6]
        return min(found, key=lambda a: a.startswith(("fe80:", "169.254.")), default="")


@dataclass(frozen=True, order=True)
class Route:
    """A route of the main table. ``destination`` is in CIDR form or ``default``; ``gateway`` may be empty."""

    destination: str
    gateway: str
    interface: str
    metric: int
    ipv6: bool


@dataclass(frozen=True)
class Network:
    """One look at the network."""

    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()

    def default_route(self) -> Route | None:
        """The default route that is used: least metric, IPv4 before IPv6."""
        defaults = [route for route in self.routes if route.destination == "default"]
        return min(defaults, key=lambda route: (route.ipv6, route.metric), default=None)


@dataclass(frozen=True)
class Change:
    """One difference. ``kind`` is added, removed, up, down, carrier, address-added, address-removed,
    route-added,
    route-removed or changed; ``text`` is for people."""

    kind: str
    interface: str
    text: str


def changes(before: Network, after: Network) -> list[Change]:
    """What is different, removals first."""
    old = {i.name: i for i in before.interfaces}
    new = {i.name: i for i in after.interfaces}
    return [
        *(Change("removed", name, f"{name} is gone") for name in old if name not in new),
        *(_route("route-removed", r) for r in before.routes if r not in set(after.routes)),
        *(
            Change("added", i.name, f"{i.name} appeared: {i.kind}, {i.state}")
            for i in new.values()
            if i.name not in old
        ),
        *(
            change
            for name, i in new.items()
            for change in _interface(
                old.get(name, Interface(name, i.index, i.kind, i.up, i.carrier, i.state)), i, name in old
            )
        ),
        *(_route("route-added", r) for r in after.routes if r not in set(before.routes)),
    ]


def _interface(before: Interface, after: Interface, known: bool) -> Iterator[Change]:
    name = after.name
    for address in before.addresses:
        if address not in after.addresses:
            yield Change("address-removed", name, f"{name} lost {address}")
    for address in after.addresses:
        if address not in before.addresses:
            yield Change("address-added", name, f"{name} has {address}")
    if not known:
        return
    if before.up != after.up:
        yield Change("up" if after.up else "down", name, f"{name} is {after.state}")
    flaps = after.carrier_changes - before.carrier_changes
    if before.carrier != after.carrier or flaps > 0:
        word = "has a carrier" if after.carrier else "has no carrier"
        yield Change("carrier", name, f"{name} {word}, {max(flaps, 1)} changes since the last look")
    for what in ("mac", "mtu", "master", "index"):
        if getattr(before, what) != getattr(after, what):
            yield Change("changed", name, f"{name}: {what} is {getattr(after, what) or 'none'}")


def _route(kind: str, route: Route) -> Change:
    via = f" via {route.gateway}" if route.gateway else ""
    happened = "appeared" if kind == "route-added" else "is gone"
    text = f"route {route.destination}{via} on {route.interface or '-'}, metric {route.metric}, {happened}"
    return Change(kind, route.interface, text)


@dataclass(frozen=True)
class Entry:
    """A change in the log: number counting from 1, Unix time in nanoseconds."""

    number: int
    time_ns: int
    change: Change


@dataclass
class ChangeLog:
    """The last CHANGES_KEPT changes."""

    last: int = 0
    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=CHANGES_KEPT))

    def add(self, found: list[Change], time_ns: int) -> None:
        """Number and keep changes."""
        for change in found:
            self.last += 1
            self._entries.append(Entry(self.last, time_ns, change))

    def since(self, number: int) -> list[Entry]:
        """Changes with a number above the given one that are still kept."""
        return [entry for entry in self._entries if entry.number > number]


class Debounce:
    """When to look: once no event came for ``quiet_s``, at the latest ``limit_s`` after the first."""

    def __init__(self, quiet_s: float, limit_s: float) -> None:
        self._quiet, self._limit = quiet_s, limit_s
        self._first: float | None = None
        self._last = 0.0

    def event(self, now: float) -> None:
        """Something happened."""
        if self._first is None:
            self._first = now
        self._last = now

    def due(self) -> float | None:
        """The time to look at; None when nothing happened since the last look."""
        return None if self._first is None else min(self._last + self._quiet, self._first + self._limit)

    def looked(self) -> None:
        """The network was looked at, with everything that happened so far."""
        self._first = None
