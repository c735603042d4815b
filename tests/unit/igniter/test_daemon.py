# SPDX-License-Identifier: Apache-2.0
"""The igniter as a process: its segment, its bus object, its lines when it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.daemon import Client, DaemonError
from pilotlight.igniter.core import State
from pilotlight.igniter.outputs import simulated_path
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


def test_states_are_published_and_arming_is_refused(daemons: Daemons, tmp_path: Path) -> None:
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
    reader = SegmentReader.open("igniter")
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
