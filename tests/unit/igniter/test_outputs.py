# SPDX-License-Identifier: Apache-2.0
"""The igniter's lines on a simulated chip: off from the first moment, whatever others do to them."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from pilotlight.daemon import SettingsError
from pilotlight.daemon.settings import parse_settings
from pilotlight.igniter import safe
from pilotlight.igniter.core import State
from pilotlight.igniter.outputs import Outputs, simulated_path
from pilotlight.igniter.settings import IgniterSettings
from pilotlight.io.lines import LineError
from pilotlight.io.simulated import DRIVEN, LEVEL, MAGIC, SimulatedChip

_YAML = b"""
channels:
  1: {chip: igniter0, line: 2}
  2: {chip: igniter0, line: 3, active_low: true}
  3: {chip: absent, line: 0}
simulated: {lines: 6}
"""


def _settings() -> IgniterSettings:
    return parse_settings(IgniterSettings, _YAML, "igniter.yaml")


def _level(line: int) -> bool:
    chip = SimulatedChip.existing(simulated_path("igniter0"))
    try:
        return chip.level(line)[0]
    finally:
        chip.close()


def _set_level(line: int, level: bool) -> None:
    with simulated_path("igniter0").open("r+b") as file, mmap.mmap(file.fileno(), 0) as chip:
        place = len(MAGIC) + line
        chip[place] = (chip[place] & ~LEVEL) | level | DRIVEN


def test_channels_are_held_off_and_each_for_itself() -> None:
    outputs = Outputs(_settings())
    states = {n: c.state for n, c in outputs.check().items()}
    assert states == {1: State.OFF, 2: State.OFF, 3: State.FAULT, 4: State.UNCONFIGURED}
    assert "there is no chip absent" in outputs.check(request=False)[3].reason
    assert (_level(2), _level(3)) == (False, True)
    outputs.close()


def test_a_line_that_somebody_switched_on_is_switched_off_again() -> None:
    outputs = Outputs(_settings())
    outputs.check()
    _set_level(2, True)
    _set_level(3, False)
    assert outputs.check()[1].state is State.OFF
    assert (_level(2), _level(3)) == (False, True)
    outputs.close()


def test_a_line_that_cannot_be_held_is_asked_for_again() -> None:
    outputs = Outputs(parse_settings(IgniterSettings, b"channels:\n  1: {chip: igniter0, line: 9}\nsimulated: {}", "y"))
    assert outputs.check()[1].state is State.FAULT
    assert outputs.check(request=False)[1].state is State.FAULT
    SimulatedChip.create(simulated_path("igniter0"), 8).close()
    outputs._settings = parse_settings(
        IgniterSettings, b"channels:\n  1: {chip: igniter0, line: 7}\nsimulated: {}", "y"
    )
    assert outputs.check(request=False)[1].state is State.FAULT
    assert outputs.check(request=True)[1].state is State.OFF
    outputs.close()


def test_closing_leaves_the_lines_off() -> None:
    outputs = Outputs(_settings())
    outputs.check()
    _set_level(2, True)
    outputs.close()
    assert (_level(2), _level(3)) == (False, True)


def test_the_last_net_drives_all_off(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "igniter.yaml"
    file.write_bytes(_YAML)
    Outputs(_settings()).check()
    _set_level(2, True)
    _set_level(3, False)
    assert safe.main() == 1
    assert (_level(2), _level(3)) == (False, True)
    assert "channel 3: there is no chip absent" in capfd.readouterr().err
    file.write_bytes(_YAML.replace(b"  3: {chip: absent, line: 0}\n", b""))
    assert safe.main() == 0
    file.write_bytes(b"channels: 3")
    assert safe.main() == 1


def test_one_line_for_two_channels_is_refused() -> None:
    both = b"channels:\n  1: {chip: a, line: 1}\n  4: {chip: a, line: 1}"
    with pytest.raises(LineError, match="channels 1 and 4 both name line 1 of a"):
        Outputs(parse_settings(IgniterSettings, both, "igniter.yaml"))


@pytest.mark.parametrize("text", [b"channels:\n  5: {chip: a, line: 1}", b"channels:\n  1: {line: 1}", b"check_ms: 5"])
def test_wrong_settings_are_refused(text: bytes) -> None:
    with pytest.raises(SettingsError):
        parse_settings(IgniterSettings, text, "igniter.yaml")
