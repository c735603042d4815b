# SPDX-License-Identifier: Apache-2.0
"""Rungs: when conditions are asked, in which order steps run, edges, subroutines and loops."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.plc import (
    Block,
    Bool,
    Dint,
    Int,
    Program,
    Rung,
    TagType,
    all_of,
    any_of,
    branch,
    calc,
    call,
    copy,
    count_up,
    fall,
    forloop,
    latch,
    on_delay,
    out,
    reset,
    return_early,
    rise,
    subroutine,
)

from tests.unit.plc.scanning import Machine

A, B, X, Y, Z = Bool("A"), Bool("B"), Bool("X"), Bool("Y"), Bool("Z")
N, M = Int("N"), Int("M")
DS = Block("DS", TagType.INT, 1, 10)


def test_a_branch_sees_the_state_on_entry() -> None:
    with Program() as logic, Rung(A):
        out(X)
        with branch(X):
            latch(Y)
    machine = Machine(logic).scan(A=True)
    assert (machine["X"], machine["Y"]) == (True, False)
    assert machine.scan()["Y"] is True


def test_operands_are_read_when_the_step_runs() -> None:
    with Program() as logic, Rung():
        calc(N + 1, N)
        copy(N, M)
    assert Machine(logic).scan()["M"] == 1


def test_the_last_writer_wins_and_later_rungs_see_it() -> None:
    with Program() as logic:
        with Rung(A):
            out(X)
        with Rung(X):
            out(Y)
        with Rung(B):
            out(X)
    machine = Machine(logic).scan(A=True)
    assert (machine["X"], machine["Y"]) == (False, True)


def test_a_continued_rung_sees_what_the_first_saw() -> None:
    with Program() as logic:
        with Rung(~A):
            latch(A)
        with Rung(~A).continued():
            out(X)
        with Rung(~A):
            out(Y)
    machine = Machine(logic).scan()
    assert (machine["X"], machine["Y"]) == (True, False)


def test_an_edge_of_an_internal_bit_is_seen_behind_its_writer_only() -> None:
    with Program() as logic:
        with Rung(rise(X)):
            calc(N + 1, N)
        with Rung(A):
            out(X)
        with Rung(rise(X)):
            calc(M + 1, M)
    machine = Machine(logic).scan(A=True).scan(3)
    assert (machine["N"], machine["M"]) == (0, 1)


def test_edges() -> None:
    with Program() as logic:
        with Rung(rise(A)):
            calc(N + 1, N)
        with Rung(fall(A)):
            calc(M + 1, M)
    machine = Machine(logic)
    for value in (True, True, False, False, True):
        machine.scan(A=value)
    assert (machine["N"], machine["M"]) == (2, 1)


@pytest.mark.parametrize("once", [False, True])
def test_oneshot(once: bool) -> None:
    with Program(strict=False) as logic, Rung(A):
        out(X, oneshot=once)
        calc(N + 1, N, oneshot=once)
    machine = Machine(logic).scan(A=True)
    assert machine["X"] is True
    machine.scan()
    assert machine["X"] is not once
    machine.scan(A=False).scan(A=True)
    assert machine["N"] == (2 if once else 3)


@pytest.mark.parametrize(("a", "b", "either", "both"), [(0, 0, 0, 0), (1, 0, 1, 0), (0, 1, 1, 0), (1, 1, 1, 1)])
def test_joined_conditions(a: int, b: int, either: int, both: int) -> None:
    with Program(strict=False) as logic:
        with Rung(any_of(A, B)):
            out(X)
        with Rung(all_of(A, (B,))):
            out(Y)
        with Rung((A | B) & ~A):
            out(Z)
    machine = Machine(logic).scan(A=a, B=b)
    assert (machine["X"], machine["Y"], machine["Z"]) == (either, both, either and not a)


def test_contacts() -> None:
    with Program() as logic:
        with Rung(N):
            out(X)
        with Rung(~A, N != 3, N >= 2, N < 9):
            out(Y)
    machine = Machine(logic)
    assert [(machine.scan(N=n)["X"], machine["Y"]) for n in (0, 2, 3, 9)] == [
        (False, False), (True, True), (True, False), (True, False),
    ]  # fmt: skip


def test_reset_writes_the_default() -> None:
    level = Int("Level", default=7)
    with Program() as logic, Rung(A):
        reset(level)
    assert Machine(logic).scan(Level=3, A=True)["Level"] == 7


def test_a_reset_of_many_writes_the_default_of_each() -> None:
    fixed, window = (Block(name, TagType.INT, 1, 6, default_factory=lambda n: n * 10) for name in ("F", "W"))
    with Program() as logic, Rung(A):
        reset(fixed.select(1, 6))
        reset(window.select(N, 6))
    machine = Machine(logic).scan(A=True, N=3, **{f"{name}{n}": -1 for name in "FW" for n in range(1, 7)})
    assert [machine[f"F{n}"] for n in range(1, 7)] == [10, 20, 30, 40, 50, 60]
    assert [machine[f"W{n}"] for n in range(1, 7)] == [-1, -1, 30, 40, 50, 60]


def test_coils_of_many() -> None:
    outs, latched = Block("O", TagType.BOOL, 1, 6), Block("L", TagType.BOOL, 1, 6)
    with Program() as logic, Rung(A):
        out(outs.select(1, 6))
        latch(latched.select(N, 6))
    machine = Machine(logic).scan(A=True, N=2)
    states = [machine[f"{name}{n}"] for name in "OL" for n in range(1, 7)]
    assert states == [*[True] * 6, False, *[True] * 5]
    machine.scan(A=False)
    states = [machine[f"{name}{n}"] for name in "OL" for n in range(1, 7)]
    assert states == [*[False] * 7, *[True] * 5]


def test_a_call_without_power_leaves_its_coils() -> None:
    with Program() as logic:
        with Rung(A):
            call("sub")
        with subroutine("sub"), Rung(B):
            out(X)
    machine = Machine(logic).scan(A=True, B=True)
    assert machine["X"] is True
    assert machine.scan(A=False, B=False)["X"] is True
    assert machine.scan(A=True)["X"] is False


def test_return_early_leaves_at_once() -> None:
    with Program() as logic:
        with Rung():
            call("sub")
            copy(N, M)
        with subroutine("sub"):
            with Rung(A):
                return_early()
                calc(N + 10, N)
            with Rung():
                calc(N + 1, N)
    machine = Machine(logic).scan(A=True)
    assert (machine["N"], machine["M"]) == (0, 0)
    machine.scan(A=False)
    assert (machine["N"], machine["M"]) == (11 - 10, 1)


def test_return_early_leaves_a_long_subroutine() -> None:
    with Program(strict=False) as logic:
        with Rung():
            call("sub")
            copy(N, M)
        with subroutine("sub"):
            with Rung(A):
                return_early()
            for _ in range(100):
                with Rung():
                    calc(N + 1, N)
    machine = Machine(logic).scan(A=True)
    assert (machine["N"], machine["M"]) == (0, 0)
    machine.scan(A=False)
    assert (machine["N"], machine["M"]) == (100, 100)


def test_a_decorated_subroutine_and_nested_calls() -> None:
    @subroutine("inner")
    def inner() -> None:
        with Rung():
            calc(N + 1, N)

    @subroutine("outer")
    def outer() -> None:
        with Rung():
            call(inner)
            call("inner")

    with Program() as logic, Rung():
        call(outer)
    assert Machine(logic).scan()["N"] == 2


@pytest.mark.parametrize(("count", "sum_"), [(3, 0 + 1 + 2), (0, 0), (-4, 0), (1, 0)])
def test_a_loop_counts_from_zero(count: int, sum_: int) -> None:
    with Program() as logic, Rung(A), forloop(M) as loop:
        calc(N + loop.idx, N)
        copy(loop.idx, DS[loop.idx + 1])
    machine = Machine(logic).scan(A=True, M=count)
    assert machine["N"] == sum_
    assert machine["DS3"] == (2 if count == 3 else 0)


def test_a_loop_without_power_runs_its_body_once_without_power() -> None:
    with Program() as logic, Rung(A), forloop(4):
        out(X)
    machine = Machine(logic).scan(X=True)
    assert machine["X"] is False


def test_a_loop_has_a_bound() -> None:
    many = Dint("Many")
    with Program() as logic, Rung(), forloop(many):
        calc(many, many)
    machine = Machine(logic).scan(Many=2_000_000)
    assert machine.faults == {"out_of_range"}
    assert machine["_forloop_idx"] == 65534


def test_walking_gives_the_same_image_and_says_why() -> None:
    with Program() as logic:
        with Rung(A, N > 3):
            out(X)
            with branch(B):
                latch(Y)
            call("sub")
        with subroutine("sub"), Rung():
            calc(N + 1, N)
    plain, walked = Machine(logic), Machine(logic)
    for machine in (plain, walked):
        machine["A"], machine["N"] = True, 4
    plain.scan()
    walked.engine.begin()
    events = list(walked.engine.walk(100_000_000))
    walked.engine.finish()
    assert walked.engine.cells == plain.engine.cells
    assert [event.kind for event in events] == [
        "rung", "instruction", "branch", "instruction", "instruction", "subroutine", "rung", "instruction",
    ]  # fmt: skip
    assert events[0].conditions[0] == (("A", "true", "A=1"), ("N > 3", "true", "N=4, 3"))
    assert (events[2].on, events[-1].calls) == (False, ("sub",))


def test_rungs_one_by_one_give_the_same_image() -> None:
    with Program() as logic:
        with Rung(A):
            out(X)
        with Rung(X):
            out(Y)
    machine = Machine(logic)
    machine["A"] = True
    assert [(*place, machine["X"], machine["Y"]) for place in machine.engine.rungs(0)] == [
        ("", 0, True, False), ("", 1, True, True),
    ]  # fmt: skip


with Program() as _mixed:
    with Rung(rise(A)):
        call("sub")
        with branch(B, N < 5):
            latch(X)
            with branch(Y):
                reset(X)
    with Rung(~X):
        calc(M / N + DS[N], M)
        copy(M, DS[N])
    with Rung(X).continued(), forloop(N) as _loop:
        calc(DS[_loop.idx] + 1, DS[_loop.idx + 1], oneshot=True)
    with Rung(any_of(A, fall(B))):
        on_delay(Y, M, preset=300)
    with Rung(B):
        count_up(Z, N, preset=3).down(A).reset(all_of(A, B))
    with subroutine("sub"):
        with Rung(B):
            out(Y)
            return_early()
            calc(N + 1, N)
        with Rung():
            calc(N - 1, N, oneshot=True)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 400)), max_size=12))
def test_running_stepping_and_walking_agree(scans: list[tuple[bool, bool, int]]) -> None:
    machines = [Machine(_mixed) for _ in range(3)]
    for a, b, milliseconds in scans:
        for way, machine in enumerate(machines):
            machine["A"], machine["B"] = a, b
            engine = machine.engine
            engine.begin()
            if way == 0:
                engine.run(milliseconds * 1_000_000)
            else:
                list((engine.rungs, engine.walk)[way - 1](milliseconds * 1_000_000))
            engine.finish()
        assert machines[0].engine.cells == machines[1].engine.cells == machines[2].engine.cells
