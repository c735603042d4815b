# SPDX-License-Identifier: Apache-2.0
"""The network monitor in a network namespace of its own, where links come and go for real. Needs root."""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import Gio
from pilotlight.daemon import Client
from pilotlight.daemon.connection import connect
from pilotlight.daemon.glib import ensure_running
from pilotlight.tags import SegmentReader

from tests.support.daemons import Daemons

_WAIT_S = 15.0


class Lab:
    """A monitor in its namespace, commands that change the namespace, and what the monitor announces."""

    def __init__(self, daemons: Daemons) -> None:
        daemons.configure("netmon", "debounce_ms: 50\n")
        self._process = daemons.start("netmon", prefix=["unshare", "--net", "--"])
        self.client = Client("io.pilotlight.NetMon1")
        self._announced: queue.SimpleQueue[int] = queue.SimpleQueue()
        ensure_running()
        self._connection = connect().con
        self._connection.signal_subscribe(
            None,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            "/io/pilotlight/NetMon1",
            None,
            Gio.DBusSignalFlags.NONE,
            lambda c, s, p, i, name, body: self._announced.put(body.unpack()[1]["LastChange"]),
        )
        self.seen = 0

    def ip(self, command: str) -> None:
        enter = ["nsenter", f"--net=/proc/{self._process.pid}/ns/net", "ip"]
        subprocess.run([*enter, *command.split()], check=True, timeout=10)

    def until(self, kind: str, interface: str, text: str = "") -> None:
        """Wait for announcements until such a change is among the changes."""
        while True:
            for change in self.client.call("Changes", self.seen):
                self.seen = change["Number"]
                if (change["Kind"], change["Interface"]) == (kind, interface) and text in change["Text"]:
                    return
            self._announced.get(timeout=_WAIT_S)

    def interface(self, name: str) -> dict[str, Any]:
        return next(i for i in self.client.call("Interfaces") if i["Name"] == name)

    def close(self) -> None:
        self._connection.close_sync(None)


@pytest.fixture
def lab(daemons: Daemons) -> Iterator[Lab]:
    made = Lab(daemons)
    yield made
    made.close()


def test_links_addresses_and_routes_come_and_go(lab: Lab) -> None:
    assert [i["Name"] for i in lab.client.call("Interfaces")] == ["lo"]
    assert lab.client.call("Routes") == []
    assert lab.client.get("LastChange") == 0
    reader = SegmentReader.open("net")
    assert "lo.Up" in reader.directory

    lab.ip("link add veth0 type veth peer name veth1")
    lab.until("added", "veth0")
    assert lab.interface("veth0")["Kind"] == "veth"
    assert lab.interface("veth0")["Up"] is False
    assert not reader.current()
    reader.reopen()
    assert reader.read("veth0.Up")[0].value is False
    epoch = reader.epoch

    lab.ip("address add 192.0.2.1/24 dev veth0")
    lab.until("address-added", "veth0")
    lab.ip("link set veth0 up")
    lab.ip("link set veth1 up")
    lab.until("up", "veth0")
    lab.ip("route add default via 192.0.2.254")
    lab.until("route-added", "veth0", "route default via 192.0.2.254 on veth0, metric 0, appeared")
    assert lab.interface("veth0")["Addresses"][0] == "192.0.2.1/24"
    assert lab.client.get("DefaultInterface") == "veth0"
    assert "192.0.2.254" in [route["Gateway"] for route in lab.client.call("Routes")]
    names = ("veth0.Up", "veth0.Carrier", "veth0.Address", "Default.Interface", "Default.Gateway")
    assert [r.value for r in reader.read(*names)] == [True, True, "192.0.2.1", "veth0", "192.0.2.254"]
    assert reader.epoch == epoch and reader.current()

    lab.ip("link set veth1 down")
    lab.until("down", "veth0")
    lab.ip("link del veth0")
    lab.until("removed", "veth1")
    assert [i["Name"] for i in lab.client.call("Interfaces")] == ["lo"]
    assert lab.client.get("DefaultInterface") == ""
    reader.reopen()
    assert "veth0.Up" not in reader.directory
    reader.close()


def test_an_address_alone_is_told_and_quiet_is_quiet(lab: Lab) -> None:
    lab.ip("link add calm0 type veth peer name calm1")
    lab.until("added", "calm0")
    reader = SegmentReader.open("net")
    while reader.wait(0.3):
        continue
    lab.ip("address add 10.1.1.1/32 dev calm0")
    lab.until("address-added", "calm0")
    while reader.wait(0.3):
        continue
    beat = reader.beat().count
    assert not reader.wait(1.5), "published although nothing changed"
    assert reader.beat().count > beat
    reader.close()


def test_a_storm_of_changes_is_debounced_and_ends_right(lab: Lab) -> None:
    lab.ip("link add storm0 type veth peer name storm1")
    lab.until("added", "storm0")
    before = lab.client.get("LastChange")
    batch = "".join(f"address add 10.0.{n}.1/32 dev storm0\naddress del 10.0.{n}.1/32 dev storm0\n" for n in range(100))
    enter = ["nsenter", f"--net=/proc/{lab._process.pid}/ns/net", "ip", "-batch", "-"]
    subprocess.run(enter, input=batch + "address add 10.9.9.9/32 dev storm0\n", text=True, check=True, timeout=20)
    lab.until("address-added", "storm0", "storm0 has 10.9.9.9/32")
    assert lab.interface("storm0")["Addresses"] == ["10.9.9.9/32"]
    assert lab.client.get("LastChange") - before < 100
