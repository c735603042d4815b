# SPDX-License-Identifier: Apache-2.0
"""The igniter as a process: its segment, its bus object, its lines when it is killed."""

from __future__ import annotations

import json

import pytest
from pilotlight.daemon import Caller, Client, DaemonError, state_directory
from pilotlight.igniter.core import State
from pilotlight.igniter.outputs import simulated_path
from pilotlight.igniter.service import Igniter
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import Quality, SegmentReader

from tests.support.daemons import Daemons

_YAML = """
channels:
  1: {chip: igniter0, line: 2}
  2: {chip: absent, line: 2}
simulated: {}
check_ms: 20
"""


def test_who_is_not_in_the_group_is_audited_and_counted(daemons: Daemons) -> None:
    service = Igniter({})
    stranger = Caller(1000, "mallory", frozenset({"pilotlight"}), ":1.7")
    for method in ("Fire", "KeepAlive"):
        service.denied(method, "pilotlight-igniter", stranger)
    assert service.refused == 1, "signs of life are not counted"
    entry = json.loads((state_directory("igniter") / "audit.jsonl").read_text().splitlines()[0])
    found = [entry[key] for key in ("event", "command", "by", "why")]
    assert found == ["refused", "Fire", "mallory", "not in group pilotlight-igniter"]


def test_states_are_published_and_arming_is_refused(daemons: Daemons) -> None:
    daemons.configure("igniter", _YAML)
    igniter = daemons.start("igniter")
    client = Client("io.pilotlight.Igniter1")
    status = client.call("Status")
    assert status["States"] == ["OFF", "FAULT", "UNCONFIGURED", "UNCONFIGURED"] == client.get("States")
    assert (status["Healthy"], status["Armed"], status["Configured"]) == (False, False, 2)
    first = client.call("Channels")[0]
    assert (first["State"], first["Chip"], first["Line"], first["Output"]) == ("OFF", "igniter0", 2, False)
    for method, arguments in (("OpenSession", ()), ("Arm", (1, 1, 1, "123456")), ("Checks", ([1],)), ("Disarm", ())):
        with pytest.raises(DaemonError, match="no `arming` entry") as refused:
            client.call(method, *arguments)
        assert refused.value.dbus_name == "io.pilotlight.Error.NotArmable"
    entries = [json.loads(line) for line in (state_directory("igniter") / "audit.jsonl").read_text().splitlines()]
    assert [entry["command"] for entry in entries if entry["event"] == "refused"] == ["OPEN", "ARM", "DISARM"]
    reader = SegmentReader.open("igniter")
    while reader.read("CommandsRefused")[0].value != 3:
        assert reader.wait(5), "they are not counted"
    assert reader.wait(5) or reader.beat().count
    states = [reading.value for reading in reader.read(*(f"Channel{n}.State" for n in (1, 2, 3, 4)))]
    assert states == [State.OFF, State.FAULT, State.UNCONFIGURED, State.UNCONFIGURED]
    assert [r.quality for r in reader.read("Channel1.Output", "Channel2.Output")] == [Quality.GOOD, Quality.BAD]
    reader.close()
    igniter.kill()
    igniter.wait(10)
    chip = SimulatedChip.existing(simulated_path("igniter0"))
    assert chip.level(2)[0] is False
    chip.close()
