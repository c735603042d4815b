# SPDX-License-Identifier: Apache-2.0
"""The washing machine goes through its programme, and only behind a closed door."""

from collections.abc import Iterator

import pytest
from drum import (
    Cancel,
    DoorClosed,
    DrainPump,
    Empty,
    Full,
    Heater,
    Left,
    ReadyLamp,
    Right,
    Spin,
    Start,
    Step,
    Valve,
    Warm,
    logic,
)
from pilotlight.plc import PLC

OUTPUTS = {"valve": Valve, "heater": Heater, "left": Left, "right": Right, "drain": DrainPump, "spin": Spin}


@pytest.fixture
def plc() -> Iterator[PLC]:
    with PLC(logic, dt=0.1) as plc:
        DoorClosed.value = Empty.value = True
        plc.run(2)
        yield plc


def on() -> set[str]:
    return {name for name, tag in OUTPUTS.items() if tag.value}


def start(plc: PLC) -> None:
    Start.value = True
    plc.run(2)
    Start.value = False
    plc.run(2)


def to_washing(plc: PLC) -> None:
    start(plc)
    Full.value, Empty.value = True, False
    plc.run(3)
    Warm.value = True
    plc.run(3)
    assert Step.value == 4


def test_it_waits_for_the_button(plc):
    plc.run_for(10)
    assert Step.value == 1 and on() == set()


def test_the_whole_programme(plc):
    start(plc)
    assert Step.value == 2 and on() == {"valve"}
    Full.value, Empty.value = True, False
    plc.run(3)
    assert Step.value == 3 and on() == {"heater", "left"}
    Warm.value = True
    plc.run(3)
    assert Step.value == 4 and "heater" not in on()
    assert plc.run_until(Step == 5, max_cycles=620)
    assert plc.run_until(DrainPump, max_cycles=2) or on() == {"drain"}
    Full.value, Empty.value = False, True
    plc.run(3)
    assert Step.value == 6 and on() == {"drain", "spin"}
    plc.run_for(31)
    assert Step.value == 1 and on() == set() and ReadyLamp.value
    DoorClosed.value = False
    plc.step()
    assert not ReadyLamp.value


def test_water_and_heat_that_are_there_already_count(plc):
    Full.value, Warm.value = True, True
    start(plc)
    plc.run(6)
    assert Step.value == 4


def test_the_laundry_turns_both_ways_with_rests(plc):
    to_washing(plc)
    turns = []
    for _ in range(500):
        plc.step()
        now = "".join(sorted(on() & {"left", "right"}))
        if not turns or turns[-1] != now:
            turns.append(now)
    assert turns[:5] in (["left", "", "right", "", "left"], ["right", "", "left", "", "right"])
    assert "leftright" not in turns


def test_nothing_moves_with_the_door_open_and_the_programme_goes_on_behind_it(plc):
    to_washing(plc)
    DoorClosed.value = False
    plc.step()
    assert on() == set()
    plc.run_for(100)
    assert Step.value == 4 and on() == set()
    DoorClosed.value = True
    plc.run(2)
    assert Step.value == 4


def test_cancel_ends_it(plc):
    to_washing(plc)
    Cancel.value = True
    plc.run(2)
    Cancel.value = False
    plc.run(2)
    assert Step.value == 1 and on() == set() and not ReadyLamp.value
    Full.value = Warm.value = False
    start(plc)
    assert Step.value == 2


def test_no_heat_without_water(plc):
    start(plc)
    Full.value = True
    plc.run(3)
    assert "heater" in on()
    Full.value = False
    plc.step()
    assert "heater" not in on()
