# SPDX-License-Identifier: Apache-2.0
"""The runner: phases of a scan, forces, breakpoints, history, modes, system points."""

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
    PLCRunner,
    Program,
    Rung,
    TimeMode,
    Ts,
    branch,
    calc,
    call,
    copy,
    latch,
    on_delay,
    out,
    reset,
    rise,
    subroutine,
    system,
)
from pilotlight.tags import TagValueError

A, B, X, Y = Bool("A"), Bool("B"), Bool("X"), Bool("Y")
N, Total = Int("N"), Dint("Total")


def logic() -> Program:
    with Program() as program:
        with Rung(A):
            out(X)
        with Rung(X):
            out(Y)
        with Rung(rise(A)):
            calc(Total + 1, Total)
    return program


def test_a_patch_lasts_one_scan_and_the_last_wins() -> None:
    with Program() as program, Rung():
        copy(N, Total)
        copy(0, N)
    runner = PLCRunner(program)
    runner.patch({"N": 1})
    runner.patch({N: 2})
    assert runner.step().tags["Total"] == 2
    assert runner.step().tags["Total"] == 0


@pytest.mark.parametrize("value", [99999, 3.7, True, "x"])
def test_what_does_not_fit_a_tag_is_never_stored(value: object) -> None:
    runner = PLCRunner(logic())
    for give in (runner.patch, lambda values: runner.force(values).__enter__()):
        with pytest.raises(TagValueError):
            give({"Total": 1, N: value})
    assert runner.step().tags["Total"] == 0
    assert runner.forces == {}


def test_logic_may_differ_from_a_force_within_a_scan() -> None:
    with Program() as program:
        with Rung(X):
            out(A)
        with Rung(B):
            out(X)
        with Rung(X):
            out(Y)
    plc = PLC(program)
    plc.force(X, True)
    tags = plc.step().tags
    assert (tags["A"], tags["X"], tags["Y"]) == (True, True, False)
    plc.patch({"X": False})
    assert plc.step().tags["X"] is True
    assert dict(plc.forces) == {"X": True}
    plc.unforce("X")
    assert plc.step().tags["X"] is False
    with pytest.raises(KeyError):
        plc.unforce("X")


def test_forces_of_a_with_statement_end_with_it() -> None:
    runner = PLCRunner(logic())
    runner.add_force("A", False)
    with pytest.raises(ZeroDivisionError), runner.force({"A": True, "N": 3}):
        assert dict(runner.forces) == {"A": True, "N": 3}
        _ = 1 / 0
    assert dict(runner.forces) == {"A": False}
    runner.remove_force(A)
    with pytest.raises(TypeError):
        runner.forces["A"] = True


def test_values_of_tags_in_an_active_scope() -> None:
    runner = PLCRunner(logic())
    with runner.active():
        A.value = True
        assert (A.value, X.value) == (True, False)
        runner.step()
        assert (X.value, N.value) == (True, 0)
    with PLC(logic()) as outer, PLC(logic()) as inner:
        A.value = True
        assert (inner.step().tags["A"], outer.step().tags["A"]) == (True, False)
    with pytest.raises(RuntimeError):
        _ = A.value


def test_read_only_points() -> None:
    plc = PLC(logic())
    for write in (lambda: plc.patch({"sys.first_scan": True}), lambda: plc.force(system.rtc.hour, 3)):
        with pytest.raises(ValueError, match="read-only"):
            write()


def test_time_is_exact() -> None:
    with Program() as program, Rung():
        on_delay(X, N, preset=1, unit=Ts)
    runner = PLCRunner(program)
    assert runner.run(9).tags["X"] is False
    assert runner.step().tags["X"] is True
    assert runner.run_for(2.0).timestamp == 3.0
    with pytest.raises(ValueError, match="above 0"):
        PLC(program, dt=0)
    with pytest.raises(ValueError, match="exclude"):
        PLC(program, dt=0.1, realtime=True)


def test_real_time() -> None:
    runner = PLCRunner(logic())
    runner.set_time_mode(TimeMode.REALTIME)
    assert 0 <= runner.step().timestamp < 60
    assert 0 < runner.step().timestamp < 60


def test_run_until_says_whether_it_matched() -> None:
    plc = PLC(logic(), dt=0.1)
    assert not plc.run_until(N == 1, max_cycles=5)
    assert plc.current_state.scan_id == 5
    assert plc.run_until(lambda state: state.scan_id >= 8).matched
    plc.patch({"A": True})
    assert plc.run_until(rise(X), max_cycles=3)
    assert plc.current_state.scan_id == 9


