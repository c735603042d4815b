# SPDX-License-Identifier: Apache-2.0
"""Rate groups: their grids, their order, and what is late."""

from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.groups import Group, Groups

MS = 1_000_000


def test_a_common_slot_runs_in_the_order_of_the_groups() -> None:
    groups = Groups([Group("imu", 500), Group("control", 250), Group("actuator", 50)], 100 * MS)
    ran: list[tuple[int, str]] = []
    for ms in range(100, 121):
        while (number := groups.due(ms * MS)) >= 0:
            groups.groups[number].begin(ms * MS)
            ran.append((ms, groups.groups[number].name))
    assert ran[:6] == [(100, "imu"), (100, "control"), (100, "actuator"), (102, "imu"), (104, "imu"), (104, "control")]
    assert ran[-3:] == [(120, "imu"), (120, "control"), (120, "actuator")]
    assert groups.wake_ns() == 122 * MS


def test_late_slots_are_skipped_and_counted_and_the_grid_stays() -> None:
    group = Groups([Group("control", 250)], 0).groups[0]
    group.begin(1 * MS)
    assert (group.next_ns, group.overruns, group.misses) == (4 * MS, 0, 0)
    group.begin(7 * MS)
    assert (group.next_ns, group.overruns, group.misses) == (8 * MS, 0, 1)
    group.begin(21 * MS)
    assert (group.next_ns, group.overruns, group.misses, group.runs) == (24 * MS, 3, 2, 3)
    assert group.jitter.greatest == 13 * MS


@given(st.sampled_from([1, 3, 7, 250, 333, 10_000]), st.lists(st.integers(0, 50 * MS), max_size=50))
def test_a_step_is_never_early_and_every_slot_is_run_or_counted(hz: int, pauses: list[int]) -> None:
    group, now = Groups([Group("any", hz)], 0).groups[0], 0
    for pause in pauses:
        now += pause
        if group.next_ns <= now:
            group.begin(now)
            assert now < group.next_ns <= now + group.period_ns
        assert group.next_ns == (group.runs + group.overruns) * group.period_ns


def test_percentiles_of_jitter_are_in_order() -> None:
    jitter = Group("any", 100).jitter
    for value in range(1000):
        jitter.record(value * 1000)
    found = [jitter.percentile(permille) for permille in (500, 950, 990, 1000)]
    assert found == sorted(found)
    assert 500_000 <= found[0] <= 500_000 * 1.0625
    assert found[3] == 999_000
