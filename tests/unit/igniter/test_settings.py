# SPDX-License-Identifier: Apache-2.0
"""Settings with which nothing can be armed: each is told."""

from __future__ import annotations

import pytest
from pilotlight.igniter.held import Held
from pilotlight.igniter.settings import arming_conflicts
from pilotlight.io.lines import LineError

from tests.unit.igniter.bench import YAML, Bench, settings_of


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("line: 3, ", "line: 2, ", "channel 1 and the output of channel 3 are both on line 2"),
        ("status: 5", "status: 0", "kill switch and the status of channel 3 are both on line 0"),
        (", status: 5", "", "channel 3 has no `status` line"),
        ("3: {chip: igniter0", "3: {chip: other", "on one chip"),
        ("priority: 0", "default_fire_ms: 3000", "above"),
        ("priority: 0", "settle_ms: 200", "STATUS would say nothing"),
        ("priority: 0", "program: {channels: [1, 2]}", "names channel 2, which is not configured"),
        ("priority: 0", "program: {channels: [1], life: plc.IgniterWindow}", "uses plc.IgniterWindow for two purposes"),
        ("priority: 0", "program: {channels: [1], silent_ms: 501}", "above `fresh_ms`"),
    ],
)
def test_settings_that_make_arming_impossible_are_told(old: str, new: str, reason: str) -> None:
    (told, *_) = arming_conflicts(settings_of(YAML.replace(old, new)))
    assert reason in told
    assert arming_conflicts(settings_of()) == []


def test_lines_that_cannot_all_be_had_are_none(bench: Bench) -> None:
    settings = settings_of(YAML.replace("line: 0}", "line: 63}"))
    assert settings.arming is not None
    with pytest.raises(LineError):
        Held(settings, settings.arming)
    assert bench.levels() == (False, True)
