# SPDX-License-Identifier: Apache-2.0
"""The control process as its parent sees it: its mailboxes, segment and ring are made here, and outlive it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pilotlight.io import jobs
from pilotlight.io.edges import EdgeInput
from pilotlight.io.pulse import drive_safe
from pilotlight.runtime.children import END_S, ENVIRONMENT, ChildProcess, memory_of
from pilotlight.runtime.control import orders
from pilotlight.runtime.control.actuator import Mapper
from pilotlight.runtime.control.controljob import ControlJob
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.looptags import SEGMENT, TAGS
from pilotlight.runtime.control.opening import pulse_channels
from pilotlight.runtime.control.recording import RING_CAPACITY
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.steps import LARGEST
from pilotlight.runtime.launcher import READABLE
from pilotlight.tags import CommandRing, SegmentWriter, now_ns
from pilotlight.tags.mailbox import USUAL_PLACES, MailboxError, OwnedMailbox, Places
from pilotlight.tags.messages import CONTROLLER_COMMAND, ESTIMATOR_STATE, SENSOR_SNAPSHOT

LIMIT_NS = 100_000_000
SUPERVISOR_NS = 2_000_000_000
MEMORY = 256 << 20


def drive_failsafe(settings: ControlSettings) -> list[str]:
    """Put real servos in failsafe, whoever holds them: once the process died or hangs. Any thread may call it.

    A sentence for each that is not; empty when all are, or none is real.
    """
    if settings.runtime.sim_mode or not settings.actuator.use_hardware:
        return []
    pulses = Mapper(settings.servos, settings.actuator.slew_limit_norm_per_sec).failsafe_pulses()
    return drive_safe(pulse_channels(settings, pulses))


def _own_boxes(settings: ControlSettings, places: Places) -> Iterator[OwnedMailbox]:
    """Make the mailboxes of a process, in the order of its job; MailboxError."""
    names = settings.ipc
    for name, form in (
        (names.sensor_snapshot_shm, SENSOR_SNAPSHOT),
        (names.estimator_state_shm, ESTIMATOR_STATE),
        (names.controller_command_shm, CONTROLLER_COMMAND),
    ):
        strict = settings.security.require_local_ipc_permissions
        yield OwnedMailbox.create(name, form, strict=strict, places=places)


def remove_boxes(settings: ControlSettings, places: Places) -> None:
    """Remove the mailboxes that a process left to the next one, when there is to be none."""
    with contextlib.suppress(MailboxError):
        for box in _own_boxes(settings, places):
            box.close()


class ControlProcess(ChildProcess):
    """A spawned control process. The parent has to `touch` it well within 2 s, and to read its reports."""

    what = "the control process"
    work = "a step of the control loop"

    def __init__(
        self,
        settings: ControlSettings,
        child: subprocess.Popen[bytes],
        boxes: list[OwnedMailbox],
        writer: SegmentWriter,
        ring: CommandRing,
        reports: int,
        recording: CommandRing | None,
    ) -> None:
        super().__init__(child, writer, ring, reports, SEGMENT)
        self.recording = recording
        """Every step of the loop, for a `FlightRecorder`; None when nobody records."""
        self.settings = settings
        self._boxes = boxes
        self._number = 0

    @classmethod
    def spawn(
        cls,
        config: str,
        switch: EdgeInput | None = None,
        places: Places = USUAL_PLACES,
        record: bool = False,
        simulated: bool = False,
        limit_ns: int = LIMIT_NS,
        simulator: tuple[int, int] | None = None,
        latched: Latch = Latch.NONE,
    ) -> ControlProcess:
        """Start the process for the text of a configuration; `switch` is the kill switch's line, `limit_ns` how long
        after its slot a step may end before the process counts as hung, `latched` what keeps it in failsafe.

        `simulator` are the descriptors of the messages from and to the bridge of a simulator, if the loop flies with
        one. With `simulated` it has simulated devices whatever the configuration says. With `record` its steps have to
        be taken out of `recording` several times a second.

        Call it in the main thread: the process ends when the thread that spawned it ends. Raises ControlSettingsError,
        MailboxError, SegmentError or OSError, with nothing left behind.
        """
        settings, _ = read(config)
        with contextlib.ExitStack() as undo:
            boxes = []
            for box in _own_boxes(settings, places):
                boxes.append(box)
                undo.callback(box.close)
            writer = SegmentWriter.create(SEGMENT, TAGS, publish=False)
            undo.callback(writer.close)
            ring = CommandRing.create(slot=orders.SLOT)
            undo.callback(ring.close)
            ring.touch(now_ns())
            recording = CommandRing.create(RING_CAPACITY, LARGEST) if record else None
            if recording is not None:
                undo.callback(recording.close)
            reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            undo.callback(os.close, reading)
            text = memory_of(max(1, len(config.encode())))
            os.pwrite(text, config.encode(), 0)
            lines = () if switch is None else switch.descriptors()
            handle = "" if switch is None else switch.handle
            sensor, estimator, controller = (box.fd for box in boxes)
            fds = (writer.fd, ring.fd, writing, text, sensor, estimator, controller)
            job = ControlJob(
                parent=os.getpid(),
                segment=writer.fd,
                ring=ring.fd,
                reports=writing,
                config=text,
                sensor_box=sensor,
                estimator_box=estimator,
                controller_box=controller,
                recording=-1 if recording is None else recording.fd,
                switch=handle,
                simulator=-1 if simulator is None else simulator[0],
                commands=-1 if simulator is None else simulator[1],
                simulated=int(simulated),
                latched=int(latched),
                limit_ns=limit_ns,
                supervisor_ns=SUPERVISOR_NS,
                memory=MEMORY,
                readable=READABLE,
            )
            try:
                child = subprocess.Popen(
                    [sys.executable, "-s", "-S", "-P", "-B", "-m", "pilotlight.runtime.control", *jobs.encode(job)],
                    env=ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(*fds, *lines, *(simulator or ()), *([] if recording is None else [recording.fd])),
                    cwd=Path("/"),
                )
            finally:
                os.close(writing)
                os.close(text)
            undo.pop_all()
        return cls(settings, child, boxes, writer, ring, reading, recording)

    def touch(self) -> None:
        """Give it the parent's sign of life."""
        self.ring.touch(now_ns())

    def set_points(self, roll: float, pitch: float, hold_ms: int) -> int | None:
        """Ask for set-points (rad) that hold for `hold_ms`; the number of the order, whose result a DONE report tells.

        None when it is busy.
        """
        return self._order(orders.Kind.SET_POINTS, roll, pitch, hold_ms)

    @property
    def latched(self) -> Latch:
        """What keeps its servos in failsafe until somebody starts the loop, as far as it has published that."""
        return Latch.NONE if self.reader is None else Latch(int(self.reader.read("Servo.Latched")[0].value))

    def finish(self) -> int | None:
        """Ask it to end with the servos in failsafe; as `set_points`."""
        self.ending = True
        return self._order(orders.Kind.FINISH)

    def _order(self, kind: orders.Kind, roll: float = 0.0, pitch: float = 0.0, hold_ms: int = 0) -> int | None:
        self._number = self._number % 0xFFFFFFFF + 1
        pushed = self.ring.push(orders.encode(orders.Order(kind, self._number, roll, pitch, hold_ms)))
        return self._number if pushed else None

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        return self._child.poll()

    def close(self, leave_boxes: bool = False) -> None:
        """Kill it if it lives, remove its mailboxes, let go of everything. TimeoutExpired when it cannot be killed.

        With `leave_boxes` they stay for the process that is started next, so that external workers need not be started
        again with it.
        """
        gone = self.let_go()
        for box in self._boxes:
            if leave_boxes:
                box.leave()
            else:
                box.close()
        if self.recording is not None:
            self.recording.close()
        if not gone:
            raise subprocess.TimeoutExpired(self.what, END_S)
