# SPDX-License-Identifier: Apache-2.0
"""Tasks: when they run, in which order, with which time and edges, in both engines; and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

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
    Tm,
    Ts,
    branch,
    calc,
    call,
    copy,
    count_up,
    ir,
    latch,
    on_delay,
    out,
    return_early,
    rise,
    shift,
    subroutine,
    task,
)
from pilotlight.plc.engine import Interpreter
from pilotlight.plc.language.block import Block
from pilotlight.plc.native.build import build
from pilotlight.plc.native.emit import emit
from pilotlight.plc.native.engine import NativeEngine
from pilotlight.tags import Type

MS = 1_000_000
In, Seen, Other = Bool("In"), Dint("Seen"), Dint("Other")
Order, Runs = Dint("Order"), Dint("Runs")


class Rig:
    """A program in both engines, which scan in step and must agree on every image."""

    def __init__(self, program: Program, cache: Path) -> None:
        self.slots = {cell.name: slot for slot, cell in enumerate(program.ir.cells)}
        library = build(emit(program.ir), cache=cache)
        self.engines = [Interpreter(program.ir), NativeEngine(program.ir, library)]

    def scan(self, dt_ns: int = 10 * MS, *, logic: bool = True, **values: int) -> Rig:
        for engine in self.engines:
            engine.begin()
            for name, value in values.items():
                engine.cells[self.slots[name]] = value
            if logic:
                engine.run(dt_ns)
            engine.finish()
        return self

    def __getitem__(self, name: str) -> int:
        one, two = (engine.cells[self.slots[name]] for engine in self.engines)
        assert one == two, name
        return int(one)

    def __setitem__(self, name: str, value: int) -> None:
        for engine in self.engines:
            engine.cells[self.slots[name]] = value

    def runs(self, scans: int, dt_ns: int, name: str = "Runs") -> list[int]:
        """How often `name` has counted in each scan."""
        before = self[name]
        counted: list[int] = []
        for _ in range(scans):
            now = self.scan(dt_ns)[name]
            counted.append(now - before)
            before = now
        return counted


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def rig(cache: Path) -> Callable[[Program], Rig]:
    return lambda program: Rig(program, cache)


def counting(**settings: object) -> Program:
    """A program whose only rung counts the runs of a task."""
    with Program(strict=False) as logic, task("slow", **settings), Rung():
        calc(Runs + 1, Runs)
    return logic


# ---- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "dt", "runs"),
    [
        (10, 10, [1, 1, 1, 1, 1, 1]),
        (30, 10, [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]),
        (25, 10, [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1]),  # at 0, 30, 50, 80, 100 ms: on the grid of 25
        (10, 25, [1, 1, 1, 1]),  # missed periods are not made up for
        (1, 1000, [1, 1, 1]),
        (1000, 1, [1, 0, 0, 0]),
    ],
)
def test_a_task_runs_in_the_first_scan_and_then_on_its_grid(
    rig: Callable[[Program], Rig], period: int, dt: int, runs: list[int]
) -> None:
    assert rig(counting(period=period)).runs(len(runs), dt * MS) == runs


def test_missed_periods_are_skipped_and_the_grid_stays(rig: Callable[[Program], Rig]) -> None:
    plant = rig(counting(period=10)).scan()
    assert plant.scan(95 * MS)["Runs"] == 2  # now 95 ms after the first scan; the grid goes on at 100
    assert plant["#task.wait:slow"] == 5 * MS
    assert plant.runs(3, 4 * MS) == [0, 1, 0]
    assert plant.scan(27 * MS)["#task.wait:slow"] == 6 * MS  # 134 ms
    assert plant.scan(6 * MS)["#task.wait:slow"] == 10 * MS  # 140 ms: on the grid to the nanosecond


def test_a_scan_of_no_time_brings_no_task_but_the_first(rig: Callable[[Program], Rig]) -> None:
    plant = rig(counting(period=10))
    assert plant.runs(3, 0) == [1, 0, 0]
    assert plant.runs(2, 10 * MS) == [1, 1]


PERIODS = [1, 7 * MS - 1, 10 * MS, 25 * MS, 1_000 * MS, 60_000 * MS]
times = st.lists(
    st.one_of(st.sampled_from([0, 1, MS, 5 * MS, 10 * MS, 70 * MS - 10, 1_000 * MS]), st.integers(0, 3_000 * MS)),
    min_size=1, max_size=60,
)  # fmt: skip


@pytest.fixture(scope="module")
def grid(cache: Path) -> Iterator[Rig]:
    with Program(strict=False) as logic:
        for number, period_ns in enumerate(PERIODS):
            with task(f"t{number}", period=Decimal(period_ns) / MS), Rung():
                calc(Dint(f"Runs{number}") + 1, Dint(f"Runs{number}"))
                on_delay(Bool(f"Done{number}"), Dint(f"Time{number}"), preset=2_000_000_000)
    return Rig(logic, cache)


@settings(max_examples=60, deadline=None, database=None)
@given(times=times)
def test_any_times_of_scans_keep_the_grid_and_lose_no_time(grid: Rig, times: list[int]) -> None:
    """By the absolute time: a task runs when a mark of its grid has passed, with all the time since its last run."""
    for engine in grid.engines:
        engine.load([cell.default for cell in engine.program.cells])
    now, runs, until = 0, [0] * len(PERIODS), [0] * len(PERIODS)
    for number, dt_ns in enumerate(times):
        before, now = now, now + dt_ns if number else 0
        grid.scan(dt_ns)
        for each, period in enumerate(PERIODS):
            if number == 0 or now // period > before // period:
                runs[each] += 1
                until[each] = times[0] + now
            assert grid[f"Runs{each}"] == runs[each]
            assert grid[f"Time{each}"] == until[each] // MS
            assert 0 < grid[f"#task.wait:t{each}"] <= period


def test_the_time_of_a_task_is_that_since_its_last_run(rig: Callable[[Program], Rig]) -> None:
    with Program() as logic:
        with task("slow", period=50), Rung(In):
            on_delay(Bool("Done"), Int("Elapsed"), preset=120)
        with Rung(In):
            on_delay(Bool("Sooner"), Int("Counted"), preset=120)
    plant = rig(logic).scan(In=0).scan(In=1)
    seen = [(plant.scan()["Elapsed"], plant["Counted"]) for _ in range(15)]
    # The task last ran when In was false; from then on it counts whole periods.
    assert [elapsed for elapsed, _counted in seen] == [0] * 3 + [50] * 5 + [100] * 5 + [150] * 2
    assert seen[-1] == (150, 160) and plant["Done"] == 1


def test_memory_of_a_longer_period_does_not_hold_a_task_up(rig: Callable[[Program], Rig]) -> None:
    plant = rig(counting(period=20)).scan()
    plant["#task.wait:slow"] = 3_600_000 * MS
    assert plant.runs(4, 10 * MS) == [0, 1, 0, 1]


# ---- in which order -------------------------------------------------------------------------------------------------


def test_due_tasks_run_by_priority_and_then_as_declared(rig: Callable[[Program], Rig]) -> None:
    with Program(strict=False) as logic:
        for name, period, priority in [("1", 10, 255), ("2", 20, 100), ("3", 10, 0), ("4", 10, 100), ("5", 10, 0)]:
            with task(name, period=period, priority=priority), Rung():
                calc(Order * 10 + int(name), Order)
        with Rung():
            calc(Order * 10 + 9, Order)
    plant = rig(logic)
    assert [plant.scan(Order=0)["Order"] for _ in range(3)] == [359241, 35941, 359241]


def test_a_task_sees_what_those_before_it_wrote(rig: Callable[[Program], Rig]) -> None:
    with Program() as logic:
        with Rung():
            calc(Order + 1, Order)
        with task("before", period=10, priority=99), Rung():
            copy(Order, Seen)
        with task("behind", period=10), Rung():
            copy(Order, Other)
    plant = rig(logic).scan().scan()
    assert (plant["Seen"], plant["Other"]) == (1, 2)


# ---- edges and memory -----------------------------------------------------------------------------------------------


def edges() -> Program:
    with Program() as logic:
        with Rung(rise(In)):
            calc(Seen + 1, Seen)
        with task("slow", period=30), Rung(rise(In)):
            calc(Other + 1, Other)
    return logic


def test_an_edge_in_a_task_compares_with_its_last_run(rig: Callable[[Program], Rig]) -> None:
    plant = rig(edges()).scan(In=0)
    counts = [(plant.scan(In=value)["Seen"], plant["Other"]) for value in [1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1]]
    assert counts[:6] == [(1, 0), (1, 0), (1, 1), (1, 1), (1, 1), (1, 1)]
    # It fell and rose between two runs of the task, which saw nothing of it.
    assert counts[6:] == [(1, 1), (2, 1), (2, 1), (2, 1), (2, 1), (3, 1)]
    assert plant.scan(In=0).scan(In=0).scan(In=0).scan(In=1).scan(In=1)["Other"] == 1
    assert plant.scan(In=1)["Other"] == 2


def test_edges_of_two_tasks_have_memories_of_their_own(rig: Callable[[Program], Rig]) -> None:
    with Program() as logic:
        with task("fast", period=10), Rung(rise(In)):
            calc(Seen + 1, Seen)
        with task("slow", period=20), Rung(rise(In)):
            calc(Other + 1, Other)
    assert {"#previous:fast:In", "#previous:slow:In"} < {cell.name for cell in logic.ir.cells}
    plant = rig(logic).scan(In=0)
    assert [(plant.scan(In=1)["Seen"], plant["Other"]) for _ in range(3)] == [(1, 0), (1, 1), (1, 1)]


def test_an_edge_in_a_subroutine_compares_with_the_last_scan_whoever_calls_it(rig: Callable[[Program], Rig]) -> None:
    with Program() as logic:
        with subroutine("count"), Rung(rise(In)):
            calc(Seen + 1, Seen)
        with task("slow", period=20), Rung():
            call("count")
    plant = rig(logic).scan(In=0)
    assert plant.scan(In=1).scan(In=1)["Seen"] == 0  # it rose in the scan before the task ran
    assert plant.scan(In=0).scan(In=1)["Seen"] == 1


def test_what_the_last_forces_leave_is_what_edges_compare_with() -> None:
    with Program() as logic, task("slow", period=20):
        with Rung(rise(In)):
            calc(Seen + 1, Seen)
        with Rung():
            out(In)
    with PLC(logic, dt=0.010) as plc:
        plc.force("In", False)
        plc.run(3)
        plc.unforce("In")
        plc.patch({"In": True})
        plc.run(1)
        assert Seen.value == 0  # the task was not due
        plc.run(1)
        assert Seen.value == 1


def test_a_scan_without_logic_leaves_tasks_as_they_are(rig: Callable[[Program], Rig]) -> None:
    plant = rig(edges()).scan(In=0)
    memory = {name: plant[name] for name in plant.slots if name.startswith("#task")}
    for _ in range(5):
        plant.scan(In=1, logic=False)
    assert {name: plant[name] for name in memory} == memory
    assert [plant.scan(In=1)["Other"] for _ in range(3)] == [0, 0, 1]


def test_counters_one_shots_and_shift_registers_work_per_run(rig: Callable[[Program], Rig]) -> None:
    bits = Block("C", Bool("C1").type, 1, 8)
    with Program() as logic, task("slow", period=20):
        with Rung(In):
            count_up(Bool("Full"), Dint("Count"), preset=3).reset(Bool("Zero"))
        with Rung(In):
            out(Bool("Once"), oneshot=True)
        with Rung(In):
            shift(bits.select(1, 8)).clock(In).reset(Bool("Zero"))
    plant = rig(logic).scan(In=1)
    seen = [(plant.scan(In=1)["Count"], plant["Once"], plant["Full"]) for _ in range(4)]
    assert seen == [(1, 1, 0), (2, 0, 0), (2, 0, 0), (3, 0, 1)]
    assert (plant["C1"], plant["C2"]) == (1, 0)


# ---- starts, forks, histories ---------------------------------------------------------------------------------------


def test_each_start_begins_a_grid_of_its_own() -> None:
    with PLC(counting(period=1, unit="s"), dt=0.4, auto_start=False) as plc:
        plc.run(2)
        plc.stop()
        plc.run(5)
        assert Runs.value == 1
        plc.start()
        assert [plc.step().tags["Runs"] for _ in range(6)] == [2, 2, 2, 3, 3, 4]
        plc.reboot()
        assert plc.step().tags["Runs"] == 5


def test_a_fork_and_a_step_back_go_on_as_the_original_did() -> None:
    plc = PLC(counting(period=35), dt=0.010)
    plc.run(30)
    states = [plc.history.at(number) for number in range(10, 31)]
    fork = plc.fork(10)
    assert [(fork.step().tags["Runs"], dict(fork.current_state.memory)) for _ in range(20)] == [
        (state.tags["Runs"], dict(state.memory)) for state in states[1:]
    ]
    plc.back(17)
    plc.run(17)
    assert plc.current_state == states[-1]


def test_a_task_costs_the_history_its_two_times_a_scan_at_most() -> None:
    with PLC(counting(period=1000), dt=0.010) as plc:
        plc.run(2)
        assert {name for name, number in plc.current_state.memory.items() if number} == {
            "#task.wait:slow", "#task.since:slow",
        }  # fmt: skip
        assert plc.current_state.memory["#task.since:slow"] == 10 * MS


# ---- writing --------------------------------------------------------------------------------------------------------


def test_a_program_has_its_tasks_with_stable_names_of_memory() -> None:
    with Program() as logic:
        with Rung(In):
            latch(Bool("A"))
        with task("slow", period=0.5, unit=Ts, priority=7), Rung(rise(In)), branch(Bool("A")):
            call("work")
        with subroutine("work"), Rung(In):
            return_early()
        with Rung(rise(In)):
            latch(Bool("B"))
    slow = logic.tasks["slow"]
    assert (slow.name, slow.period_ns, slow.priority, len(slow.rungs)) == ("slow", 500 * MS, 7, 1)
    memory = [logic.ir.cells[slot] for slot in (slow.wait_memory, slow.since_memory, slow.due_memory)]
    assert [(cell.name, cell.type, cell.internal) for cell in memory] == [
        ("#task.wait:slow", Type.LINT, True), ("#task.since:slow", Type.LINT, True),
        ("#task.due:slow", Type.BOOL, True),
    ]  # fmt: skip
    assert [logic.ir.cells[edge.previous].name for edge in slow.edges] == ["#previous:slow:In"]
    assert [logic.ir.cells[edge.previous].name for edge in logic.ir.edges] == ["#previous:In"]
    assert len(logic.ir.rungs) == 2
    assert ir.from_json(ir.to_json(logic.ir)) == logic.ir
    assert "task slow, every 500 ms, priority 7:\n  rung 0\n    p0 = rise(In)\n" in ir.program_text(logic.ir)


def test_a_task_that_calls_a_function_leaves_its_edges_to_it() -> None:
    counted = subroutine("counted")

    @counted
    def body() -> None:
        with Rung(rise(In)):
            calc(Seen + 1, Seen)

    with Program() as logic, task("slow", period=20):
        with Rung(rise(Bool("A"))):
            call(counted)
        with Rung(rise(Bool("B"))):
            latch(Bool("C"))
    cells = logic.ir.cells
    assert [cells[edge.slot].name for edge in logic.ir.edges] == ["In"]
    assert [cells[edge.slot].name for edge in logic.tasks["slow"].edges] == ["A", "B"]


@pytest.mark.parametrize(
    ("period", "unit", "ns"),
    [(10, "ms", 10 * MS), (1, "s", 1000 * MS), (0.1, "ms", 100_000), (Decimal("0.000001"), "ms", 1),
     (2, Tm, 120_000 * MS), (100, "days", 8_640_000_000 * MS)],
)  # fmt: skip
def test_periods_are_exact(period: float, unit: str, ns: int) -> None:
    assert counting(period=period, unit=unit).tasks["slow"].period_ns == ns


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"period": 0}, ValueError, "period of 0 ms: it is above 0"),
        ({"period": -1}, ValueError, "above 0"),
        ({"period": float("nan")}, ValueError, "above 0"),
        ({"period": 101, "unit": "days"}, ValueError, "period of 101 d: .* hundred days"),
        ({"period": 0.0000001}, ValueError, "no whole number of nanoseconds"),
        ({"period": "10"}, TypeError, "no period"),
        ({"period": True}, TypeError, "no period"),
        ({"period": 1, "unit": "fortnights"}, ValueError, "no unit"),
        ({"period": 1, "priority": 256}, ValueError, "0, the most urgent, to 255"),
        ({"period": 1, "priority": -1}, ValueError, "0, the most urgent, to 255"),
        ({"period": 1, "priority": 1.5}, TypeError, "no priority"),
    ],
)
def test_what_is_no_task_is_refused(given: dict[str, object], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        counting(**given)


def test_names_are_tasks_own() -> None:
    for name in ("main", "slow"):
        with pytest.raises(ValueError, match="named"), Program(strict=False):
            with task("slow", period=1):
                pass
            with task(name, period=1):
                pass
    with pytest.raises(ValueError, match="no name"):
        task("", period=1)
    with pytest.raises(ir.IRError, match="names of their own"), Program():
        with subroutine("work"), Rung():
            latch(In)
        with task("work", period=1), Rung():
            call("work")


def test_a_task_stands_alone() -> None:
    with pytest.raises(RuntimeError, match="outside a program"):
        task("slow", period=1).__enter__()
    with pytest.raises(RuntimeError, match="inside a rung"), Program(), Rung(), task("slow", period=1):
        pass
    with pytest.raises(RuntimeError, match="another task"), Program(), task("a", period=1), task("b", period=1):
        pass
    with pytest.raises(RuntimeError, match="a subroutine"), Program(), subroutine("work"), task("slow", period=1):
        pass
    with pytest.raises(RuntimeError, match="a task"), Program(), task("slow", period=1), subroutine("work"):
        pass
    with pytest.raises(RuntimeError, match="outside a subroutine"), Program(), task("slow", period=1), Rung():
        return_early()
    with pytest.raises(RuntimeError, match="continues nothing"), Program():
        with Rung():
            latch(In)
        with task("slow", period=1), Rung().continued():
            latch(In)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(1, "0.000001 ms"), (100_000, "0.1 ms"), (10 * MS, "10 ms"), (1500 * MS, "1500 ms"), (90_000 * MS, "90 s"),
     (120_000 * MS, "2 min"), (86_400_000 * MS, "24 h")],
)  # fmt: skip
def test_periods_are_shown_as_people_write_them(ns: int, text: str) -> None:
    assert ir.period_text(ns) == text
