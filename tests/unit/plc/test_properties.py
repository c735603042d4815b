# SPDX-License-Identifier: Apache-2.0
"""What tags say of themselves, and values that are not meant."""

from __future__ import annotations

import pytest
from pilotlight.plc import PLC, Bool, Int, Program, Real, Rung, calc, copy, out


def test_properties_are_told() -> None:
    tag = Int("Speed", min=0, max=300, uom="rpm", public=True, choices={0: "off", 300: "on"}, link="Run:1")
    said = tag.properties
    assert (said.min, said.max, said.uom, said.public, said.final, said.link) == (0, 300, "rpm", True, False, "Run:1")
    assert (tag.uom, tag.choices, tag.lock) == ("rpm", {0: "off", 300: "on"}, False)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = tag.minimum  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        tag.properties = said


def test_properties_that_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="neither"):
        Bool("A", readonly=True, final=True)
    with pytest.raises(ValueError, match="neither"):
        Bool("A", readonly=True, external=True)
    with pytest.raises(ValueError, match="above"):
        Int("A", min=3, max=2)


def test_nothing_writes_a_readonly_tag() -> None:
    ratio, flag = Real("Ratio", default=2.5, readonly=True), Bool("Flag", readonly=True)
    with Program(strict=False), Rung(), pytest.raises(ValueError, match="read-only"):
        out(flag)
    with Program() as logic, Rung():
        copy(ratio, Real("Seen"))
    plc = PLC(logic)
    assert plc.step().tags["Seen"] == 2.5
    for write in (lambda: plc.patch({ratio: 1.0}), lambda: plc.force("Ratio", 1.0)):
        with pytest.raises(ValueError, match="read-only"):
            write()


def test_values_that_are_not_meant_are_reported_and_stay() -> None:
    level, mode = Int("Level", min=1, max=5), Int("Mode", choices=(0, 2))
    with Program() as logic, Rung():
        calc(level + 1, level)
        copy(mode, Int("Seen"))
    plc = PLC(logic)
    assert plc.bounds_violations == {"Level": "0 is below 1"}
    plc.run(5)
    assert plc.bounds_violations == {}
    plc.patch({mode: 1})
    assert plc.step().tags["Level"] == 6
    assert plc.bounds_violations == {"Level": "6 is above 5", "Mode": "1 is none of 0, 2"}
