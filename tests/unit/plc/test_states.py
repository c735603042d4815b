# SPDX-License-Identifier: Apache-2.0
"""States by hand, states of scans, what run_until() gives, and scans that a caller takes through their phases."""

from __future__ import annotations

import pytest
from pilotlight.plc import (
    PLC,
    Bool,
    Int,
    PLCRunner,
    Program,
    Rung,
    SystemState,
    Ts,
    calc,
    on_delay,
    out,
    rise,
)
from pilotlight.tags import TagValueError

A, X, N = Bool("A"), Bool("X"), Int("N")


def counting() -> Program:
    with Program() as program:
        with Rung(A):
            out(X)
        with Rung(rise(A)):
            calc(N + 1, N)
    return program


def test_a_state_by_hand_is_immutable() -> None:
    first = SystemState(3, 0.3, {"N": 1}, {"m": 2})
    later = first.with_tags({"N": 2, "A": True}).with_memory({"m": 5}).next_scan(0.1)
    assert (later.scan_id, later.time_ns, dict(later.tags), dict(later.memory)) == (
        4, 400_000_000, {"N": 2, "A": True}, {"m": 5},
    )  # fmt: skip
    assert (first.scan_id, dict(first.tags), dict(first.memory)) == (3, {"N": 1}, {"m": 2})
    assert SystemState() == SystemState(0, 0.0, {}, {})
    with pytest.raises(AttributeError):
        first.scan_id = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        first.tags["N"] = 9  # type: ignore[index]


def test_a_runner_goes_on_from_a_state() -> None:
    runner = PLCRunner(counting(), SystemState(7, 0.7, {"A": True, "N": 4, "Own": 1.5}))
    assert runner.current_state.scan_id == runner.history.oldest_scan_id == 7
    state = runner.step()
    assert (state.scan_id, state.timestamp, state.tags["N"], state.tags["X"], state.tags["Own"]) == (
        8,
        0.8,
        5,
        True,
        1.5,
    )
    assert PLC(counting(), initial_state=state, dt=0.1).step().tags["N"] == 5  # the edge is in the state's memory
    with pytest.raises(TagValueError):
        PLC(counting(), SystemState(tags={"N": 99999}))


def test_a_state_with_memory_goes_on_exactly() -> None:
    with Program() as program, Rung():
        on_delay(X, N, preset=1, unit=Ts)
    runner = PLCRunner(program)
    other = PLCRunner(program, runner.run(7))
    assert other.run(3).tags["X"] is True
    assert other.current_state == runner.run(3)


def test_a_state_stays_what_it_was() -> None:
    runner = PLCRunner(counting(), history_limit=1)
    before = runner.current_state
    assert runner.current_state is before is runner.history.at(0)
    runner.patch({"A": True})
    after = runner.step()
    runner.patch({"A": False})
    runner.run(3)
    assert (before.tags["A"], after.tags["A"], after.tags["X"], after.scan_id) == (False, True, True, 1)
    kept = runner.current_state
    runner.reboot()
    assert runner.current_state is not kept
    assert (kept.scan_id, kept.tags["N"], runner.current_state.scan_id) == (4, 1, 0)


def test_a_state_of_the_past_is_the_same_object_while_somebody_has_it() -> None:
    runner = PLCRunner(counting())
    kept = runner.step()
    runner.run(3)
    assert runner.history.at(1) is kept


def test_programs_that_are_none() -> None:
    assert PLCRunner([]).step().scan_id == 1
    assert PLCRunner([counting()]).step().tags["X"] is False
    with pytest.raises(TypeError, match="one Program"):
        PLCRunner([counting(), counting()])


def test_history_is_asked_with_functions() -> None:
    runner = PLCRunner(counting())
    runner.run(2)
    runner.patch({"A": True})
    runner.run(2)
    found = runner.history.find(lambda state: state.tags["X"] is False)
    assert found is not None and found.scan_id == 2
    assert [state.scan_id for state in runner.history.find_all(lambda state: state.tags["X"])] == [3, 4]
    assert runner.history.find(lambda state: state.scan_id > 9) is None


def test_run_until_gives_the_state_and_whether_it_matched() -> None:
    runner = PLCRunner(counting())
    result = runner.run_until(X, max_cycles=3)
    assert not result and not result.matched and result.scan_id == 3 and result == runner.current_state
    runner.patch({A: True})
    result = runner.run_until(X, max_cycles=3)
    assert result and result.matched and result.tags["X"] is True and result.scan_id == 4
    with pytest.raises(TypeError, match="run_until_fn"):
        runner.run_until(lambda state: True)


def test_a_scan_phase_by_phase() -> None:
    runner = PLCRunner(counting())
    runner.patch({A: True})
    context, dt = runner.prepare_scan()
    assert (dt, context.get_tag("A"), context.get_tag("None", 5), runner.current_state.scan_id) == (0.1, True, 5, 0)
    assert runner.evaluate_condition_value(rise(A), context)[0] is True
    holds, parts = runner.evaluate_condition_value(N > 3)
    assert (holds, [part.annotation for part in parts], parts[0].details) == (False, ["[F] N > 3"], "N=0, 3")
    context.set_tag("X", True)
    with pytest.raises(TagValueError):
        context.set_tag("N", "text")
    with pytest.raises(ValueError, match="read-only"):
        context.set_tag("sys.first_scan", True)
    runner.commit_scan(context, 0.25)
    assert (runner.current_state.timestamp, runner.current_state.tags["X"]) == (0.25, True)
    with pytest.raises(RuntimeError, match="prepare_scan"):
        runner.commit_scan(context, 0.1)
    assert len(list(runner.iter_top_level_rungs())) == 2


def test_a_prepared_scan_that_is_not_committed_has_not_happened() -> None:
    plc = PLC(counting(), dt=0.1)
    plc.patch({A: True})
    plc.debug.prepare_scan()[0].set_tag("N", 9)
    context, dt = plc.debug.prepare_scan()
    assert (context.get_tag("A"), context.get_tag("N")) == (True, 0)
    plc.debug.commit_scan(context, dt)
    assert plc.current_state.scan_id == 1


def test_the_debugger_of_later_versions() -> None:
    plc = PLC(counting())
    assert plc.debug.last_event() is None
    steps = list(plc.debug.scan_steps_debug())
    assert plc.debug.last_event() == (1, 1, steps[-1])
    assert plc.debug.rung_trace(0).events == tuple(step for step in steps if step.rung_index == 0)
    plc.step()
    with pytest.raises(KeyError):
        plc.debug.rung_trace(0)


def test_system_points_of_a_state() -> None:
    runner = PLCRunner([])
    first = runner.run(1)
    runner.run(4)
    assert runner.system_runtime.resolve("sys.clock_1s", first) == (True, False)
    assert runner.system_runtime.resolve("sys.clock_1s") == (True, True)
    assert runner.system_runtime.resolve("N") == (False, None)
    assert runner.system_runtime.resolve("fault.code") == (True, 0)


def test_a_monitor_waits_for_a_name() -> None:
    runner, seen = PLCRunner([]), list[tuple[object, object]]()
    runner.monitor("Later", lambda now, was: seen.append((now, was)))
    runner.step()
    runner.patch({"Later": 5})
    runner.run(2)
    assert seen == [(5, None)]
