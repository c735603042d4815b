# SPDX-License-Identifier: Apache-2.0
"""The guard in this process: when it switches off by itself, and whom it ends."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from typing import cast

import pytest
from pilotlight.igniter import guard, job
from pilotlight.io import jobs
from pilotlight.io.edges import EdgeInput
from pilotlight.tags import now_ns

from tests.unit.igniter.bench import Bench


class Watched:
    """What the guard watches, with an output on; `levels` are those of the kill switch, and then the parent ends."""

    def __init__(self, bench: Bench, *levels: bool | OSError) -> None:
        self.levels = list(levels)
        self.bench = bench
        self.found: list[tuple[bool, bool]] = []
        bench.held.outputs.write(0b11)
        bench.page.outputs = 0b0101
        # A loop that is never late.
        bench.page.loop_ns = now_ns() + 3600 * 1_000_000_000

    def level(self) -> bool:
        self.found.append(self.bench.levels())
        level = self.levels.pop(0)
        if not self.levels:
            os.close(self.bench.parent)
        if isinstance(level, OSError):
            raise level
        return level


@pytest.mark.parametrize("opening", [False, OSError(errno.EIO, "Input/output error")])
def test_the_guard_switches_off_by_itself_when_the_kill_switch_opens(bench: Bench, opening: bool | OSError) -> None:
    switch = Watched(bench, True, opening, True)
    watched, end = os.pipe()
    job_of_guard = replace(bench.job, watched=watched)
    assert guard._watch(job_of_guard, bench.held.outputs, cast(EdgeInput, switch), bench.page) == guard.EXIT_PARENT
    on, off = (True, False), (False, True)
    assert switch.found == [on, on, off], "channel 3 is active low"
    assert bench.levels() == off
    for descriptor in (watched, end):
        os.close(descriptor)


@pytest.mark.parametrize("ended", ["parent", "loop"])
def test_the_guard_switches_off_when_the_parent_or_the_loop_ends(bench: Bench, ended: str) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    watched = os.pidfd_open(sleeper.pid)
    try:
        Watched(bench)
        if ended == "parent":
            os.close(bench.parent)
        else:
            sleeper.kill()
        code = guard.main(jobs.encode(replace(bench.job, watched=watched)))
        assert code == {"parent": guard.EXIT_PARENT, "loop": guard.EXIT_LOOP_ENDED}[ended]
        assert bench.levels() == (False, True)
        assert sleeper.wait(10) == -9, "no loop outlives its guard"
    finally:
        sleeper.kill()
        sleeper.wait()


def test_the_guard_switches_off_when_the_end_of_the_loop_begins(bench: Bench) -> None:
    loop = os.fork()
    if not loop:
        try:
            bench.page.loop.hold()
        finally:
            os._exit(0)
    os.waitpid(loop, 0)
    switch = cast(EdgeInput, Watched(bench, True, True))
    watched, end = os.pipe()  # a pidfd that tells of nothing yet
    job_of_guard = replace(bench.job, watched=watched)
    assert guard._watch(job_of_guard, bench.held.outputs, switch, bench.page) == guard.EXIT_LOOP_ENDED
    for descriptor in (watched, end):
        os.close(descriptor)


def test_the_guard_switches_off_and_kills_a_loop_that_is_silent(bench: Bench) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        bench.held.outputs.write(0b11)
        bench.page.outputs = 0b0101
        bench.page.loop_ns = 1
        arguments = jobs.encode(job.Job(**bench.job.__dict__ | {"watched": os.pidfd_open(sleeper.pid)}))
        assert guard.main(arguments) == guard.EXIT_LOOP_STALLED
        assert bench.page.stalled_ns > bench.job.stall_ns
        assert bench.levels() == (False, True)
        assert sleeper.wait(10) == -9
    finally:
        sleeper.kill()
        sleeper.wait()
