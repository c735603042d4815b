# SPDX-License-Identifier: Apache-2.0
"""Segment ``net``: the default route and, for each interface, ``<interface>.Up``, ``.Carrier``, ``.Address``
and so on.

The directory names the interfaces, so a new epoch begins whenever the set of interfaces changes.
"""

from __future__ import annotations

from pilotlight.tags import SegmentWriter, Tag, Type, Value, now_ns

from .core import Interface, Network

JOURNAL = 1024
BEAT_NS = 5_000_000_000
INTERFACES_LIMIT = 64

_ADDRESS = 45


def shown(network: Network) -> list[Interface]:
    """The interfaces that get tags: the first INTERFACES_LIMIT whose names can be tag names."""
    return [i for i in network.interfaces if i.name.isprintable() and " " not in i.name][:INTERFACES_LIMIT]


def tags(names: tuple[str, ...]) -> list[Tag]:
    """The directory for a set of interfaces."""
    result = [
        Tag("Changes", Type.ULINT, description="changes since the start of the monitor"),
        Tag("Default.Interface", Type.STRING, 15, description="interface of the default route"),
        Tag("Default.Gateway", Type.STRING, _ADDRESS, description="gateway of the default route"),
    ]
    for name in names:
        result += [
            Tag(f"{name}.Up", Type.BOOL, description="can carry traffic"),
            Tag(f"{name}.Carrier", Type.BOOL, description="a cable or peer is there"),
            Tag(f"{name}.CarrierChanges", Type.UDINT, description="how often the carrier came or went"),
            Tag(f"{name}.Address", Type.STRING, _ADDRESS, description="first IPv4 address"),
            Tag(f"{name}.Address6", Type.STRING, _ADDRESS, description="first IPv6 address"),
            Tag(f"{name}.Mac", Type.STRING, 59, description="hardware address"),
            Tag(f"{name}.Mtu", Type.UDINT, unit="B"),
        ]
    return result


class Segment:
    """The writer of segment ``net``."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._writer: SegmentWriter | None = None

    def publish(self, network: Network, changes: int) -> None:
        """Publish one look; with other interfaces than before, as a new epoch that is complete when it appears."""
        interfaces = shown(network)
        names = tuple(i.name for i in interfaces)
        old, writer = None, self._writer
        if writer is None or names != self._names:
            old, writer = writer, SegmentWriter.create("net", tags(names), journal=JOURNAL, publish=False)
            self._names, self._writer = names, writer
        default = network.default_route()
        values: list[Value] = [
            changes,
            default.interface if default else "",
            default.gateway if default else "",
        ]
        for i in interfaces:
            values += [i.up, i.carrier, i.carrier_changes & 0xFFFFFFFF]
            values += [i.first_address(ipv6=False), i.first_address(ipv6=True), i.mac[:59], i.mtu]
        for index, value in enumerate(values):
            writer.set(index, value)
        writer.publish()
        writer.heartbeat(now_ns() + BEAT_NS)
        writer.activate()
        if old is not None:
            old.close()

    def beat(self) -> None:
        """Say that the monitor lives."""
        if self._writer is not None:
            self._writer.heartbeat(now_ns() + BEAT_NS)

    def close(self) -> None:
        """Let go of the segment."""
        if self._writer is not None:
            self._writer.close()
