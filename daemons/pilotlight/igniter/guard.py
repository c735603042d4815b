# SPDX-License-Identifier: Apache-2.0
"""The guard: a process of its own that switches all outputs off when the firing loop ends, stops or hangs.

It holds a duplicate of the line request and never switches anything on. Whatever it sees, its order is the same: all
off, kill the loop, wait until it is gone, all off again, in case the loop's last act was to switch something on.
Started by the parent, never by hand.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence

from pilotlight.io import inherit, jobs
from pilotlight.io.edges import EdgeInput
from pilotlight.io.lines import Request
from pilotlight.io.realtime import become_real_time
from pilotlight.tags import now_ns

from .job import Job
from .page import Page

ROUND_S = 0.001
"""How often it looks while an output may be on; four times longer otherwise."""
IDLE_NS = 500_000_000
"""How old the loop's sign of life may be while no output is on."""
END_S = 2.0
"""How long a killed process may take to be gone."""
EXIT_PARENT, EXIT_LOOP_ENDED, EXIT_LOOP_STALLED = 0, 3, 4


def main(arguments: Sequence[str]) -> int:
    """Guard until the loop or the parent ends; all outputs are off when this returns or raises."""
    job = jobs.decode(Job, arguments)
    outputs = inherit.take_over(job.outputs)
    try:
        # The parent ends it, by ending or by SIGKILL; the terminal and systemd reach the parent.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        page = Page(job.page)
        refused = become_real_time(job.priority and job.priority + 1)
        page.guard_real_time = bool(job.priority) and not refused
        return _watch(job, outputs, inherit.edge_input(job.kill_switch), page)
    finally:
        contain(outputs, job.watched)


def _watch(job: Job, outputs: Request, kill_switch: EdgeInput, page: Page) -> int:
    while True:
        on = page.outputs
        ready, _, _ = select.select([job.alive, job.watched], [], [], ROUND_S if on else 4 * ROUND_S)
        if job.alive in ready:
            return EXIT_PARENT
        if job.watched in ready or page.loop.has_ended():
            return EXIT_LOOP_ENDED
        page.guard_ns = now = now_ns()
        on |= page.outputs
        if on and not is_closed(kill_switch):
            outputs.write(0)
        # The loop may have begun a tick after `now` was taken.
        beat = page.loop_ns
        if beat and now - beat > (job.stall_ns if on else max(IDLE_NS, 2 * job.stall_ns)):
            page.stalled_ns = now - beat
            return EXIT_LOOP_STALLED


def contain(outputs: Request, loop: int) -> None:
    """All off, the loop killed and gone, all off again."""
    try:
        outputs.write(0)
    finally:
        kill(loop)
        outputs.write(0)


def kill(pidfd: int) -> None:
    """Kill a process and wait until it is gone, for END_S at most; harmless when it is."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
    select.select([pidfd], [], [], END_S)


def is_closed(kill_switch: EdgeInput) -> bool:
    """Whether the kill switch reads closed; one that cannot be read is open."""
    try:
        return kill_switch.level()
    except OSError:
        return False


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
