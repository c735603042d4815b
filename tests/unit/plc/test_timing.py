# SPDX-License-Identifier: Apache-2.0
"""Timers, counters, shift registers, drums and Python functions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    Block,
    Bool,
    Char,
    Counter,
    Dint,
    Int,
    Program,
    Rung,
    TagType,
    Timer,
    Tm,
    Tms,
    Ts,
    copy,
    count_down,
    count_up,
    event_drum,
    off_delay,
    on_delay,
    out,
    rise,
    run_enabled_function,
    run_function,
    shift,
    system,
    time_drum,
)

from tests.unit.plc.scanning import Machine

A, B, C, Done, Flag, Off = Bool("A"), Bool("B"), Bool("C"), Bool("Done"), Bool("Flag"), Bool("Off")
Acc, Wide, N, Step = Int("Acc"), Dint("Wide"), Int("N"), Int("Step")
Y = Block("Y", TagType.BOOL, 1, 4)
E = Block("E", TagType.BOOL, 1, 4)


def outputs(machine: Machine) -> str:
    return "".join("X" if machine[f"Y{n}"] else "." for n in range(1, 5) if f"Y{n}" in machine.slots)


def test_a_second_at_a_tenth_takes_ten_scans() -> None:
    with Program() as logic, Rung(A):
        on_delay(Done, Acc, preset=1, unit=Ts)
    machine = Machine(logic).scan(9, A=True)
    assert (machine["Done"], machine["Acc"]) == (False, 0)
    machine.scan()
    assert (machine["Done"], machine["Acc"]) == (True, 1)


def test_an_on_delay_counts_on_and_goes_back_at_once() -> None:
    with Program() as logic, Rung(A):
        on_delay(Done, Acc, preset=N)
    machine = Machine(logic).scan(ms=10, A=True, N=15)
    assert (machine["Done"], machine["Acc"]) == (False, 10)
    assert machine.scan(ms=10)["Done"] is True
    machine.scan(ms=10, N=100)
    assert (machine["Done"], machine["Acc"]) == (False, 30)
    machine.scan(ms=10, A=False)
    assert (machine["Done"], machine["Acc"]) == (False, 0)


def test_a_preset_of_zero_is_done_with_power() -> None:
    with Program() as logic, Rung(A):
        on_delay(Done, Acc, 0, "ms")
    machine = Machine(logic).scan(ms=0)
    assert machine["Done"] is False
    assert machine.scan(ms=0, A=True)["Done"] is True


def test_a_timer_stops_at_the_limit_of_its_type() -> None:
    with Program() as logic, Rung(A):
        on_delay(Done, Acc, Wide, Tms)
        on_delay(Flag, Wide, preset=40_000)
    machine = Machine(logic).scan(40, ms=1000, A=True)
    assert (machine["Acc"], machine["Wide"]) == (32767, 40_000)
    assert (machine["Done"], machine["Flag"]) == (True, True)
    with pytest.raises(ValueError, match="beyond INT"), Program(), Rung():
        on_delay(Done, Acc, preset=32768)


def test_a_retentive_timer_keeps_its_time_and_its_fraction() -> None:
    with Program() as logic, Rung(A):
        on_delay(Done, Acc, preset=1, unit="sec").reset(B)
    machine = Machine(logic).scan(9, A=True).scan(5, A=False)
    assert machine["Done"] is False
    assert machine.scan(A=True)["Done"] is True
    machine.scan(B=True)
    assert (machine["Done"], machine["Acc"]) == (False, 0)
    assert machine.scan(9, B=False)["Done"] is False
    assert machine.scan()["Done"] is True


def test_time_begins_anew_without_the_fraction_of_before() -> None:
    with Program() as logic:
        with Rung(A):
            on_delay(Done, Acc, preset=1, unit=Ts)
        with Rung(A):
            on_delay(Flag, N, preset=1, unit=Ts).reset(B)
        with Rung(~A):
            off_delay(Off, Wide, preset=1, unit=Ts)
    machine = Machine(logic).scan(A=False).scan(9, A=True).scan(A=False, B=True)
    timers = [(machine.scan(A=True, B=False)["Done"], machine["Flag"], not machine["Off"]) for _ in range(10)]
    assert timers == [(False,) * 3] * 9 + [(True,) * 3]


def test_an_off_delay() -> None:
    with Program() as logic, Rung(A):
        off_delay(Done, Acc, preset=250)
    machine = Machine(logic).scan(5)
    assert (machine["Done"], machine["Acc"]) == (False, 0)
    machine.scan(A=True)
    assert (machine["Done"], machine["Acc"]) == (True, 0)
    assert [machine.scan(A=False)["Done"] for _ in range(4)] == [True, True, False, False]
    assert machine["Acc"] == 400


def test_a_timer_as_a_structure() -> None:
    valve = Timer.clone("Valve")
    with Program() as logic, Rung(A):
        on_delay(valve, 2, "min")
    machine = Machine(logic).scan(119, ms=1000, A=True)
    assert (machine["Valve_Done"], machine["Valve_Acc"]) == (False, 1)
    assert machine.scan(ms=1000)["Valve_Done"] is True


@settings(deadline=None)
@given(scans=st.lists(st.integers(0, 90_000), max_size=40))
def test_no_time_is_lost(scans: list[int]) -> None:
    MINUTES.engine.load([cell.default for cell in MINUTES.ir.cells])
    MINUTES["A"] = True
    for milliseconds in scans:
        MINUTES.scan(ms=milliseconds)
    assert MINUTES["Acc"] == sum(scans) // 60_000


with Program() as _minutes, Rung(A):
    on_delay(Done, Acc, preset=10, unit=Tm)
MINUTES = Machine(_minutes)


def test_a_counter_counts_scans() -> None:
    with Program() as logic, Rung(A):
        count_up(Done, Wide, preset=3).down(B).reset(C)
    machine = Machine(logic).scan(2, A=True)
    assert (machine["Wide"], machine["Done"]) == (2, False)
    assert machine.scan()["Done"] is True
    assert machine.scan(B=True)["Wide"] == 3
    machine.scan(A=False)
    assert (machine["Wide"], machine["Done"]) == (2, False)
    assert machine.scan(2, A=True, B=False)["Done"] is True
    machine.scan(A=True, C=True)
    assert (machine["Wide"], machine["Done"]) == (0, False)


def test_counters_stop_at_the_limits_of_their_type() -> None:
    parts = Counter.clone("Parts")
    with Program() as logic:
        with Rung(A):
            count_up(parts, 5).reset(C)
        with Rung(A):
            count_up(Done, Acc, preset=5).down(B).reset(C)
    machine = Machine(logic).scan(A=True, Parts_Acc=2**31 - 1, Acc=32767)
    assert (machine["Parts_Acc"], machine["Acc"]) == (2**31 - 1, 32767)
    machine.scan(A=False, B=True, Acc=-32768)
    assert machine["Acc"] == -32768


def test_a_counter_that_goes_down() -> None:
    with Program() as logic, Rung(rise(A)):
        count_down(Done, Wide, preset=2).reset(C)
    machine = Machine(logic)
    seen = [machine.scan(A=value)["Wide"] for value in (True, True, False, True)]
    assert (seen, machine["Done"]) == ([-1, -1, -1, -2], True)


def test_a_shift_register() -> None:
    with Program() as logic, Rung(A):
        shift(Y.select(1, 4)).clock(B).reset(C)
    machine = Machine(logic)
    seen = [outputs(machine.scan(A=a, B=b)) for a, b in ((1, 1), (0, 1), (0, 0), (0, 1), (1, 0), (1, 1))]
    assert seen == ["X...", "X...", "X...", ".X..", ".X..", "X.X."]
    assert outputs(machine.scan(B=True, C=True)) == "...."
    assert outputs(machine.scan(B=False, C=False).scan(A=True, B=True, C=True)) == "...."


def test_pins_see_the_state_on_entry() -> None:
    with Program() as logic, Rung(A):
        out(C)
        count_up(Done, Wide, preset=3).reset(C)
    machine = Machine(logic).scan(A=True)
    assert machine["Wide"] == 1
    assert machine.scan()["Wide"] == 0


PATTERN = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def event_machine() -> Machine:
    with Program() as logic, Rung(A):
        event_drum(
            outputs=Y.select(1, 3), events=(E[1], E[2], E[3]), pattern=PATTERN, current_step=Step, completion_flag=Flag
        ).reset(B).jump(C, step=N).jog(E[4])
    return Machine(logic)


def test_an_event_drum_goes_on_with_fresh_events() -> None:
    machine = event_machine().scan(A=True, E1=True, E2=True)
    assert (machine["Step"], outputs(machine)) == (1, "X..")
    assert machine.scan()["Step"] == 1
    machine.scan(E1=False).scan(E1=True)
    assert (machine["Step"], outputs(machine)) == (2, ".X.")
    assert machine.scan()["Step"] == 2
    machine.scan(E2=False).scan(E2=True)
    assert (machine["Step"], outputs(machine), machine["Flag"]) == (3, "..X", False)
    machine.scan(E3=True)
    assert (machine["Step"], machine["Flag"]) == (3, True)


def test_the_pins_of_a_drum() -> None:
    machine = event_machine().scan(A=True).scan(C=True, N=3)
    assert (machine["Step"], outputs(machine)) == (3, "..X")
    assert machine.scan(N=2)["Step"] == 3
    assert machine.scan(E4=True).scan(E4=False)["Step"] == 3
    assert machine.scan(C=False).scan(C=True, N=9)["Step"] == 3
    machine.scan(B=True)
    assert (machine["Step"], outputs(machine)) == (1, "X..")
    machine.scan(B=False).scan(E4=True)
    assert machine.scan()["Step"] == 2
    machine.scan(A=False, E4=False, C=False).scan(E4=True, C=True, N=1)
    assert (machine["Step"], outputs(machine)) == (2, ".X.")
    machine.scan(B=True)
    assert (machine["Step"], outputs(machine)) == (1, "X..")
    assert machine.scan(A=True, B=False, Step=7)["Step"] == 1


def time_machine() -> Machine:
    with Program() as logic, Rung(A):
        time_drum(
            outputs=[Y[1], Y[2], Y[3]], presets=[200, N, 100], unit=Tms, pattern=PATTERN, current_step=Step,
            accumulator=Acc, completion_flag=Flag,
        ).reset(B)  # fmt: skip
    return Machine(logic)


def test_a_step_that_is_written_begins_anew() -> None:
    events = event_machine().scan(A=True, E2=True).scan(Step=2)
    assert (events["Step"], outputs(events)) == (2, ".X.")
    assert events.scan(E2=False).scan(E2=True)["Step"] == 3
    times = time_machine().scan(2, A=True, N=300)
    assert (times["Step"], times["Acc"]) == (1, 100)
    assert (times.scan(Step=2)["Step"], times["Acc"]) == (2, 100)


def test_a_time_drum() -> None:
    machine = time_machine().scan(A=True, N=300)
    assert (machine["Step"], machine["Acc"]) == (1, 0)
    assert [(machine.scan()["Step"], machine["Acc"]) for _ in range(6)] == [
        (1, 100), (2, 0), (2, 100), (2, 200), (3, 0), (3, 100),
    ]  # fmt: skip
    assert (machine["Flag"], outputs(machine)) == (True, "..X")
    machine.scan(A=False)
    assert (machine["Step"], machine["Acc"], machine["Flag"], outputs(machine)) == (3, 100, True, "..X")
    machine.scan(B=True)
    assert (machine["Step"], machine["Acc"], machine["Flag"], outputs(machine)) == (1, 0, False, "X..")


def test_python_functions() -> None:
    def double(value: int) -> dict[str, object]:
        return {"result": value * 20_000, "letter": "z"}

    letter = Char("Letter")
    with Program(strict=False) as logic:
        with Rung(A):
            run_function(double, ins={"value": N}, outs={"result": Acc, "letter": letter})
        with Rung(B):
            run_enabled_function(lambda enabled, n: {"power": enabled and n > 1}, {"n": N}, {"power": Flag})
    machine = Machine(logic).scan(N=2, B=True)
    assert (machine["Acc"], machine["Flag"]) == (0, True)
    machine.scan(A=True, B=False)
    assert (machine["Acc"], machine["Letter"], machine["Flag"]) == (32767, "z", False)


@pytest.mark.parametrize("result", [None, {}, {"value": "long"}, {"value": [1]}, {"value": 1.0, "x": 2}])
def test_what_a_function_does_wrong_does_not_stop_the_scan(result: object) -> None:
    with Program(strict=False) as logic:
        with Rung():
            run_function(lambda: result, outs={"value": Acc})
        with Rung(system.fault.plc_error):
            out(Flag)
        with Rung():
            copy(1, N)
    machine = Machine(logic).scan(Acc=9)
    right = result is not None and result.get("value") == 1.0
    assert (machine["Acc"], machine["N"], machine["Flag"]) == (1 if right else 9, 1, not right)
    assert len(machine.engine.machine.errors) == (0 if right else 1)


async def _coroutine() -> None:
    """A function that a scan cannot wait for."""


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda: run_function(_coroutine), "coroutine"),
        (lambda: run_function(5), "cannot be called"),
        (lambda: count_up(Done, Wide, preset=1), "not complete"),
        (lambda: shift(Y.select(1, 2)).clock(A), "not complete"),
        (lambda: shift(Y.select(1, 2)).reset(A), "clock"),
        (lambda: (count_up(Done, Wide, preset=1).reset(A), out(B)), "must be the last"),
        (lambda: (on_delay(Done, Acc, preset=1).reset(A), out(B)), "must be the last"),
        (lambda: off_delay(Done, Acc, preset=1).reset(A), "no reset"),
        (lambda: on_delay(Done, preset=1), "done tag"),
        (lambda: on_delay(Done, Acc), "preset"),
        (lambda: on_delay(Done, Acc, 5, "fortnight"), "unit"),
        (lambda: on_delay(Done, Acc, preset=1.5), "whole number"),
        (lambda: on_delay(Acc, Acc, preset=1), "BOOL"),
        (lambda: event_drum([Y[1]], [A], [(1, 0)], Step, Flag), "row"),
        (lambda: event_drum([Y[1]], [A, B], [(1,)], Step, Flag), "2 events"),
        (lambda: event_drum([], [A], [()], Step, Flag), "0 outputs"),
        (lambda: event_drum([Y[1]], [A], [(1,)], Step, Flag).jump(A, step=1), "behind"),
        (lambda: event_drum([Y[1]], [A], [(1,)], Step, Flag).reset(A).jump(A, step=2), "no step 2"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_written(write: object, why: str) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError), match=why), Program(strict=False), Rung():
        write()
