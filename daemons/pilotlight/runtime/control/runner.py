# SPDX-License-Identifier: Apache-2.0
"""The loop over time: sleeps to the next group's slot, runs its step, publishes. One thread; no file, no socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pilotlight.runtime.commands import Report
from pilotlight.runtime.control.devices import Devices
from pilotlight.runtime.control.groups import Group, Groups
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.looptags import OVERRUN_GROUPS, LoopTags
from pilotlight.runtime.control.orders import REFUSED, Kind, decode, sound_angles
from pilotlight.runtime.control.samples import MS, Reason
from pilotlight.runtime.control.sensing import Sensing
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.status import loop_status
from pilotlight.runtime.control.steps import Kind as StepKind
from pilotlight.runtime.control.steps import (
    actuator_inputs,
    actuator_outputs,
    baro_inputs,
    control_inputs,
    control_outputs,
    end_outputs,
    estimate_outputs,
    imu_inputs,
    imu_outputs,
    latch_inputs,
    record,
    set_point_inputs,
)
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.tags import CommandRing, SegmentWriter, now_ns, sleep_until
from pilotlight.tags.mailbox import Mailbox

SLICE_NS = 50_000_000
"""Longest sleep: orders and the parent's sign of life are looked at this often."""
ORDERS_MAX = 8
"""Orders carried out at one wake-up; the rest waits for the next."""
STATUS_HZ = 10
LEAD_NS = 2_000_000
"""The first slot is so long after the start."""
IMU, ESTIMATOR, CONTROL, ACTUATOR, BARO, STATUS = range(6)
TIMED = {CONTROL: "control", ACTUATOR: "actuator", IMU: "imu", BARO: "baro"}


