# SPDX-License-Identifier: Apache-2.0
"""Commands that a program gives to the appliance: stop, and its clock. The runner says what they mean."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pilotlight.plc import PLC, Bool, Int, Program, Rung, copy, latch, out, rise, system

from tests.unit.plc.shim import Loaded, shared_object

FIELDS = ("year4", "month", "day", "hour", "minute", "second")
with Program(strict=False) as LOGIC:
    with Rung(Bool("Stop")):
        out(system.sys.cmd_mode_stop)
    with Rung(Bool("SetDate")):
        out(system.rtc.apply_date)
    with Rung(Bool("SetTime")):
        out(system.rtc.apply_time)
    with Rung(Bool("Eject")):
        out(system.storage.sd.eject_cmd)
    with Rung(system.rtc.apply_date_error):
        out(Bool("BadDate"))
    with Rung(system.rtc.apply_time_error):
        out(Bool("BadTime"))
    with Rung(system.storage.sd.write_status):
        out(Bool("Refused"))
    with Rung():
        for field in FIELDS:
            copy(Int(f"New{field}"), getattr(system.rtc, f"new_{field}"))
            copy(getattr(system.rtc, field), Int(f"Now{field}"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("commands")
    return Loaded(shared_object(folder, LOGIC))


def set_clock(loaded: Loaded, values: dict[str, int]) -> tuple[bool, bool]:
    """Give the program a date and a time to set; whether each was refused."""
    for field, value in values.items():
        loaded.write(f"New{field}", value)
    for name in ("SetDate", "SetTime"):
        loaded.write(name, 1)
    loaded.scan()
    for name in ("SetDate", "SetTime"):
        loaded.write(name, 0)
    loaded.scan()
    return bool(loaded["BadDate"]), bool(loaded["BadTime"])


def now(loaded: Loaded) -> datetime:
    return datetime(*(int(loaded[f"Now{field}"]) for field in FIELDS))


def test_a_program_stops_itself(loaded: Loaded) -> None:
    loaded.write("Stop", 1)
    loaded.scan()
    assert not loaded.program.asks_stop()
    loaded.write("Stop", 0)
    loaded.scan()
    assert loaded.program.asks_stop()
    assert not loaded.program.asks_stop()
    loaded.scan()
    assert not loaded.program.asks_stop()


def test_a_command_that_is_latched_is_obeyed_once(tmp_path: Path) -> None:
    with Program() as logic, Rung(rise(Bool("Go"))):
        latch(system.sys.cmd_mode_stop)
    fresh = Loaded(shared_object(tmp_path, logic))
    fresh.write("Go", 1)
    fresh.scan()
    fresh.scan()
    assert fresh.program.asks_stop()
    fresh.scan()
    assert not fresh.program.asks_stop()


def test_there_is_no_card_to_eject(loaded: Loaded) -> None:
    loaded.write("Eject", 1)
    loaded.scan()
    loaded.write("Eject", 0)
    loaded.scan()
    assert loaded["Refused"] == 1
    loaded.scan()
    assert loaded["Refused"] == 0


def test_a_refused_clock_is_told_for_one_scan(loaded: Loaded) -> None:
    values = {"year4": 2024, "month": 13, "day": 1, "hour": 24, "minute": 0, "second": 0}
    assert set_clock(loaded, values) == (True, True)
    loaded.scan()
    assert (loaded["BadDate"], loaded["BadTime"]) == (0, 0)


def test_the_clock_is_that_of_the_appliance_until_it_is_set(tmp_path: Path) -> None:
    fresh = Loaded(shared_object(tmp_path, LOGIC))
    fresh.scan()
    assert abs(now(fresh) - datetime.fromtimestamp(time.time())) < timedelta(seconds=2)


@given(
    year=st.integers(-5, 10_005), month=st.integers(-1, 14), day=st.integers(-1, 33), hour=st.integers(-1, 25),
    minute=st.integers(-1, 61), second=st.integers(-1, 58),
)  # fmt: skip
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_clock_is_set_as_the_runner_sets_it(
    loaded: Loaded, year: int, month: int, day: int, hour: int, minute: int, second: int
) -> None:
    values = dict(zip(FIELDS, (year, month, day, hour, minute, second), strict=True))
    assert set_clock(loaded, {"year4": 2024, "month": 2, "day": 29, "hour": 12, "minute": 30, "second": 15}) == (
        False,
        False,
    )
    assert now(loaded) - datetime(2024, 2, 29, 12, 30, 15) < timedelta(seconds=2)
    refused = set_clock(loaded, values)

    runner = PLC(LOGIC, dt=0.01)
    runner.set_rtc(datetime(2024, 2, 29, 12, 30, 15))
    runner.patch({f"New{field}": value for field, value in values.items()})
    runner.patch({"SetDate": True, "SetTime": True})
    runner.step()
    runner.patch({"SetDate": False, "SetTime": False})
    state = runner.step()
    assert refused == (state.tags["BadDate"], state.tags["BadTime"])
    expected = datetime(*(state.tags[f"Now{field}"] for field in FIELDS))
    assert timedelta(0) <= now(loaded) - expected < timedelta(seconds=2)
