# SPDX-License-Identifier: Apache-2.0
"""Wiring with which nothing may be armed: outputs are held off, and the daemon says why."""

from __future__ import annotations

import pytest
from pilotlight.daemon import Client, DaemonError
from pilotlight.daemon.settings import parse_settings
from pilotlight.igniter.held import Held
from pilotlight.igniter.settings import (
    ArmingSettings,
    ChannelSettings,
    IgniterSettings,
    KillSwitchSettings,
    SimulatedSettings,
)
from pilotlight.igniter.wiring import dangers
from pilotlight.io import gpio
from pilotlight.io.lines import LineConfig, LineError
from pilotlight.io.undriven import RP1

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


@pytest.mark.parametrize(
    ("switch", "pull"),
    [("", "pull-down"), (", closed: high", "pull-down"), (", closed: low", "pull-up"),
     (", closed: low, bias: pull-up", "pull-up")],
)  # fmt: skip
def test_a_cut_wire_of_the_kill_switch_reads_open(switch: str, pull: str) -> None:
    settings, arming = settings_of(switch)
    assert arming.kill_switch.pull == pull
    assert dangers(settings, arming, "igniter0") == []


@pytest.mark.parametrize(
    ("switch", "right"),
    [(", bias: pull-up", "pull-down"), (", bias: disabled", "pull-down"), (", bias: as-is", "pull-down"),
     (", closed: low, bias: pull-down", "pull-up"), (", closed: low, bias: disabled", "pull-up")],
)  # fmt: skip
def test_a_kill_switch_whose_cut_wire_may_read_closed_is_a_danger(switch: str, right: str) -> None:
    (told,) = dangers(*settings_of(switch), "igniter0")
    assert "a cut wire of the kill switch may read closed" in told
    assert told.endswith(f"or make it {right}")


@pytest.mark.parametrize(
    ("line", "active_low", "danger"),
    [
        (8, False, "its line 8, which is pulled up, at a reset or after the daemon's death: take one of lines 9 to 27"),
        (9, False, ""),
        (27, False, ""),
        (8, True, ""),
        (9, True, "its line 9, which is pulled down, at a reset or after the daemon's death: take one of lines 0 to 8"),
        (28, False, "channel 2 is on line 28, which is none of the header"),
    ],
)
def test_an_output_of_the_header_that_is_on_while_nobody_drives_it_is_a_danger(
    line: int, active_low: bool, danger: str
) -> None:
    kill = KillSwitchSettings(chip="gpiochip0", line=1)
    settings = IgniterSettings(channels={2: ChannelSettings(chip="gpiochip0", line=line, active_low=active_low)})
    told = "".join(dangers(settings, ArmingSettings(kill_switch=kill), RP1))
    assert told.endswith(danger)
    assert bool(told) is bool(danger)
    assert dangers(settings, ArmingSettings(kill_switch=kill), "gpio-sim.0") == [], "of other chips nothing is known"


def test_a_simulated_kill_switch_of_real_outputs_is_a_danger() -> None:
    kill = KillSwitchSettings(chip="igniter0", line=1)
    settings = IgniterSettings(channels={1: ChannelSettings(chip="real", line=9)}, simulated=SimulatedSettings())
    (told,) = dangers(settings, ArmingSettings(kill_switch=kill), "real")
    assert "the kill switch is on a simulated chip" in told


def test_real_lines_are_asked_for_their_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "identity", lambda name: (RP1, "pinctrl-rp1"))
    kill = KillSwitchSettings(chip="gpiochip0", line=10)
    settings = IgniterSettings(channels={1: ChannelSettings(chip="gpiochip0", line=4, status=11)})
    with pytest.raises(LineError, match="channel 1 would be on whenever nobody drives its line 4"):
        Held(settings, ArmingSettings(kill_switch=kill))


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
