# SPDX-License-Identifier: Apache-2.0
"""The control process as its parent sees it: its mailboxes, segment and ring are made here, and outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from pilotlight.io import jobs
from pilotlight.io.edges import EdgeInput
from pilotlight.io.pulse import drive_safe
from pilotlight.runtime import commands
from pilotlight.runtime.commands import Message
from pilotlight.runtime.control import orders
from pilotlight.runtime.control.actuator import Mapper
from pilotlight.runtime.control.controljob import ControlJob
from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.looptags import SEGMENT, TAGS
from pilotlight.runtime.control.opening import pulse_channels
from pilotlight.runtime.control.recording import RING_CAPACITY
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.steps import LARGEST
from pilotlight.runtime.launcher import READABLE
from pilotlight.runtime.process import ENVIRONMENT, memory_of
from pilotlight.tags import CommandRing, SegmentWriter, now_ns
from pilotlight.tags.mailbox import USUAL_PLACES, OwnedMailbox, Places
from pilotlight.tags.messages import CONTROLLER_COMMAND, ESTIMATOR_STATE, SENSOR_SNAPSHOT

LIMIT_NS = 100_000_000
SUPERVISOR_NS = 2_000_000_000
MEMORY = 256 << 20
END_S = 2.0
"""How long a killed process may take to be gone."""


class ControlProcess:
    """A spawned control process. The parent has to `touch` it well within 2 s, and to read its reports."""

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
        self.pid = child.pid
        self.reports = reports
        """Descriptor that becomes readable when there is a report; for the parent's event loop."""
        self.recording = recording
        """Every step of the loop, for a `FlightRecorder`; None when nobody records."""
        self._settings = settings
        self._child = child
        self._boxes = boxes
        self._writer = writer
        self._ring = ring
        self._number = 0

    @classmethod
    def spawn(
        cls, config: str, switch: EdgeInput | None = None, places: Places = USUAL_PLACES, record: bool = False
    ) -> ControlProcess:
        """Start the process for the text of a configuration; `switch` is the kill switch's line.

        With `record` its steps have to be taken out of `recording` several times a second.

        Call it in the main thread: the process ends when the thread that spawned it ends. Raises ControlSettingsError,
        MailboxError, SegmentError or OSError, with nothing left behind.
        """
        settings, _ = read(config)
        names = settings.ipc
        kinds = (
            (names.sensor_snapshot_shm, SENSOR_SNAPSHOT),
            (names.estimator_state_shm, ESTIMATOR_STATE),
            (names.controller_command_shm, CONTROLLER_COMMAND),
        )
        with contextlib.ExitStack() as undo:
            boxes = []
            for name, form in kinds:
                strict = settings.security.require_local_ipc_permissions
                boxes.append(OwnedMailbox.create(name, form, strict=strict, places=places))
                undo.callback(boxes[-1].close)
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
                limit_ns=LIMIT_NS,
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
                    pass_fds=(*fds, *lines, *([] if recording is None else [recording.fd])),
                    cwd=Path("/"),
                )
            finally:
                os.close(writing)
                os.close(text)
            undo.pop_all()
        return cls(settings, child, boxes, writer, ring, reading, recording)

    def activate(self) -> None:
        """Make its segment the present epoch, once it has reported READY. Raises SegmentError."""
        self._writer.activate()

    def touch(self) -> None:
        """Give it the parent's sign of life."""
        self._ring.touch(now_ns())

    def next_report(self) -> Message | None:
        """The next report, None when there is none. ValueError for bytes that are none."""
        try:
            data = os.read(self.reports, commands.REPORT)
        except BlockingIOError:
            return None
        return commands.parse(data) if data else None

    def set_points(self, roll: float, pitch: float) -> int | None:
        """Ask for set-points (rad); the number of the order, whose result a DONE report tells. None when it is busy."""
        return self._order(orders.Kind.SET_POINTS, roll, pitch)

    def finish(self) -> int | None:
        """Ask it to end with the servos in failsafe; as `set_points`."""
        return self._order(orders.Kind.FINISH)

    def _order(self, kind: orders.Kind, roll: float = 0.0, pitch: float = 0.0) -> int | None:
        self._number = self._number % 0xFFFFFFFF + 1
        pushed = self._ring.push(orders.encode(orders.Order(kind, self._number, roll, pitch)))
        return self._number if pushed else None

    def drive_failsafe(self) -> list[str]:
        """Put real servos in failsafe once the process died or was killed; a sentence for each that is not."""
        actuator = self._settings.actuator
        if self._settings.runtime.sim_mode or not actuator.use_hardware:
            return []
        pulses = Mapper(self._settings.servos, actuator.slew_limit_norm_per_sec).failsafe_pulses()
        return drive_safe(pulse_channels(self._settings, pulses))

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        return self._child.poll()

    def close(self) -> None:
        """Kill it if it lives, remove its mailboxes, let go of everything. TimeoutExpired when it cannot be killed."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        self._child.wait(END_S)
        for box in self._boxes:
            box.close()
        self._writer.close()
        self._ring.close()
        if self.recording is not None:
            self.recording.close()
        os.close(self.reports)
