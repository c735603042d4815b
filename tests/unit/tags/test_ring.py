# SPDX-License-Identifier: Apache-2.0
"""The command ring against a model, and its memory."""

import os
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.tags import CommandRing

STEPS = st.lists(st.one_of(st.none(), st.binary(max_size=12)), max_size=80)


@given(st.sampled_from([1, 2, 8]), STEPS)
@settings(max_examples=50, deadline=None)
def test_a_ring_is_a_bounded_queue(capacity: int, steps: list[bytes | None]) -> None:
    ring = CommandRing.create(capacity, 12)
    child = CommandRing.attach(ring.fd)
    model: deque[bytes] = deque()
    for step in steps:
        if step is None:
            assert child.pop() == (model.popleft() if model else None)
        else:
            assert ring.push(step) is (len(model) < capacity)
            if len(model) < capacity:
                model.append(step)
    ring.close()


def test_a_command_longer_than_a_slot_is_refused() -> None:
    ring = CommandRing.create(2, 4)
    with pytest.raises(ValueError, match="5 bytes does not fit a slot of 4"):
        ring.push(b"12345")
    assert ring.pop() is None
    ring.close()


def test_the_counters_run_over() -> None:
    ring = CommandRing.create(4, 8)
    os.pwrite(ring.fd, (2**64 - 2).to_bytes(8, "little"), 64)
    os.pwrite(ring.fd, (2**64 - 2).to_bytes(8, "little"), 128)
    assert [ring.push(bytes([i])) for i in range(5)] == [True] * 4 + [False]
    assert [ring.pop() for _ in range(5)] == [b"\0", b"\1", b"\2", b"\3", None]
    ring.close()


def test_the_sign_of_life_crosses_over() -> None:
    ring = CommandRing.create()
    child = CommandRing.attach(ring.fd)
    assert child.touched_ns == 0
    ring.touch(99)
    assert child.touched_ns == 99
    assert (child.capacity, child.slot) == (256, 256)
    ring.close()


def test_the_size_of_the_memory_is_sealed() -> None:
    ring = CommandRing.create()
    for size in (0, 10**6):
        with pytest.raises(PermissionError):
            os.ftruncate(ring.fd, size)
    ring.close()


@pytest.mark.parametrize(("capacity", "slot"), [(0, 8), (3, 8), (131072, 8), (4, 0), (4, 65537)])
def test_other_sizes_are_refused(capacity: int, slot: int) -> None:
    with pytest.raises(ValueError, match="a power of two"):
        CommandRing.create(capacity, slot)


def test_a_closed_ring_says_so() -> None:
    ring = CommandRing.create()
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        ring.pop()
