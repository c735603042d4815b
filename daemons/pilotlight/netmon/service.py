# SPDX-License-Identifier: Apache-2.0
"""D-Bus object of the network monitor; see the interface file."""

from __future__ import annotations

import time
from typing import Any

from pilotlight.daemon import Service, Typed

from .core import Change, ChangeLog, Interface, Network, changes
from .decode import INTERFACES_LIMIT, ROUTES_LIMIT


class NetMon(Service):
    """The network as last looked at, and what changed."""

    interface = "io.pilotlight.NetMon1"

    def __init__(self) -> None:
        super().__init__()
        self._network = Network()
        self._log = ChangeLog()

    @property
    def LastChange(self) -> int:
        """Number of the newest change."""
        return self._log.last

    @property
    def DefaultInterface(self) -> str:
        """Interface of the default route."""
        route = self._network.default_route()
        return route.interface if route is not None else ""

    def Interfaces(self) -> list[dict[str, Any]]:
        """All interfaces."""
        return [_describe(interface) for interface in self._network.interfaces]

    def Routes(self) -> list[dict[str, Any]]:
        """Routes of the main table."""
        return [
            {
                "Destination": route.destination,
                "Gateway": route.gateway,
                "Interface": route.interface,
                "Metric": Typed("u", route.metric),
                "Family": "IPv6" if route.ipv6 else "IPv4",
            }
            for route in self._network.routes
        ]

    def Changes(self, since: int) -> list[dict[str, Any]]:
        """Changes with a number above ``since``."""
        return [
            {
                "Number": Typed("t", entry.number),
                "Time": Typed("t", entry.time_ns),
                "Kind": entry.change.kind,
                "Interface": entry.change.interface,
                "Text": entry.change.text,
            }
            for entry in self._log.since(since)
        ]

    def problems(self) -> list[str]:
        """What does not fit."""
        found = []
        if len(self._network.interfaces) >= INTERFACES_LIMIT:
            found.append(f"more than {INTERFACES_LIMIT} interfaces; the rest is not watched")
        if len(self._network.routes) >= ROUTES_LIMIT:
            found.append(f"more than {ROUTES_LIMIT} routes; the rest is not watched")
        return found

    def details(self) -> dict[str, Any]:
        """Own keys of ``Status``."""
        return {
            "Interfaces": Typed("u", len(self._network.interfaces)),
            "Routes": Typed("u", len(self._network.routes)),
            "LastChange": Typed("t", self._log.last),
            "DefaultInterface": self.DefaultInterface,
        }

    def begin(self, network: Network) -> None:
        """Take over the first look, which is no change."""
        self._network = network

    def update(self, network: Network) -> list[Change]:
        """Take over a look; what changed is logged, announced and returned."""
        found = changes(self._network, network)
        default = self.DefaultInterface
        self._network = network
        self._log.add(found, time.time_ns())
        if found:
            self.changed("LastChange", *(["DefaultInterface"] if self.DefaultInterface != default else []))
        return found


def _describe(interface: Interface) -> dict[str, Any]:
    return {
        "Name": interface.name,
        "Index": Typed("u", interface.index),
        "Kind": interface.kind,
        "Up": interface.up,
        "Carrier": interface.carrier,
        "State": interface.state,
        "Mac": interface.mac,
        "Mtu": Typed("u", interface.mtu),
        "Master": interface.master,
        "CarrierChanges": Typed("u", interface.carrier_changes & 0xFFFFFFFF),
        "Addresses": Typed("as", list(interface.addresses)),
    }