class EndError(Exception):
    """The loop is over; the text says why. `asked` when the parent wanted it so."""

    def __init__(self, text: str, asked: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.asked = asked


@dataclass(frozen=True)
class Parts:
    """What the loop works with."""

    settings: ControlSettings
    devices: Devices
    writer: SegmentWriter
    ring: CommandRing
    sensor_box: Mailbox
    estimator_box: Mailbox
    controller_box: Mailbox
    limit_ns: int
    """How long after its planned time a wake-up may be over before the process counts as hung."""
    supervisor_ns: int
    """How old the parent's sign of life may be."""
    tell: Callable[[Report, int, int, str], None]
    """Sends a report: kind, number of the order, value, text. Never waits."""
    recording: CommandRing | None = None
    """Takes every step, when the parent records."""
    latched: Latch = Latch.NONE
    """What was latched in the process before, and not acknowledged."""


class LoopRunner:
    """The decisions, the devices and the times."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._devices = parts.devices
        self._box_errors = 0
        self._recording = parts.recording
        self._recorded = 0
        settings = parts.settings
        threads = settings.threads
        self.loop = ControlLoop(settings)
        self._sensing = Sensing(self.loop, self._devices, settings, self._notice)
        self._tags = LoopTags(parts.writer.directory, parts.writer.image)
        rates = (threads.imu_hz, threads.estimator_hz, threads.control_hz, threads.actuator_hz, threads.baro_hz)
        names = (*(name.lower() for name in OVERRUN_GROUPS), "status")
        self._groups = [Group(name, hz) for name, hz in zip(names, (*rates, STATUS_HZ), strict=True)]
        self._timing: dict[str, bool | int] = {"sim_mode": bool(settings.runtime.sim_mode)}
        self._turn = 0
        self._points_end_ns = 0
        """When the set-points end."""
        if parts.latched:
            self.loop.latch(parts.latched)
            self._record(StepKind.LATCHES, now_ns(), latch_inputs(parts.latched), b"")

    def heartbeat(self, wake_ns: int) -> None:
        """The sign of life for a wake-up planned at `wake_ns`."""
        self._parts.writer.heartbeat(wake_ns + self._parts.limit_ns)

    def run(self) -> None:
        """Run until told to end; always leaves by EndError."""
        parts = self._parts
        start = now_ns() + LEAD_NS
        groups = Groups(self._groups, start)
        wake = start
        while True:
            self.heartbeat(wake)
            now = sleep_until(wake)
            if now - parts.ring.touched_ns > parts.supervisor_ns:
                raise EndError("the supervisor gives no sign of life")
            self._orders(now)
            if now > self._points_end_ns:
                self._turn_to(0.0, 0.0, now)
            self._slot(groups, now)
            wake = min(groups.wake_ns(), now_ns() + SLICE_NS)

    def _slot(self, groups: Groups, now: int) -> None:
        """Run every group that is due once, however slow those before it are, and publish once."""
        number = groups.due(now)
        if number < 0:
            return
        while number >= 0:
            self._groups[number].begin(now)
            self._step(number, now)
            now = now_ns()
            number = groups.due(now, number + 1)
        self._parts.writer.publish(now)

    def _step(self, number: int, now: int) -> None:
        if number == IMU:
            self._imu(now)
        elif number == ESTIMATOR:
            self.loop.estimator_step(now)
            if self._recording is not None:
                self._record(StepKind.ESTIMATOR, now, b"", estimate_outputs(self.loop.native_estimate))
        elif number == CONTROL:
            self._control()
        elif number == ACTUATOR:
            self._actuator(now)
        elif number == BARO:
            self._baro(now)
        else:
            self._status()

    def _record(self, kind: StepKind, now: int, inputs: bytes, outputs: bytes) -> None:
        """Hand a step to the recorder. One that finds no room leaves a gap in the numbers, which a replay notices."""
        if self._recording is not None:
            self._recording.push(record(kind, self._recorded, now, inputs, outputs))
            self._recorded += 1

    def _notice(self, text: str) -> None:
        self._parts.tell(Report.NOTICE, 0, 0, text)

    def _imu(self, now: int) -> None:
        sample, restart = self._sensing.imu(now)
        if self._recording is not None:
            self._record(StepKind.IMU, now, imu_inputs(sample, restart), imu_outputs(self.loop))

    def _actuator(self, now: int) -> None:
        listening = self._devices.listening(now)
        output = self.loop.actuator_step(now, listening)
        driven = self._devices.drive(output.pulses)
        self._devices.tell(output.command, now)
        self.loop.io_errors.report(driven)
        self._tags.set_actuator(output, self.loop.latched)
        if self._recording is not None:
            self._record(StepKind.ACTUATOR, now, actuator_inputs(listening, driven), actuator_outputs(output))

    def _baro(self, now: int) -> None:
        polled, sample = self._sensing.baro(now)
        if polled and self._recording is not None:
            self._record(StepKind.BARO, now, baro_inputs(sample), b"")

    def _control(self) -> None:
        parts = self._parts
        estimate, command = self._take(parts.estimator_box), self._take(parts.controller_box)
        level = self._devices.switch_level()
        # Only now: a message that was written since the slot began is not from the future.
        now = now_ns()
        output = self.loop.control_step(now, level, estimate, command)
        if self._recording is not None:
            self._record(StepKind.CONTROL, now, control_inputs(level, estimate, command), control_outputs(output))
        try:
            parts.sensor_box.write(output.snapshot.pack())
        except OSError:
            self._box_failed()
        self._tags.set_control(output)
        self._tags.set_samples(self.loop.imu.t_ns, self.loop.baro.t_ns)

    def _take(self, box: Mailbox) -> bytes | None:
        try:
            return box.take()
        except OSError:
            self._box_failed()
            return None

    def _box_failed(self) -> None:
        if self._box_errors == 0:
            self._notice("a mailbox was cut short; external workers are not heard until the loop is started anew")
        self._box_errors += 1

    def _status(self) -> None:
        """Stage the counters; the percentiles of one group are counted anew each time."""
        timed = list(TIMED)[self._turn % len(TIMED)]
        self._turn += 1
        name, group = TIMED[timed], self._groups[timed]
        jitter = group.jitter
        for permille, figure in ((500, "p50"), (950, "p95"), (990, "p99")):
            self._timing[f"{name}_jitter_{figure}_ns"] = jitter.percentile(permille)
        for number, timed_name in TIMED.items():
            self._timing[f"{timed_name}_jitter_max_ns"] = self._groups[number].jitter.greatest
            self._timing[f"{timed_name}_deadline_miss_count"] = self._groups[number].misses
        self._timing["i2c_recovery_count"] = self._sensing.recovery.recoveries
        self._tags.set_overruns([self._groups[number].overruns for number in range(len(OVERRUN_GROUPS))])
        self._tags.set_status({**self._timing, **loop_status(self.loop), **self._devices.link_status(now_ns())})

    def _orders(self, now: int) -> None:
        for _ in range(ORDERS_MAX):
            try:
                data = self._parts.ring.pop()
                if data is None:
                    return
                order = decode(data)
            except ValueError:
                self._notice("an order that makes no sense was dropped")
                continue
            if order.kind is Kind.FINISH:
                self._parts.tell(Report.DONE, order.number, 0, "")
                raise EndError("told to finish", asked=True)
            code = REFUSED
            if sound_angles(order.roll, order.pitch):
                self._turn_to(order.roll, order.pitch, now)
                self._points_end_ns = now + order.hold_ms * MS
                code = 0
            self._parts.tell(Report.DONE, order.number, code, "")

    def _turn_to(self, roll: float, pitch: float, now: int) -> None:
        """Take set-points."""
        if (roll, pitch) == (self.loop.roll_set, self.loop.pitch_set):
            return
        self.loop.roll_set, self.loop.pitch_set = roll, pitch
        self._tags.set_points(roll, pitch)
        self._record(StepKind.SET_POINTS, now, set_point_inputs(roll, pitch), b"")

    def leave_safe(self) -> bool:
        """Put the servos in failsafe, at the end of the loop, and publish that; whether the servos took it."""
        pulses = self.loop.failsafe_pulses()
        driven = self._devices.drive(pulses)
        self._record(StepKind.END, now_ns(), b"", end_outputs(self.loop))
        self._tags.set_failsafe(pulses, self.loop.failsafe.active or Reason.COMMAND_TIMEOUT, self.loop.latched)
        self._status()
        self._parts.writer.publish(now_ns())
        return driven