def test_breakpoints_pause_and_mark() -> None:
    plc = PLC(logic(), dt=0.1)
    plc.when(rise(A)).pause()
    marked = plc.when(A, ~B).snapshot("on")
    assert plc.run(3).scan_id == 3
    plc.patch({"A": True})
    assert plc.run(10).scan_id == 4
    assert plc.run(2).scan_id == 6
    assert [each.scan_id for each in plc.history.find_all_labeled("on")] == [4, 5, 6]
    assert plc.history.find("on").tags["A"] is True
    marked.disable()
    plc.run(1)
    assert plc.history.find_labeled("on").scan_id == 6
    with pytest.raises(TypeError, match="when_fn"):
        PLCRunner(logic()).when(lambda state: True)


def test_monitors_see_tags_and_system_points() -> None:
    plc = PLC(logic(), dt=0.25)
    seen: list[tuple[object, object]] = []
    monitor = plc.monitor("A", lambda current, previous: seen.append((current, previous)))
    ticks: list[object] = []
    plc.monitor(system.sys.clock_1s, lambda current, previous: ticks.append(current))
    plc.patch({"A": True})
    plc.run(8)
    assert seen == [(True, False)]
    assert ticks == [True, False, True]
    monitor.remove()
    plc.patch({"A": False})
    plc.step()
    assert len(seen) == 1


def test_edges_of_clocks() -> None:
    with Program() as program, Rung(rise(system.sys.clock_1s)):
        calc(N + 1, N)
    assert PLC(program, dt=0.1).run_for(10).tags["N"] == 10


def test_first_scan_and_counters() -> None:
    with Program() as program:
        with Rung(system.sys.first_scan):
            calc(N + 1, N)
        with Rung(system.sys.always_on):
            copy(system.sys.scan_counter, Total)
    assert PLC(program).run(3).tags["N"] == 1
    assert PLC(program).run(3).tags["Total"] == 2


def test_the_clock_of_the_program() -> None:
    with Program() as program, Rung():
        copy(system.rtc.minute, N)
        copy(system.rtc.weekday, Total)
    plc = PLC(program, dt=30)
    plc.set_rtc(datetime(2026, 3, 1, 23, 59))
    assert [plc.step().tags["N"] for _ in range(4)] == [59, 59, 0, 0]
    assert plc.current_state.tags["Total"] == 2
    plc.patch({"rtc.new_hour": 7, "rtc.new_minute": 30, "rtc.new_second": 0, "rtc.apply_time": True})
    state = plc.step()
    assert (state.tags["N"], state.tags["rtc.apply_time"]) == (30, False)
    plc.patch({"rtc.new_month": 13, "rtc.apply_date": True})
    with plc:
        _ = system.rtc.apply_date_error.value
        plc.step()
        assert system.rtc.apply_date_error.value is True
        plc.step()
        assert system.rtc.apply_date_error.value is False


def test_history_seeks_and_compares() -> None:
    plc = PLC(logic(), dt=1, checkpoint_interval=3)
    for scan in range(10):
        plc.patch({"A": scan % 2 == 0, "N": scan})
        plc.step()
    assert [plc.history.at(scan).tags["N"] for scan in range(1, 11)] == list(range(10))
    assert plc.diff(4, 5) == {"A": (False, True), "N": (3, 4), "Total": (2, 3), "X": (False, True), "Y": (False, True)}
    assert plc.seek(5).tags["N"] == 4
    assert (plc.playhead, plc.current_state.scan_id) == (5, 10)
    plc.step()
    assert (plc.playhead, plc.history.newest_scan_id) == (5, 11)
    assert plc.rewind(2.5).scan_id == 2
    assert plc.rewind(100).scan_id == 0
    assert [state.scan_id for state in plc.history.latest(2)] == [10, 11]
    assert [state.scan_id for state in plc.history.range(3, 5)] == [3, 4]
    with pytest.raises(ValueError):
        plc.rewind(-1)


@pytest.mark.parametrize("limit", [1, 5, 300])
def test_history_is_bounded_by_scans(limit: int) -> None:
    runner = PLCRunner(logic(), history_limit=limit)
    runner.run(700)
    assert (runner.history.oldest_scan_id, len(runner.history)) == (701 - limit, limit)
    with pytest.raises(KeyError):
        runner.history.at(700 - limit)
    with pytest.raises(ValueError):
        PLCRunner(logic(), history_limit=0)


def test_history_is_bounded_by_bytes() -> None:
    plc = PLC(logic(), history_budget=20_000)
    for scan in range(2000):
        plc.patch({"N": scan})
        plc.step()
    assert plc.history.size <= 20_000
    assert 50 < len(plc.history) < 1000
    assert plc.history.at(plc.history.oldest_scan_id).tags["N"] == plc.history.oldest_scan_id - 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(-99, 99)), min_size=1, max_size=20), st.data())
def test_a_fork_goes_on_exactly(inputs: list[tuple[bool, int]], data: st.DataObject) -> None:
    with Program(strict=False) as program:
        with Rung(rise(A)):
            calc(Total + N, Total, oneshot=True)
        with Rung(A):
            on_delay(X, Dint("Acc"), preset=2, unit=Ts).reset(N < 0)
    plc = PLC(program, dt=0.7)
    for a, n in inputs:
        plc.patch({"A": a, "N": n})
        plc.step()
    start = data.draw(st.integers(0, len(inputs)))
    fork = plc.fork(start)
    assert (fork.history.oldest_scan_id, fork.current_state.scan_id) == (start, start)
    for a, n in inputs[start:]:
        fork.patch({"A": a, "N": n})
        fork.step()
    assert fork.current_state == plc.current_state


