# SPDX-License-Identifier: Apache-2.0
"""Tall parcels are pushed off, others pass, jams stop the belt."""

from collections.abc import Iterator

import pytest
from conveyor import (
    PLACES,
    Acknowledge,
    Belt,
    Exit,
    Jam,
    Parcel,
    Passed,
    Pulse,
    Pushed,
    Pusher,
    Run,
    Tall,
    UnderWay,
    logic,
)
from pilotlight.plc import PLC


@pytest.fixture
def plc() -> Iterator[PLC]:
    with PLC(logic, dt=0.010) as plc:
        Run.value = True
        plc.step()
        yield plc


def move(plc: PLC, parcel: str = "") -> bool:
    """Move the belt by a place while the entry sees "", "small" or "tall"; whether the pusher came out."""
    Parcel.value, Tall.value = parcel != "", parcel == "tall"
    out = False
    for level in (True, False):
        Pulse.value = level
        for _ in range(25):
            plc.step()
            out = out or Pusher.value
    return out


def test_a_tall_parcel_is_pushed_off_at_the_last_place(plc):
    pushes = [move(plc, "tall")] + [move(plc) for _ in range(PLACES + 2)]
    assert pushes.index(True) == PLACES - 1
    assert Pushed.Acc.value == 1


def test_a_small_parcel_passes(plc):
    assert not any([move(plc, "small")] + [move(plc) for _ in range(PLACES + 2)])
    assert Pushed.Acc.value == 0


def test_any_number_of_parcels_can_be_under_way(plc):
    row = ["tall", "", "small", "tall", "tall", "", "", "small"]
    for parcel in row:
        move(plc, parcel)
    assert UnderWay.value == 3
    for _ in range(PLACES):
        move(plc)
    assert UnderWay.value == 0 and Pushed.Acc.value == 2  # Two in a row are one push: the pusher stays out.


def test_the_pusher_stays_out_for_300_ms(plc):
    move(plc, "tall")
    while not Pusher.value:
        move(plc)
        assert plc.simulation_time < 10
    Pulse.value = True
    plc.run(2)  # The parcel leaves the last place in the first of the two.
    scans = 0
    while Pusher.value:
        plc.step()
        scans += 1
        assert scans < 100
    assert scans == 30 - 2


def test_a_jam_stops_the_belt_until_it_is_cleared_and_acknowledged(plc):
    Exit.value = True
    plc.run_for(1.9)
    assert Belt.value
    plc.run_for(0.3)
    assert Jam.value and not Belt.value
    Acknowledge.value = True
    plc.run(2)
    assert Jam.value  # The parcel is still there.
    Exit.value = Acknowledge.value = False
    plc.step()
    Acknowledge.value = True
    plc.run(2)
    assert not Jam.value and Belt.value


def test_parcels_of_a_lot_are_counted(plc):
    for _ in range(10):
        Exit.value = True
        plc.run(20)
        Exit.value = False
        plc.run(20)
    assert Passed.Acc.value == 10 and Passed.Done.value
    Acknowledge.value = True
    plc.step()
    assert Passed.Acc.value == 0


def test_a_belt_that_is_switched_off_forgets_its_parcels(plc):
    move(plc, "tall")
    Run.value = False
    plc.run(2)
    assert UnderWay.value == 0 and not Belt.value
