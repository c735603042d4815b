# SPDX-License-Identifier: Apache-2.0
"""The schedule: an absolute grid, overruns skipped and counted, tasks on their own multiples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.schedule import (
    PERIOD_MAX_NS,
    PERIOD_MIN_NS,
    TASKS_MAX,
    Schedule,
    ScheduleError,
    Task,
    base_period,
)

periods = st.integers(PERIOD_MIN_NS, 10**9)
tasks_of_one_grid = st.lists(st.integers(1, 12), min_size=1, max_size=6).map(
    lambda every: [Task(f"t{n}", e * PERIOD_MIN_NS, -n) for n, e in enumerate(every)]
)


@given(periods, st.integers(0, 10**12), st.lists(st.integers(0, 5 * 10**9), max_size=50))
def test_slots_never_leave_the_grid(period: int, first: int, durations: list[int]) -> None:
    schedule = Schedule([Task("t", period, 0)], first, first)
    served = 0
    for duration in durations:
        slot = schedule.slot_ns
        end = slot + duration
        skipped = schedule.advance(end)
        served += 1
        assert (schedule.slot_ns - first) % period == 0
        assert schedule.slot_ns > end, "a slot that has begun is not caught up"
        assert schedule.slot_ns <= max(end, slot) + period, "and no slot is given away"
        assert schedule.slot_ns - slot == (skipped + 1) * period
    assert served + schedule.overruns == (schedule.slot_ns - first) // period


@given(periods, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_successor_goes_on_with_the_grid(period: int, first: int, now: int) -> None:
    schedule = Schedule([Task("t", period, 0)], first, now)
    assert schedule.slot_ns >= max(first, now) or schedule.slot_ns == first
    assert schedule.slot_ns < max(first, now) + period
    assert (schedule.slot_ns - first) % period == 0


@given(tasks_of_one_grid, st.integers(1, 60))
def test_without_overruns_every_task_runs_at_its_period(tasks: list[Task], slots: int) -> None:
    schedule = Schedule(tasks, 0, 0)
    runs = {n: [] for n in range(len(tasks))}
    for _ in range(slots):
        due = schedule.due()
        assert [tasks[n].priority for n in due] == sorted(tasks[n].priority for n in due)
        for number in due:
            runs[number].append(schedule.slot_ns)
        schedule.advance(schedule.slot_ns)
    for number, task in enumerate(tasks):
        assert runs[number] == list(range(0, schedule.slot_ns, task.period_ns))


@given(tasks_of_one_grid, st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_a_task_is_never_skipped_for_longer_than_the_overrun(tasks: list[Task], lasting: list[int]) -> None:
    """With overruns a task still runs in the first slot after each of its own, and once at most."""
    schedule = Schedule(tasks, 0, 0)
    last = [-1] * len(tasks)
    for steps in lasting:
        slot = schedule.slot_ns
        due = schedule.due()
        for number, task in enumerate(tasks):
            own = slot // task.period_ns
            assert (number in due) == (own > last[number])
            last[number] = own
        schedule.advance(slot + steps * schedule.period_ns)


@pytest.mark.parametrize(
    ("given_tasks", "reason"),
    [
        ([], "1 to 64 tasks"),
        ([Task("t", 10**6, 0)] * (TASKS_MAX + 1), "1 to 64 tasks"),
        ([Task("slow", PERIOD_MAX_NS + 1, 0)], "task slow"),
        ([Task("fast", PERIOD_MIN_NS - 1, 0)], "task fast"),
        ([Task("a", 150_001, 0), Task("b", 250_000, 0)], "common step of 1 ns"),
    ],
)
def test_tasks_that_cannot_be_scheduled(given_tasks: list[Task], reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        base_period(given_tasks)
