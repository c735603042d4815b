# SPDX-License-Identifier: Apache-2.0
"""The orchestrator as a process: what it publishes, with systemd silent and with systemd answering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib
from pilotlight.daemon import Client, Unavailable
from pilotlight.daemon.connection import ask_bus, connect
from pilotlight.daemon.glib import ensure_running
from pilotlight.tags import Quality, SegmentReader

from tests.support.daemons import Daemons

_SYSTEMD = """<node><interface name="org.freedesktop.systemd1.Manager"><method name="ListUnitsByPatterns">
<arg type="as" direction="in"/><arg type="as" direction="in"/><arg type="a(ssssssouso)" direction="out"/>
</method></interface></node>"""


@pytest.fixture
def systemd(bus: str) -> Iterator[dict[str, tuple[str, str]]]:
    """Answers for systemd on the private bus; maps a unit's name to its active and sub state."""
    states = {"pilotlight-web.service": ("active", "running"), "pilotlight-netmon.service": ("failed", "failed")}
    ensure_running()
    connection = connect().con

    def answer(con: Any, sender: str, path: str, interface: str, method: str, body: Any, invocation: Any) -> None:
        assert body.unpack() == ([], ["pilotlight-*"])
        listed = [(n, "", "loaded", a, s, "", "/u", 0, "", "/") for n, (a, s) in states.items()]
        invocation.return_value(GLib.Variant("(a(ssssssouso))", (listed,)))

    info = Gio.DBusNodeInfo.new_for_xml(_SYSTEMD).interfaces[0]
    connection.register_object("/org/freedesktop/systemd1", info, answer, None, None)
    ask_bus(connection, "RequestName", "su", "org.freedesktop.systemd1", 4)
    yield states
    connection.close_sync(None)


def test_without_systemd_all_but_the_units_is_known(daemons: Daemons) -> None:
    daemons.configure("orchestrator", "period_s: 0.1\ndata: /\n")
    daemons.start("orchestrator")
    client = Client("io.pilotlight.Orchestrator1")
    with pytest.raises(Unavailable, match="systemd does not tell"):
        client.call("Units")
    assert client.call("Status")["Daemon"] == "orchestrator"
    assert client.call("Versions")["Kernel"]
    reader = SegmentReader.open("system")
    active, memory = reader.read("Unit.web.Active", "Memory.Total")
    assert active.quality is Quality.BAD
    assert memory.quality is Quality.GOOD and memory.value == client.call("Status")["MemoryTotal"]
    before = reader.beat().count
    assert reader.wait(5)
    assert reader.wait(5)
    assert reader.beat().count > before
    reader.close()


def test_unit_states_are_published_and_a_failed_one_is_a_problem(
    systemd: dict[str, tuple[str, str]], daemons: Daemons
) -> None:
    daemons.configure("orchestrator", "period_s: 0.1\nunits_period_s: 0.5\ndata: /\n")
    daemons.start("orchestrator")
    client = Client("io.pilotlight.Orchestrator1")
    units = {unit["Name"]: unit["Active"] for unit in client.call("Units")}
    assert units == {"pilotlight-web.service": "active", "pilotlight-netmon.service": "failed"}
    assert any("pilotlight-netmon.service has failed" in problem for problem in client.get("Problems"))
    reader = SegmentReader.open("system")
    web, netmon = reader.read("Unit.web.State", "Unit.netmon.Active")
    assert (web.value, netmon.value, netmon.quality) == ("active running", False, Quality.GOOD)
    systemd["pilotlight-netmon.service"] = ("active", "running")
    for _ in range(100):
        if reader.read("Unit.netmon.Active")[0].value:
            break
        assert reader.wait(5)
    assert client.get("Problems") == [] or "pilotlight-netmon" not in " ".join(client.get("Problems"))
    reader.close()