def test_a_fork_is_a_runner_of_its_own() -> None:
    plc = PLC(logic())
    plc.force("A", True)
    plc.patch({"New": 5})
    plc.step()
    fork = plc.fork()
    assert dict(fork.forces) == {}
    fork.patch({"A": False})
    assert fork.step().tags["A"] is False
    assert fork.current_state.tags["New"] == 5
    assert plc.current_state.tags["A"] is True


def test_stop_is_a_mode() -> None:
    with Program() as program:
        with Rung(A):
            latch(X)
        with Rung():
            calc(N + 1, N)
    plc = PLC(program, auto_start=False)
    plc.patch({"A": True})
    plc.run(3)
    plc.force(B, True)
    plc.stop()
    plc.patch({"A": False})
    state = plc.run(2)
    assert (state.scan_id, state.tags["N"], state.tags["A"], state.tags["B"], plc.running) == (5, 3, False, True, False)
    plc.start()
    assert (plc.running, plc.current_state.scan_id, plc.current_state.tags["X"]) == (True, 0, False)
    assert plc.step().tags["N"] == 4


def test_a_step_in_stop_starts_unless_told_otherwise() -> None:
    runner = PLCRunner(logic())
    runner.patch({"A": True, "N": 7})
    runner.step()
    runner.stop()
    runner.patch({"A": True})
    state = runner.step()
    assert (state.scan_id, state.tags["N"], state.tags["A"]) == (1, 7, True)


def test_the_command_to_stop_acts_in_its_scan() -> None:
    plc = PLC(logic())
    plc.patch({"sys.cmd_mode_stop": True, "A": True})
    state = plc.step()
    assert (plc.running, state.tags["X"], state.tags["sys.cmd_mode_stop"]) == (False, True, False)


@pytest.mark.parametrize(("battery", "n", "a"), [(True, 7, True), (False, 0, False)])
def test_a_reboot_keeps_what_the_battery_keeps(battery: bool, n: int, a: bool) -> None:
    plc = PLC(logic())
    plc.patch({"A": True, "N": 7})
    plc.step()
    plc.force("B", True)
    plc.battery_present = battery
    state = plc.reboot()
    assert (state.scan_id, state.tags["N"], state.tags["A"], dict(plc.forces)) == (0, n, a, {})


def test_steps_of_a_scan() -> None:
    runner = PLCRunner(logic())
    runner.patch({"A": True})
    seen = [(number, runner.current_state.scan_id) for number, _rung, _context in runner.scan_steps()]
    assert (seen, runner.current_state.scan_id) == ([(0, 0), (1, 0), (2, 0)], 1)


def test_an_abandoned_scan_has_not_happened() -> None:
    runner = PLCRunner(logic())
    runner.patch({"A": True})
    steps = runner.scan_steps()
    next(steps)
    steps.close()
    assert (runner.current_state.scan_id, runner.current_state.tags["X"]) == (0, False)
    assert runner.step().tags["Y"] is True


def test_a_trace_says_why() -> None:
    with Program() as program:
        with Rung(A, N > 3):
            out(X)
            with branch(B):
                reset(Y)
            call("sub")
        with subroutine("sub"), Rung():
            out(Y)
    runner = PLCRunner(program)
    runner.patch({"A": False, "B": True})
    kinds = [step.kind for step in runner.scan_steps_debug()]
    assert kinds == ["rung", "instruction", "instruction", "instruction"]  # without the branch that has no power
    trace = runner.inspect(0)
    assert [part.annotation for part in trace.events[0].trace] == ["[F] A", "[SKIP] N > 3"]
    assert [event.enabled_state for event in trace.events] == [
        "disabled_local", "disabled_local", "disabled_parent", "disabled_parent", "disabled_local",
    ]  # fmt: skip
    assert trace.events[0].source_file == __file__
    assert [event.kind for event in trace.events] == ["rung", "instruction", "branch", "instruction", "instruction"]
    assert runner.inspect_event() == (1, 0, trace.events[-1])
    runner.patch({"A": True, "N": 5})
    assert [step.kind for step in runner.scan_steps_debug()] == [
        "rung", "instruction", "branch", "instruction", "instruction", "subroutine", "instruction",
    ]  # fmt: skip
    for rung, scan in ((7, 1), (0, 99)):
        with pytest.raises(KeyError):
            runner.inspect(rung, scan)


def test_two_tags_of_one_name_do_not_meet() -> None:
    with pytest.raises(ValueError, match="differ"):
        PLC(logic()).patch({Int("A"): 5})
