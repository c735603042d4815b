# SPDX-License-Identifier: Apache-2.0
"""A session: takes requests one by one, and between them lets the program move.

The program moves in this thread. Waiting requests are taken between two scans, so that a run can be paused at any
time; while it goes backwards only those that do not need the program are answered.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty

from pilotlight.plc.debugger.breakpoints import Breakpoints
from pilotlight.plc.debugger.channel import Channel
from pilotlight.plc.debugger.moving import Goal, visible
from pilotlight.plc.debugger.protocol import Malformed, ProtocolError, Request
from pilotlight.plc.debugger.target import Target
from pilotlight.plc.runner.debugging import ScanStep

THREAD = 1
"""The one thread there is: the scan."""
LATEST = 1.0
"""Seconds that a paced run may be late before it gives up catching up."""


class RequestError(Exception):
    """A request that cannot be served now; nothing was done."""


@dataclass(frozen=True)
class Stopped:
    """Why the program stands: a reason of the protocol, the breakpoints hit, and more words if there are any."""

    reason: str
    hit: tuple[int, ...] = ()
    description: str = ""


Move = Callable[[], Stopped]


class Session(ABC):
    """One client and one program."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.target: Target | None = None
        self.breakpoints = Breakpoints()
        self.speed = 1.0
        self.moving = False
        self.reversing = False
        self.ended = False
        self._next: Move | None = None
        self._pause = False

    def serve(self) -> None:
        """Take requests until the client has gone or wants no more."""
        while not self.ended:
            self._take(None)
            while self._next is not None and not self.ended:
                self._make(self._next)

    @abstractmethod
    def handle(self, request: Request) -> None:
        """Answer a request."""

    def _take(self, timeout: float | None) -> None:
        message = self.channel.next(timeout)
        if message is None:
            self.ended = True
        elif isinstance(message, ProtocolError):
            self.channel.output(f"The session ends: {message}.\n", "stderr")
            self.ended = True
        elif isinstance(message, Malformed):
            self.channel.output(f"A message was ignored: {message.why}.\n", "stderr")
        else:
            self.handle(message)

    def poll(self, wait: float) -> bool:
        """Take the requests that come within so many seconds, at least those waiting; whether to stand now."""
        end = time.monotonic() + wait
        while not (self.ended or self._pause):
            try:
                self._take(max(0.0, end - time.monotonic()))
            except Empty:
                break
        return self.ended or self._pause

    def pause(self) -> None:
        """Stand as soon as possible."""
        if not self.moving:
            raise RequestError("the program stands already")
        self._pause = True

    def move(self, move: Move) -> None:
        """Move once the request under way is answered."""
        if self.moving or self._next is not None:
            raise RequestError("the program runs: pause it first")
        self._next = move

    def halt(self) -> None:
        """Move no more: the program has been terminated."""
        self._next, self._pause, self.target = None, True, None

    def _make(self, move: Move) -> None:
        self._next, self._pause, self.moving = None, False, True
        try:
            stopped = move()
        finally:
            self.moving = False
        target = self.target
        if self.ended or target is None:
            return
        if target.stepper.current is None and target.plc.logic.ir.rungs:
            target.stepper.forward()
        if not target.stepper.exact:
            target.stepper.exact = True
            self.channel.output(
                "A repeated scan differs from what it was: a Python function of the program answered otherwise.\n",
                "important",
            )
        self.stands(stopped)

    def stands(self, stopped: Stopped) -> None:
        """Tell the client that the program stands."""
        body: dict[str, object] = {"reason": stopped.reason, "threadId": THREAD, "allThreadsStopped": True}
        if stopped.hit:
            body["hitBreakpointIds"] = list(stopped.hit)
        if stopped.description:
            body["description"] = stopped.description
        self.channel.event("stopped", **body)

    def run(self, goal: Goal | None, *, scans: int = 0, until_ns: int = 0, paced: bool = False) -> Stopped:
        """Go on to a goal, a breakpoint, so many scans, or a simulated time; 0 is no bound."""
        made, due = 0, time.monotonic()
        while self.target is not None:
            stepper = self.target.stepper
            if goal is None and not self.breakpoints.armed:
                stepper.scan()
                step = None
            else:
                step = stepper.forward()
            if step is not None:
                hit = self._hits(self.target, step)
                if hit:
                    return Stopped("breakpoint", hit)
                if goal is not None and goal(step):
                    return Stopped("step")
                continue
            made += 1
            wait = 0.0
            if paced and self.speed > 0:
                due = max(due + self.target.plc.points.dt_ns / 1e9 / self.speed, time.monotonic() - LATEST)
                wait = max(0.0, due - time.monotonic())
            if self.poll(wait):
                break
            if made == scans or (goal is not None and not self.target.has_rungs):
                return Stopped("step")
            if until_ns and stepper.time_ns >= until_ns:
                return Stopped("step")
        return Stopped("pause")

    def run_back(self, goal: Goal) -> Stopped:
        """Go back to the last stop that is the goal, or to the oldest one that is retained."""
        target = self.target
        if target is None:
            return Stopped("pause")
        self.reversing = True
        try:
            found = target.stepper.back(goal, lambda: self.poll(0.0))
        finally:
            self.reversing = False
        if found:
            return Stopped("step")
        return Stopped("pause") if self._pause else Stopped("step", description="The oldest scan that is retained")

    def run_back_to_breakpoint(self) -> Stopped:
        """Go back to the last stop with a breakpoint."""
        target = self.target
        if target is None:
            return Stopped("pause")
        stopped = self.run_back(lambda step: bool(self._standing(target, step)))
        current = target.stepper.current
        hit = self._standing(target, current) if current is not None and not stopped.description else ()
        return Stopped("breakpoint", hit) if hit else stopped

    def _standing(self, target: Target, step: ScanStep) -> tuple[int, ...]:
        """Breakpoints that stop here whatever they count; for the way back."""
        if not _first_on_line(target, step):
            return ()
        return tuple(
            each.number for each in self.breakpoints if each.at(step) and not each.log and each.asks(target.holds)
        )

    def _hits(self, target: Target, step: ScanStep) -> tuple[int, ...]:
        """Breakpoints that stop here; logpoints write."""
        hit: list[int] = []
        for each in self.breakpoints:
            if not each.at(step) or not _first_on_line(target, step) or not each.asks(target.holds) or not each.hit():
                continue
            if each.log:
                self.channel.output(each.message(target.log) + "\n")
            else:
                hit.append(each.number)
        return tuple(hit)

    def need(self) -> Target:
        """The program; RequestError when there is none or it must not be touched now."""
        if self.target is None:
            raise RequestError("no program: send launch first")
        if self.reversing:
            raise RequestError("notStopped")
        return self.target

    def need_standing(self) -> Target:
        """The program while it stands; RequestError."""
        target = self.need()
        if self.moving:
            raise RequestError("notStopped")
        return target


def _first_on_line(target: Target, step: ScanStep) -> bool:
    """Whether a stop is the first of its rung on its line: a line is one place, whatever it has."""
    if not visible(step):
        return False
    steps = target.stepper.steps
    if len(steps) < 2 or not visible(steps[-2]) or step.kind == "rung":
        return True
    last = steps[-2]
    return _place(last) != _place(step)


def _place(step: ScanStep) -> tuple[object, ...]:
    return step.task, step.call_stack, step.rung_index, step.source_line
