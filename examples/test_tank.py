# SPDX-License-Identifier: Apache-2.0
"""The tank keeps its level, spares its pumps and says when something is wrong."""

from collections.abc import Iterator

import pytest
from pilotlight.plc import PLC
from tank import Acknowledge, Alarm, Brim, Draw, Inlet, Leaking, Level, Pump1, Pump2, Raw, Spilling, Trend, logic


@pytest.fixture
def plc() -> Iterator[PLC]:
    with PLC(logic, dt=0.020) as plc:
        level(plc, 50)
        yield plc


def level(plc: PLC, percent: float) -> None:
    Raw.value = round(percent * 276.48)
    plc.run(2)


def blinks(plc: PLC) -> bool:
    seen = set()
    for _ in range(60):
        plc.step()
        seen.add(Alarm.value)
    return seen == {False, True}


@pytest.mark.parametrize(("raw", "percent"), [(0, 0.0), (13824, 50.0), (27648, 100.0), (27649, 100.00362)])
def test_the_level_is_in_percent(plc, raw, percent):
    Raw.value = raw
    plc.step()
    assert Level.value == pytest.approx(percent, abs=1e-4)


def test_the_inlet_opens_below_low_and_closes_at_high(plc):
    opened = []
    for percent in [50, 31, 29.9, 31, 79.9, 80.1, 79, 31, 29]:
        level(plc, percent)
        opened.append(Inlet.value)
    assert opened == [False, False, True, True, True, False, False, False, True]


def test_a_broken_wire_shuts_everything(plc):
    level(plc, 20)
    Draw.value = True
    plc.run_for(2)
    assert Inlet.value and (Pump1.value or Pump2.value)
    Raw.value = -1
    plc.step()
    assert not (Inlet.value or Pump1.value or Pump2.value)
    assert blinks(plc)


def test_a_wave_is_no_flood(plc):
    Brim.value = True
    plc.run_for(0.4)
    Brim.value = False
    plc.run_for(1)
    assert not Spilling.value


def test_a_flood_shuts_the_inlet_until_it_is_acknowledged(plc):
    level(plc, 20)
    Brim.value = True
    plc.run_for(0.6)
    assert Spilling.value and not Inlet.value and blinks(plc)
    Acknowledge.value = True
    plc.step()
    assert Spilling.value  # The float is still up.
    Brim.value = Acknowledge.value = False
    plc.step()
    Acknowledge.value = True
    plc.run(2)
    assert not Spilling.value and Inlet.value


def test_pumps_take_turns(plc):
    ran = []
    for _ in range(4):
        Draw.value = True
        plc.run_for(1.5)
        ran.append((Pump1.value, Pump2.value))
        Draw.value = False
        plc.run_for(0.5)
        assert not (Pump1.value or Pump2.value)
    assert ran == [(False, True), (True, False)] * 2


def test_pumps_stop_five_seconds_after_the_water_is_gone(plc):
    Draw.value = True
    plc.run_for(2)
    level(plc, 9.9)
    plc.run_for(4.9)
    assert Pump2.value
    plc.run_for(0.2)
    assert not Pump2.value


def falls(plc: PLC, percent_a_second: float, seconds: int) -> None:
    for tenth in range(10 * seconds):
        Raw.value = round((70 - percent_a_second * tenth / 10) * 276.48)
        plc.run_for(0.1)


def test_the_trend_is_in_percent_a_second(plc):
    falls(plc, 2, 5)
    assert Trend.value == pytest.approx(-2, abs=0.01)
    plc.run_for(2.1)
    assert Trend.value == 0


@pytest.mark.parametrize(("draw", "rate", "leaks"), [(False, 0.5, True), (False, 0.1, False), (True, 2, False)])
def test_a_level_that_falls_while_nothing_draws_is_a_leak(plc, draw, rate, leaks):
    level(plc, 70)
    Draw.value = draw
    plc.run_for(3)
    falls(plc, rate, 10)
    assert Leaking.Done.value is leaks and blinks(plc) is leaks


def test_four_seconds_are_no_leak(plc):
    level(plc, 70)
    plc.run_for(2)
    falls(plc, 1, 4)
    plc.run_for(5)
    assert not Leaking.Done.value
