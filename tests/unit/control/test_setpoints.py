# SPDX-License-Identifier: Apache-2.0
"""Set-points of a PLC program reach the loop fresh, good and within bounds, or not at all."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.setpoints import SetPoints, judge
from pilotlight.runtime.settings import SetPointSettings
from pilotlight.runtime.states import State
from pilotlight.tags import Quality, Reading, SegmentWriter, Tag, Type, now_ns

BOTH = SetPointSettings(roll="plc.Flight.Roll", pitch="plc.Flight.Pitch", limit_rad=0.5, max_age_ms=500)
MS = 1_000_000


def readings(roll: Any = 0.1, pitch: Any = -0.2, quality: Quality = Quality.GOOD) -> dict[str, Reading]:
    return {
        "plc.Flight.Roll": Reading("Flight.Roll", roll, quality, 0),
        "plc.Flight.Pitch": Reading("Flight.Pitch", pitch, Quality.GOOD, 0),
    }


def test_a_running_program_gives_them() -> None:
    wish = judge(State.RUNNING, 10 * MS, readings(), BOTH)
    assert (wish.roll, wish.pitch, wish.problem) == (0.1, -0.2, "")


def test_an_axis_without_a_tag_is_0() -> None:
    one = SetPointSettings(pitch="plc.Flight.Pitch")
    wish = judge(State.RUNNING, 0, {"plc.Flight.Pitch": readings()["plc.Flight.Pitch"]}, one)
    assert (wish.roll, wish.pitch) == (0.0, -0.2)


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_a_program_that_does_not_run_gives_none(state: State) -> None:
    wish = judge(state, 0, readings(), BOTH)
    assert (wish.roll, wish.pitch) == (0.0, 0.0)
    assert "no program runs" in wish.problem


@pytest.mark.parametrize(("age_ms", "good"), [(0, True), (500, True), (501, False), (-1, False)])
def test_a_scan_that_was_too_long_ago_gives_none(age_ms: int, good: bool) -> None:
    assert (judge(State.RUNNING, age_ms * MS, readings(), BOTH).problem == "") is good


@pytest.mark.parametrize("quality", [Quality.UNCERTAIN, Quality.BAD, Quality.STALE])
def test_a_value_that_is_not_good_gives_none(quality: Quality) -> None:
    assert quality.name in judge(State.RUNNING, 0, readings(quality=quality), BOTH).problem


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "0.1", 0.51, -0.51, 3])
def test_a_value_that_makes_no_sense_spoils_both(value: Any) -> None:
    wish = judge(State.RUNNING, 0, readings(roll=value), BOTH)
    assert (wish.roll, wish.pitch) == (0.0, 0.0)
    assert "plc.Flight.Roll" in wish.problem


@given(st.floats(), st.floats(), st.integers(0, 4), st.integers(-(10**12), 10**12), st.sampled_from(Quality))
def test_nothing_beyond_the_limit_ever_comes_out(
    roll: float, pitch: float, state: int, age_ns: int, quality: Quality
) -> None:
    wish = judge(state, age_ns, readings(roll, pitch, quality), BOTH)
    assert abs(wish.roll) <= 0.5
    assert abs(wish.pitch) <= 0.5
    if wish.problem:
        assert (wish.roll, wish.pitch) == (0.0, 0.0)


def segment(state: State = State.RUNNING) -> SegmentWriter:
    tags = [Tag("Flight.Roll", Type.REAL), Tag("Flight.Pitch", Type.LREAL), Tag("Scan.State", Type.USINT)]
    writer = SegmentWriter.create("plc", tags)
    writer.set(0, 0.25)
    writer.set(1, -0.125)
    writer.set(2, int(state))
    writer.publish(now_ns())
    return writer


def test_they_are_read_from_the_segment_over_its_epochs() -> None:
    points = SetPoints(BOTH)
    assert "ignored" in points.look().problem, "there is no segment yet"
    first = segment()
    assert (points.look().roll, points.look().pitch) == (0.25, -0.125)
    second = segment(State.STOPPED)
    assert "no program runs" in points.look().problem
    second.set(2, int(State.RUNNING))
    second.publish(now_ns())
    assert points.look().roll == 0.25
    # A scan that is no more leaves its values behind.
    second.publish(now_ns() - 600 * MS)
    assert "ms ago" in points.look().problem
    points.close()
    first.close()
    second.close()


def test_a_tag_that_the_program_does_not_have_is_named() -> None:
    writer = segment()
    points = SetPoints(SetPointSettings(roll="plc.Flight.Rol"))
    assert "Flight.Rol" in points.look().problem
    points.close()
    writer.close()


@pytest.mark.parametrize(
    "value", [{"roll": "control.SetPoint.Roll"}, {"limit_rad": 0}, {"limit_rad": 4}, {"yaw": "plc.X"}]
)
def test_settings_that_make_no_sense_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, SetPointSettings)
