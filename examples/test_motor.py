# SPDX-License-Identifier: Apache-2.0
"""The motor starts after its horn, and whatever is wrong stops it."""

from collections.abc import Iterator

import pytest
from motor import (
    Acknowledge,
    EmergencyOk,
    FaultLamp,
    Horn,
    Motor,
    OverloadOk,
    Seconds,
    Start,
    Starts,
    StopOk,
    Tripped,
    logic,
)
from pilotlight.plc import PLC


@pytest.fixture
def plc() -> Iterator[PLC]:
    with PLC(logic, dt=0.010) as plc:
        StopOk.value = EmergencyOk.value = OverloadOk.value = True
        plc.step()
        yield plc


def press(plc: PLC, button) -> None:
    button.value = True
    plc.run(2)
    button.value = False
    plc.step()


def started(plc: PLC) -> None:
    press(plc, Start)
    plc.run_for(3.1)
    assert Motor.value


def test_the_horn_sounds_three_seconds_before_the_motor_runs(plc):
    press(plc, Start)
    assert Horn.value and not Motor.value
    assert plc.run_until(Motor, max_cycles=400)
    assert plc.simulation_time == pytest.approx(3.01, abs=0.02)
    assert not Horn.value


def test_a_short_press_is_enough_and_a_held_button_starts_once(plc):
    started(plc)
    plc.run_for(10)
    assert Motor.value
    Start.value = True
    plc.run(5)
    StopOk.value = False
    plc.step()
    StopOk.value = True
    plc.run_for(5)
    assert not Motor.value and not Horn.value


@pytest.mark.parametrize("guard", [StopOk, EmergencyOk, OverloadOk])
def test_every_guard_stops_the_motor_in_one_scan(plc, guard):
    started(plc)
    guard.value = False
    plc.step()
    assert not Motor.value
    guard.value = True
    plc.run_for(5)
    assert not Motor.value  # It does not start by itself again.


@pytest.mark.parametrize("guard", [StopOk, EmergencyOk, OverloadOk])
def test_nothing_starts_while_a_guard_is_open(plc, guard):
    guard.value = False
    plc.step()
    press(plc, Start)
    plc.run_for(4)
    assert not Motor.value and not Horn.value


def test_a_trip_blinks_until_it_is_acknowledged(plc):
    OverloadOk.value = False
    plc.step()
    lamps = set()
    for _ in range(150):
        plc.step()
        lamps.add(FaultLamp.value)
    assert lamps == {False, True}
    press(plc, Acknowledge)
    assert Tripped.value  # The relay is still open.
    OverloadOk.value = True
    press(plc, Start)
    assert not Horn.value
    press(plc, Acknowledge)
    assert not Tripped.value and not FaultLamp.value
    started(plc)


def test_starts_and_seconds_are_counted(plc):
    for _ in range(2):
        started(plc)
        plc.run_for(5)
        StopOk.value = False
        plc.step()
        StopOk.value = True
        plc.step()
    assert Starts.Acc.value == 2
    assert Seconds.value in (9, 10, 11)
