# SPDX-License-Identifier: Apache-2.0
"""Going back: scans undone, retained scans run again, stops within a scan both ways."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    PLC,
    Bool,
    Dint,
    Int,
    Program,
    Rung,
    Tms,
    branch,
    calc,
    call,
    copy,
    on_delay,
    out,
    rise,
    subroutine,
    system,
)
from pilotlight.plc.runner.replay import Replay
from pilotlight.plc.runner.reverse import Stepper
from pilotlight.tags import TagValueError

Start, Stop, Motor, Late, Inner = Bool("Start"), Bool("Stop"), Bool("Motor"), Bool("Late"), Bool("Inner")
Total, Elapsed, Copy = Dint("Total"), Int("Elapsed"), Int("Copy")
START = datetime(2026, 3, 1, 12, 0)


def logic() -> Program:
    with Program() as program:
        with Rung((Start | Motor), ~Stop):
            out(Motor)
            with branch(rise(Motor)):
                calc(Total + 1, Total)
        with Rung(Motor):
            on_delay(Late, Elapsed, preset=30, unit=Tms)
        with Rung(Late):
            call("deep")
        with Rung(system.sys.clock_100ms):
            copy(Total, Copy)
        with subroutine("deep"):
            with Rung(Start):
                out(Inner)
            with Rung():
                calc(Copy + 2, Copy)
    return program


def stopped_at(stepper: Stepper) -> tuple[int, str, int, str]:
    step = stepper.current
    assert step is not None
    return stepper.scan_id, step.subroutine_name or "", step.rung_index, step.kind


inputs = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["Start", "Stop", "Total", "Copy", "Late"]), st.booleans(), max_size=3),
        st.sampled_from(["", "", "", "force", "unforce", "stop"]),
    ),
    min_size=1,
    max_size=30,
)


def drive(plc: PLC, history: list[tuple[dict[str, bool], str]]) -> None:
    for patches, change in history:
        plc.patch({name: int(on) * 7 if name in ("Total", "Copy") else on for name, on in patches.items()})
        if change == "force":
            plc.force("Motor", True)
        elif change == "unforce" and plc.forces:
            plc.unforce("Motor")
        elif change == "stop":
            plc.patch({"sys.cmd_mode_stop": True})
        plc.step()


@settings(max_examples=40, deadline=None)
@given(inputs, st.booleans())
def test_every_retained_scan_runs_again_to_the_same_image(
    history: list[tuple[dict[str, bool], str]], auto: bool
) -> None:
    plc = PLC(logic(), dt=0.04, checkpoint_interval=5, auto_start=auto)
    drive(plc, history)
    replay = Replay(plc)
    for scan_id in range(plc.history.oldest_scan_id + 1, plc.history.newest_scan_id + 1):
        replay.begin(scan_id)
        for _ in replay.walk():
            pass
        assert replay.exact, scan_id


@settings(max_examples=40, deadline=None)
@given(inputs, st.data())
def test_undone_scans_can_be_made_again(history: list[tuple[dict[str, bool], str]], data: st.DataObject) -> None:
    history = [(patches, change if change != "stop" else "") for patches, change in history]
    plc, other = PLC(logic(), dt=0.04, checkpoint_interval=4), PLC(logic(), dt=0.04, checkpoint_interval=4)
    for each in (plc, other):
        each.set_rtc(START)
        drive(each, history)
    count = data.draw(st.integers(1, len(history)))
    states = [plc.history.at(number) for number in range(len(history) + 1)]
    assert plc.back(count) == states[-1 - count]
    assert plc.history.newest_scan_id == len(history) - count
    assert plc.step() == states[-count]
    drive(plc, history[len(history) - count + 1 :])
    assert plc.current_state == other.current_state
    assert plc.history.size == other.history.size


def test_back_needs_a_retained_scan() -> None:
    plc = PLC(logic(), history=3)
    plc.run(10)
    with pytest.raises(KeyError):
        plc.back(3)
    with pytest.raises(ValueError, match="at least one"):
        plc.back(0)
    assert plc.current_state.scan_id == 10
    assert plc.back(2).scan_id == 8


def test_back_takes_the_mode_and_the_clock_along() -> None:
    plc = PLC(logic(), dt=1.0, auto_start=False)
    plc.set_rtc(START)
    plc.run(2)
    plc.set_rtc(START.replace(year=2030))
    plc.run(2)
    plc.stop()
    plc.run(2)
    plc.back(1)
    assert (plc.running, plc.points.rtc.isoformat()) == (False, "2030-03-01T12:00:03")
    plc.back(2)
    assert (plc.running, plc.points.rtc.isoformat()) == (True, "2030-03-01T12:00:01")
    plc.back(2)
    assert (plc.running, plc.points.rtc.isoformat()) == (True, "2026-03-01T12:00:01")


def test_back_forgets_the_traces_of_undone_scans() -> None:
    plc = PLC(logic())
    list(plc.debug.scan_steps_debug())
    assert plc.debug.inspect(0).scan_id == 1
    plc.back()
    plc.step()
    with pytest.raises(KeyError):
        plc.debug.inspect(0)


def test_a_stepper_goes_back_within_a_scan_and_over_scans() -> None:
    plc = PLC(logic())
    stepper = Stepper(plc)
    stepper.patch({"Start": True})
    seen = []
    values = []
    while stepper.scan_id < 4 or len(stepper.steps) < 3:
        if stepper.forward() is not None:
            seen.append(stopped_at(stepper))
            values.append(list(stepper.cells))
    for place, cells in list(zip(seen, values, strict=True))[-2::-1]:
        assert stepper.back()
        assert stopped_at(stepper) == place
        assert stepper.cells == cells
    assert not stepper.back()
    assert stopped_at(stepper) == seen[0]
    for place, cells in list(zip(seen, values, strict=True))[1:]:
        while stepper.forward() is None:
            pass
        assert (stopped_at(stepper), stepper.cells) == (place, cells)
    assert stepper.exact
    assert plc.history.newest_scan_id == 3


def test_going_back_to_a_stop_asks_with_the_values_of_that_time() -> None:
    plc = PLC(logic(), dt=0.01)
    stepper = Stepper(plc)
    stepper.patch({"Start": True})
    for _ in range(8):
        stepper.scan()
    elapsed = plc.names.find("Elapsed")
    assert plc.current_state.tags["Elapsed"] == 80
    assert stepper.back(lambda step: step.rung_index == 1 and step.kind == "rung" and stepper.cells[elapsed] == 20)
    assert stepper.scan_id == 3
    assert not stepper.back(lambda step: False)
    assert (stepper.scan_id, len(stepper.steps)) == (1, 1)


def test_going_back_can_be_interrupted() -> None:
    plc = PLC(logic())
    plc.run(20)
    asked: list[int] = []

    def interrupted() -> bool:
        asked.append(1)
        return len(asked) == 3

    stepper = Stepper(plc)
    assert not stepper.back(lambda step: False, interrupted)
    assert stepper.scan_id == 19


def test_a_change_in_the_past_undoes_what_came_after() -> None:
    plc = PLC(logic(), dt=0.01)
    plc.patch({"Start": True})
    plc.force("Copy", 5)
    plc.run(6)
    stepper = Stepper(plc)
    stepper.go_to(3, 2)
    place = stopped_at(stepper)
    assert stepper.forces == {"Copy": 5}
    stepper.force({"Stop": True})
    assert (stopped_at(stepper), plc.history.newest_scan_id, stepper.past) == (place, 2, False)
    assert plc.forces == {"Copy": 5, "Stop": True}
    stepper.scan()
    assert plc.current_state.tags["Motor"] is False
    assert plc.current_state.scan_id == 3
    stepper.unforce("Stop")
    with pytest.raises(KeyError):
        stepper.unforce("Stop")


def test_a_change_that_is_refused_undoes_nothing() -> None:
    plc = PLC(logic())
    plc.run(5)
    stepper = Stepper(plc)
    stepper.go_to(2, 1)
    with pytest.raises(TagValueError):
        stepper.patch({"Total": "x"})
    assert (plc.history.newest_scan_id, stepper.scan_id, len(stepper.steps)) == (5, 2, 2)


def test_a_patch_within_a_scan_shows_at_once() -> None:
    plc = PLC(logic())
    stepper = Stepper(plc)
    for _ in range(4):
        stepper.forward()
    place = stopped_at(stepper)
    stepper.patch({"Start": True})
    assert stopped_at(stepper) == place
    assert stepper.cells[plc.names.find("Motor")] == 1
    stepper.scan()
    assert plc.current_state.tags["Motor"] is True


def test_leaving_a_scan_leaves_its_patches() -> None:
    plc = PLC(logic())
    stepper = Stepper(plc)
    stepper.patch({"Start": True})
    stepper.forward()
    stepper.close()
    assert plc.step().tags["Motor"] is True


def test_an_empty_program_has_no_stops() -> None:
    plc = PLC(Program())
    stepper = Stepper(plc)
    assert stepper.forward() is None
    stepper.scan()
    assert plc.current_state.scan_id == 2
    assert not stepper.back()


def test_patches_beyond_their_budget_cannot_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotlight.plc.runner.inputs.BUDGET", 1000)
    plc = PLC(logic())
    for _ in range(10):
        plc.patch({"Start": True})
        plc.step()
    stepper = Stepper(plc)
    assert [scan for scan in range(1, 12) if stepper.can_reach(scan)] == [7, 8, 9, 10, 11]
    with pytest.raises(KeyError):
        stepper.go_to(6)
    with pytest.raises(KeyError):
        plc.back(9)


def test_a_program_that_stops_itself_starts_again_under_the_stepper() -> None:
    with Program() as program:
        with Rung():
            calc(Total + 1, Total)
        with Rung(Total == 3):
            out(system.sys.cmd_mode_stop)
    plc = PLC(program)
    stepper = Stepper(plc)
    numbers = []
    for _ in range(8):
        stepper.forward()
        numbers.append(stepper.scan_id)
        stepper.scan()
    assert numbers == [1, 2, 3, 4, 1, 2, 3, 4]
    assert stepper.back(lambda step: step.rung_index == 1 and step.kind == "rung")
    assert (stepper.scan_id, stepper.cells[plc.names.find("Total")]) == (4, 8)
