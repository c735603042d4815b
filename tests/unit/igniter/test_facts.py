# SPDX-License-Identifier: Apache-2.0
"""Interlocks: tags of others that have to be true, good and written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pilotlight.igniter import checks, facts
from pilotlight.igniter.checks import Check
from pilotlight.igniter.facts import Interlocks, Sensors
from pilotlight.runtime.control.looptags import TAGS
from pilotlight.runtime.control.samples import Reason
from pilotlight.tags import Quality, SegmentWriter, Tag, Type, now_ns

SECOND = 1_000_000_000


BEGUN = "it was not true all the time since the last look"
RUNNING, STOPPED = 2, 3


class Plc:
    """Segment `plc`, as a scan writes it."""

    def __init__(self) -> None:
        tags = [Tag("Clear", Type.BOOL), Tag("Count", Type.INT)]
        own = [Tag("Scan.State", Type.USINT), Tag("Scan.Forces", Type.UDINT)]
        self.writer = SegmentWriter.create("plc", [*tags, *own], journal=16)
        self.scan(Clear=True, State=RUNNING)

    def scan(self, quality: Quality = Quality.GOOD, **values: int) -> None:
        for name, value in values.items():
            index = self.writer.directory.index(name if name in ("Clear", "Count") else f"Scan.{name}")
            self.writer.set(index, value, quality)
        self.writer.publish()
        self.writer.heartbeat(now_ns() + 60 * SECOND)


@pytest.fixture
def plc() -> Iterator[Plc]:
    made = Plc()
    yield made
    made.writer.close()


@pytest.fixture
def interlocks() -> Iterator[Interlocks]:
    made = Interlocks(("plc.Clear",))
    yield made
    made.close()


def test_an_interlock_holds_only_while_it_is_true_good_and_written(interlocks: Interlocks) -> None:
    assert "cannot be read" in interlocks.failing()[0]
    plc = Plc()
    assert interlocks.failing() == [f"plc.Clear: {BEGUN}"], "what it was before the first look is not known"
    assert interlocks.failing() == []
    plc.scan(Clear=True, quality=Quality.STALE)
    assert interlocks.failing() == ["plc.Clear: its quality is STALE"]
    plc.scan(Clear=False)
    assert interlocks.failing() == ["plc.Clear: it is not true"]
    plc.scan(Clear=True)
    plc.writer.heartbeat(now_ns() - 1)
    assert interlocks.failing() == ["plc.Clear: its segment is not being written"]
    plc.writer.close()
    again = Plc()
    assert interlocks.failing() == [f"plc.Clear: {BEGUN}"], "a new epoch is found, and was not seen between"
    assert interlocks.failing() == []
    again.writer.close()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"State": STOPPED}, "the PLC does not run"), ({"Forces": 1}, "variables of the PLC are forced")],
)
def test_a_true_tag_of_a_plc_that_is_stopped_or_forced_holds_nothing(
    plc: Plc, interlocks: Interlocks, changes: dict[str, int], reason: str
) -> None:
    interlocks.failing()
    assert interlocks.failing() == []
    plc.scan(**changes)
    assert interlocks.failing() == [f"plc.Clear: {reason}"]
    plc.scan(State=RUNNING, Forces=0)
    assert interlocks.failing() == [f"plc.Clear: {BEGUN}"]
    assert interlocks.failing() == []


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ({"Clear": False}, {"Clear": True}),
        ({"State": STOPPED}, {"State": RUNNING}),
        ({"Forces": 1}, {"Forces": 0}),
        ({"Clear": True, "quality": Quality.BAD}, {"Clear": True}),
    ],
)
def test_what_was_lost_for_a_scan_between_two_looks_did_not_hold(
    plc: Plc, interlocks: Interlocks, away: dict[str, Any], back: dict[str, Any]
) -> None:
    interlocks.failing()
    assert interlocks.failing() == []
    plc.scan(**away)
    plc.scan(**back)
    for count in range(100):
        # More changes than the journal holds.
        plc.scan(Count=count)
    assert interlocks.failing() == [f"plc.Clear: {BEGUN}"]
    assert interlocks.failing() == []


def test_the_values_of_others_need_no_plc() -> None:
    writer = SegmentWriter.create("control", [Tag("Sane", Type.BOOL)], journal=16)
    writer.set(0, True)
    writer.publish()
    writer.heartbeat(now_ns() + 60 * SECOND)
    other = Interlocks(("control.Sane",))
    other.failing()
    assert other.failing() == []
    other.close()
    writer.close()


def test_what_is_no_tag_or_no_bit_does_not_hold(plc: Plc) -> None:
    first, second = Interlocks(("plc.Clera", "plc.Count")).failing()
    assert first.startswith("plc.Clera: it cannot be read")
    assert second == "plc.Count: it is not true"
    assert Interlocks(()).failing() == []


@pytest.mark.parametrize(
    ("changes", "sound"),
    [
        ({}, True),
        ({"Servo.Reason": 4, "Controller.Reason": 1}, True),
        ({"Sensor.ImuValid": False}, False),
        ({"Sensor.BaroValid": False}, False),
        ({"Servo.Reason": Reason.IMU_STALE}, False),
        ({"Controller.Reason": Reason.INVALID_ESTIMATOR}, False),
        ({"Sensor.Time": 1}, False),
    ],
)
def test_sensors_are_those_of_the_control_loop(changes: dict[str, int], sound: bool) -> None:
    sensors = Sensors()
    assert sensors.sound(), "there is no control loop"
    writer = SegmentWriter.create("control", TAGS, journal=1024)
    values = {"Sensor.Time": now_ns(), "Sensor.ImuValid": True, "Sensor.BaroValid": True, **changes}
    for name, value in values.items():
        writer.set(writer.directory.index(name), value)
    writer.publish()
    writer.heartbeat(now_ns() + 60 * SECOND)
    assert sensors.sound() is sound
    writer.heartbeat(now_ns() - 1)
    assert not sensors.sound(), "the control loop is silent"
    sensors.close()
    writer.close()


def test_facts_become_failing_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts.failing([], False, True) == Check(0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert facts.failing(["plc.Clear: it is not true"], True, False) == checks.TOLD
