# SPDX-License-Identifier: Apache-2.0
"""Wiring with which nothing may be armed: outputs are held off, and the daemon says why."""

from __future__ import annotations

import pytest
from pilotlight.daemon import Client, DaemonError
from pilotlight.daemon.settings import parse_settings
from pilotlight.igniter.held import Held
from pilotlight.igniter.settings import ArmingSettings, IgniterSettings, KillSwitchSettings
from pilotlight.igniter.wiring import dangers
from pilotlight.io import gpio
from pilotlight.io.lines import LineConfig, LineError

from tests.support.daemons import Daemons

_YAML = """
channels: {{1: {{chip: igniter0, line: 2, status: 4}}}}
arming: {{kill_switch: {{chip: igniter0, line: 0{switch}}}, priority: 0}}
simulated: {{}}
"""


def settings_of(switch: str) -> tuple[IgniterSettings, ArmingSettings]:
    settings = parse_settings(IgniterSettings, _YAML.format(switch=switch).encode(), "igniter.yaml")
    assert settings.arming is not None
    return settings, settings.arming


def arming_of(switch: str) -> ArmingSettings:
    return settings_of(switch)[1]


@pytest.mark.parametrize(
    ("switch", "pull"),
    [("", "pull-down"), (", closed: high", "pull-down"), (", closed: low", "pull-up"),
     (", closed: low, bias: pull-up", "pull-up")],
)  # fmt: skip
def test_a_cut_wire_of_the_kill_switch_reads_open(switch: str, pull: str) -> None:
    arming = arming_of(switch)
    assert arming.kill_switch.pull == pull
    assert dangers(arming) == []


@pytest.mark.parametrize(
    ("switch", "right"),
    [(", bias: pull-up", "pull-down"), (", bias: disabled", "pull-down"), (", bias: as-is", "pull-down"),
     (", closed: low, bias: pull-down", "pull-up"), (", closed: low, bias: disabled", "pull-up")],
)  # fmt: skip
def test_a_kill_switch_whose_cut_wire_may_read_closed_is_a_danger(switch: str, right: str) -> None:
    (told,) = dangers(arming_of(switch))
    assert "a cut wire of the kill switch may read closed" in told
    assert told.endswith(f"or make it {right}")


def test_the_line_is_asked_for_with_the_bias_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[LineConfig] = []

    class Chip:
        def watch(self, line: LineConfig) -> None:
            asked.append(line)
            raise LineError("enough")

        def close(self) -> None:
            pass

    monkeypatch.setattr(gpio, "open_chip", lambda name: Chip())
    settings, _ = settings_of("")
    with pytest.raises(LineError, match="enough"):
        Held(settings, ArmingSettings(kill_switch=KillSwitchSettings(chip="real", line=1, closed="low")))
    assert [(line.bias, line.active_low) for line in asked] == [("pull-up", True)]


def test_with_a_danger_outputs_are_held_off_and_nothing_can_be_armed(daemons: Daemons) -> None:
    daemons.configure("igniter", _YAML.format(switch=", closed: low, bias: pull-down"))
    daemons.start("igniter")
    client = Client("io.pilotlight.Igniter1")
    status = client.call("Status")
    assert (status["Armable"], status["Healthy"], status["States"][0]) == (False, False, "OFF")
    assert "a cut wire of the kill switch may read closed" in status["Problems"][0]
    with pytest.raises(DaemonError, match=r"nothing can be armed: .* cut wire"):
        client.call("OpenSession")
