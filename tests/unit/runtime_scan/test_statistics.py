# SPDX-License-Identifier: Apache-2.0
"""Durations in fixed memory, held against the plain computation."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.statistics import BUCKETS, Durations, bucket, ceiling

durations = st.one_of(st.integers(0, 10**5), st.integers(0, 10**12))


@given(durations)
def test_a_bucket_is_a_sixteenth_of_a_power_of_two_wide(duration: int) -> None:
    place = bucket(duration)
    assert 0 <= place < BUCKETS
    assert ceiling(place) >= duration
    assert place == 0 or ceiling(place - 1) < duration
    assert ceiling(place) <= duration * 1.0625 + 1024


def test_buckets_follow_each_other_and_extremes_fit() -> None:
    assert [bucket(ceiling(place)) for place in range(BUCKETS)] == list(range(BUCKETS))
    assert bucket(-5) == 0 and bucket(1 << 62) == BUCKETS - 1


@given(st.lists(durations, min_size=1, max_size=300))
def test_figures_agree_with_the_plain_computation(values: list[int]) -> None:
    found = Durations()
    for value in values:
        found.record(value)
    assert (found.last, found.least, found.greatest, found.count) == (values[-1], min(values), max(values), len(values))
    assert math.isclose(found.mean, sum(values) / len(values))
    ordered = sorted(values)
    for percentile, permille in zip(found.percentiles(), (500, 990, 999), strict=True):
        exact = ordered[-(-len(values) * permille // 1000) - 1]
        assert exact <= percentile <= min(exact * 1.0625 + 1024, max(values))


def test_reset_forgets_everything() -> None:
    found = Durations()
    found.record(10**9)
    found.reset()
    assert (found.count, found.greatest, found.mean, found.percentiles()) == (0, 0, 0.0, (0, 0, 0))
    found.record(5000)
    assert found.percentiles() == (5000, 5000, 5000)
