# SPDX-License-Identifier: Apache-2.0
"""The thread that watches a real-time child: a crash or a hang drives the outputs safe at once.

It does nothing else, waits for nothing but the process and its deadlines, and takes no lock that is held across a
wait, so that what the rest of the daemon does cannot delay it by more than the interpreter's switching time.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from pilotlight.runtime.children import END_S, ChildProcess
from pilotlight.tags import SegmentError, now_ns

PULSE_NS = 50_000_000
"""Longest wait; the guard's sign of life goes to every child that it keeps this often."""

Child = TypeVar("Child", bound=ChildProcess)


class Guard(Generic[Child]):
    """Watches one child at a time.

    `drive_safe` gives all outputs their safe values (OSError when a chip refuses). `report` is called from the guard's
    thread with the process and the reason, after outputs are safe and the process is gone.
    """

    def __init__(self, drive_safe: Callable[[], None], report: Callable[[Child, str], None], priority: int) -> None:
        self._drive_safe = drive_safe
        self._report = report
        self._priority = priority
        self._watched: Child | None = None
        self._held: Child | None = None
        """The process that the guard's thread waits for or contains just now."""
        self._kept: set[Child] = set()
        self._lock = threading.Condition()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stop = False
        self.alive_ns = now_ns()
        """When the guard last went round."""
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; processes are no longer watched."""
        self._stop = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(END_S)
        os.close(self._wake)

    def keep(self, process: Child) -> None:
        """Give `process` signs of life from now on."""
        with self._lock:
            self._kept.add(process)

    def watch(self, process: Child | None) -> None:
        """Watch this process and no other."""
        with self._lock:
            self._watched = process
        os.eventfd_write(self._wake, 1)

    def forget(self, process: Child) -> None:
        """Neither watch nor keep this process any more; it may be closed then.

        Waits until the guard's thread has let go of it: for an instant, or until its end has been contained.
        """
        with self._lock:
            self._kept.discard(process)
            if self._watched is process:
                self._watched = None
            if self._held is process:
                os.eventfd_write(self._wake, 1)
                self._lock.wait_for(lambda: self._held is not process, 2 * END_S)

    def _run(self) -> None:
        if self._priority:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(self._priority))
            except PermissionError:
                # Refused or not is said once, by the child, which needs it more.
                self._priority = 0
        while not self._stop:
            self.alive_ns = now = now_ns()
            until = now + PULSE_NS
            fault = ""
            with self._lock:
                self._held = None
                self._lock.notify_all()
                for kept in self._kept:
                    kept.ring.touch(now)
                process = self._watched
                if process is not None:
                    # Asked before it is inspected: one that ends in between is still watched in the next round.
                    ended = process.ended()
                    fault, deadline = _inspect(process, now)
                    until = min(until, deadline)
                    if fault or ended:
                        self._watched = None
                        self._kept.discard(process)
                    if fault or not ended:
                        self._held = process
            if process is not None and fault:
                self._contain(process, fault)
            else:
                self._wait(self._held, until - now)
        with self._lock:
            self._held = None
            self._lock.notify_all()

    def _contain(self, process: Child, reason: str) -> None:
        """Outputs safe, process gone, outputs safe again in case its last act was to write them."""
        problems = [reason, self._safe()]
        process.kill()
        select.select([process.pidfd], [], [], END_S)
        problems.append(self._safe())
        self._report(process, "; ".join(dict.fromkeys(problem for problem in problems if problem)))

    def _safe(self) -> str:
        try:
            self._drive_safe()
        except OSError as error:
            return f"an output could not be driven safe: {error}"
        return ""

    def _wait(self, process: Child | None, duration_ns: int) -> None:
        """Until the process ends, the time is over or the watched process changes."""
        waits = [self._wake] if process is None else [self._wake, process.pidfd]
        ready, _, _ = select.select(waits, [], [], (duration_ns + 200_000) / 1e9)
        if self._wake in ready:
            os.eventfd_read(self._wake)


def _inspect(process: ChildProcess, now: int) -> tuple[str, int]:
    """What is wrong with a process, empty when nothing is, and when it must have given its next sign of life."""
    reason = process.exit_reason()
    if reason or process.reader is None:
        return reason, now
    try:
        deadline = process.reader.beat().deadline_ns
    except SegmentError as error:
        return f"its segment cannot be read: {error}", now
    late = now - deadline
    if late <= 0:
        return "", deadline
    return f"{process.work} did not end in time: it was {late / 1e6:.0f} ms past its deadline", now
