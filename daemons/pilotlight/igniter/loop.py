# SPDX-License-Identifier: Apache-2.0
"""The firing loop: a process that reads the lines, lets the machine decide, and writes the outputs, 250 times a second.

It holds no bus, no settings and no log. It wakes at once when the kill switch moves. Whatever ends it, its last act is
to write all outputs off; the guard and the parent do the same from outside. Started by the parent, never by hand.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from pilotlight.io import inherit, jobs
from pilotlight.io.realtime import become_real_time
from pilotlight.tags import CommandRing, SegmentWriter, now_ns

from . import commands
from .arming import Inputs
from .bank import CHANNELS
from .checks import Check
from .commands import Kind, Verdict
from .job import Job
from .machine import Machine
from .page import Page
from .publisher import Publisher
from .reports import Report, Teller

PERIOD_NS = 4_000_000
COMMANDS_MAX = 16
"""Commands of one tick at most; the others wait for the next."""
EXIT_PARENT = 0


class ParentEnded(Exception):
    """The parent has ended, or asks the loop to end."""


class Loop:
    """The loop and what it works with."""

    def __init__(self, job: Job) -> None:
        self._alive = job.alive
        self._outputs = inherit.take_over(job.outputs)
        self._status = inherit.take_over(job.status)
        self._kill_switch = inherit.edge_input(job.kill_switch)
        self._page = Page(job.page)
        self._ring = CommandRing.attach(job.ring)
        self._publisher = Publisher(SegmentWriter.attach(job.segment), job.enabled)
        self._teller = Teller(job.reports)
        self._machine = Machine(job.rules(), job.limits(), job.bank_policy(), job.enabled, job.first_shot)
        self._places = [number for number in range(CHANNELS) if job.enabled >> number & 1]
        self._enabled = job.enabled
        self._written = 0
        self._mode = self._machine.mode
        self._lost = 0
        self._closed = True
        """Whether the kill switch read closed; only then its movement is waited for."""
        self._real_time = False
        self._job = job

    def run(self) -> None:
        """Run until the parent ends; always leaves by an exception, with all outputs off."""
        self._page.loop.hold()
        try:
            self._outputs.write(0)
            refused = become_real_time(self._job.priority)
            self._real_time = bool(self._job.priority) and not refused
            for text in refused:
                self._teller.tell(Report.NOTICE, text=text.encode())
            self._teller.tell(Report.READY)
            next_ns = now_ns()
            while True:
                early = self._wait(next_ns)
                self._tick()
                if not early:
                    # A tick that was missed is not made up for.
                    next_ns = max(next_ns + PERIOD_NS, now_ns())
        finally:
            self._outputs.write(0)
            self._page.outputs = 0
            self._page.loop.release()

    def _wait(self, until_ns: int) -> bool:
        """Wait for the time; True when the kill switch has moved before."""
        rest = max(0, until_ns - now_ns()) / 1e9
        watched = [self._alive, self._kill_switch.fileno()] if self._closed else [self._alive]
        ready, _, _ = select.select(watched, [], [], rest)
        if self._alive in ready:
            raise ParentEnded
        return bool(ready)

    def _tick(self) -> None:
        machine = self._machine
        # Both before the clock is read, so that no command and no sign of life can be younger than the tick.
        alive = self._page.parent_ns, self._page.guard_ns
        waiting = [data for _ in range(COMMANDS_MAX) if (data := self._ring.pop()) is not None]
        self._page.loop_ns = now = now_ns()
        machine.tick(self._read(now, *alive))
        answers = [self._carry_out(commands.decode(data)) for data in waiting]
        self._write(machine.outputs())
        settled = [(c.number, machine.settled(c, verdict), failing) for c, verdict, failing in answers]
        self._publisher.publish(machine, self._written, now)
        # Only now: who hears that something was done finds the outputs and the segment so.
        for number, verdict, failing in settled:
            self._teller.tell(Report.VERDICT, number, int(verdict), int(failing).to_bytes(4, "little"))
        for shot in machine.shots.take():
            self._teller.tell(Report.SHOT, shot.number, text=shot.encode())
        for channel in range(CHANNELS):
            if channel not in machine.shots.under_way():
                self._page.forget(channel)
        if machine.mode is not self._mode:
            self._mode = machine.mode
            self._teller.tell(Report.MODE, int(machine.mode), int(machine.cause))

    def _read(self, now: int, parent_ns: int, guard_ns: int) -> Inputs:
        """What the lines and the others say. Lines that cannot be read make the machine safe, not the loop fail."""
        outputs: int | None
        try:
            outputs = self._spread(self._outputs.read())
            status = self._spread(self._status.read())
        except OSError:
            outputs, status = None, self._enabled
        real_time = self._real_time and self._page.guard_real_time
        return Inputs(now, status, outputs, self._look_at_kill_switch(), parent_ns, guard_ns, real_time)

    def _look_at_kill_switch(self) -> bool | None:
        closed = self._read_kill_switch()
        self._closed = closed is True
        return closed

    def _read_kill_switch(self) -> bool | None:
        """Whether the kill switch is closed, and was since the last tick; None when it cannot be read.

        Any edge will do: the kernel names the level after one, which says nothing of an opening that was over by then.
        """
        try:
            moved = bool(self._kill_switch.edges())
            lost, self._lost = self._kill_switch.lost != self._lost, self._kill_switch.lost
            return self._kill_switch.level() and not moved and not lost
        except OSError:
            return None

    def _carry_out(self, command: commands.Command) -> tuple[commands.Command, Verdict, Check]:
        """A command with its verdict, and the checks that fail where that is the question."""
        if command.kind is Kind.REPLY:
            self._publisher.reply(command)
            return command, Verdict.ACCEPTED, Check(0)
        verdict = self._machine.carry_out(command)
        failing = Check(0)
        if verdict is Verdict.CHECKS or command.kind is Kind.LOOK:
            failing = self._machine.failing(command.mask or self._enabled)
        return command, verdict, failing

    def _write(self, outputs: int) -> None:
        """One write for all channels, and what the shots come to by it."""
        self._show_shots()
        if outputs != self._written:
            # From here on the guard allows no more than `stall_ns`.
            self._page.outputs = outputs | self._written
            if outputs & ~self._written:
                outputs = self._machine.reconsider(now_ns(), self._look_at_kill_switch())
            self._outputs.write(sum(1 << place for place, n in enumerate(self._places) if outputs >> n & 1))
            self._page.outputs = self._written = outputs
        self._machine.shots.written(now_ns(), outputs)
        self._show_shots()

    def _show_shots(self) -> None:
        """Show the parent which shots are under way: should this process end, the parent makes their records."""
        self._page.last_shot = self._machine.shots.last
        for channel, shot in self._machine.shots.under_way().items():
            self._page.keep(channel, shot)

    def _spread(self, bits: int) -> int:
        """The bits of a request, whose n-th line is the n-th channel that exists, as bits of channels."""
        return sum(1 << n for place, n in enumerate(self._places) if bits >> place & 1)


def _stop(_: int, __: FrameType | None) -> None:
    # A second signal must not cut the last write short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise ParentEnded


def main(arguments: Sequence[str]) -> int:
    """Run the loop; its exit code. An exception other than the parent's end is shown on stderr."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        Loop(jobs.decode(Job, arguments)).run()
    except ParentEnded:
        return EXIT_PARENT
    return EXIT_PARENT


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
