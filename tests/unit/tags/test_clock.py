# SPDX-License-Identifier: Apache-2.0
"""The clock of the tags, and what importing them costs."""

import signal
import subprocess
import sys
import time

import pytest
from pilotlight.tags import now_ns, sleep_until, wall_ns

from .test_hostile import environment


def test_now_is_the_monotonic_clock() -> None:
    assert time.monotonic_ns() <= now_ns() <= time.monotonic_ns()


def test_a_sleep_ends_after_its_deadline() -> None:
    deadline = now_ns() + 2_000_000
    woke = sleep_until(deadline)
    assert deadline <= woke <= now_ns()


def test_a_deadline_that_is_past_is_no_sleep() -> None:
    before = now_ns()
    assert before <= sleep_until(before - 10**9) <= before + 10**9


def test_a_sleep_of_more_than_an_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="more than an hour"):
        sleep_until(now_ns() + 3601 * 10**9)


def test_a_signal_ends_a_sleep_when_its_handler_raises() -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        deadline = now_ns() + 5 * 10**9
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(InterruptedError):
            sleep_until(deadline)
        assert now_ns() < deadline
    finally:
        signal.signal(signal.SIGALRM, before)


def test_wall_time_follows_the_system_clock() -> None:
    assert abs(wall_ns(now_ns()) - time.time_ns()) < 10**9


def test_importing_tags_is_light() -> None:
    code = (
        "import sys, pilotlight.tags; print([m for m in ('asyncio', 'msgspec', 'yaml', 'ctypes') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, timeout=60, check=True)
    assert done.stdout == b"[]\n"
