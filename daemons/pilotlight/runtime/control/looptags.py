# SPDX-License-Identifier: Apache-2.0
"""Segment `control`: the messages of every tick, what the servos do, and the counters of the status file."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.messagetags import (
    CONTROLLER_TAGS,
    ESTIMATOR_TAGS,
    SENSOR_TAGS,
)
from pilotlight.runtime.control.samples import Command, Estimate, Reason
from pilotlight.runtime.control.selection import Source
from pilotlight.runtime.control.tick import ActuatorOutput, ControlOutput
from pilotlight.runtime.control.tools.status import BOOLEANS, DERIVED, KEYS
from pilotlight.tags import Directory, Tag, Type
from pilotlight.tags.messages import FourInts, SensorSnapshot

SEGMENT = "control"
STATUS_PREFIX = "Status."
STATUS_NUMBERS = tuple(key for key in KEYS if key not in DERIVED and key not in BOOLEANS)
STATUS_FLAGS = tuple(key for key in KEYS if key in BOOLEANS)
_REASONS = ", ".join(f"{reason.value} {reason.name}" for reason in Reason)
_SOURCES = ", ".join(f"{source.value} {source.name}" for source in Source)
_LOOP = (
    Tag("Servo.Reason", Type.USINT, description=f"why servos are in failsafe: {_REASONS}"),
    Tag("Servo.Latched", Type.USINT, description="what keeps servos in failsafe: 1 kill switch, 2 errors of servos"),
    Tag("Estimator.Source", Type.USINT, description=f"where the estimate came from: {_SOURCES}"),
    Tag("Controller.Source", Type.USINT, description=f"where the command came from: {_SOURCES}"),
    Tag("Controller.Reason", Type.USINT, description=f"why it is a failsafe command: {_REASONS}"),
)
_PULSES = tuple(Tag(f"Servo.Pulse{number}", Type.UDINT, unit="us", description="pulse width") for number in range(4))
_ANGLES = tuple(
    Tag(f"SetPoint.{axis}", Type.LREAL, unit="rad", description="angle that the native controller turns to")
    for axis in ("Roll", "Pitch")
)
_SAMPLES = tuple(
    Tag(f"Sample.{sensor}Time", Type.ULINT, unit="ns", description="when the sample that is used was read; 0 for none")
    for sensor in ("Imu", "Baro")
)
OVERRUN_GROUPS = ("Imu", "Estimator", "Control", "Actuator", "Baro")
_OVERRUNS = tuple(
    Tag(f"Overruns.{group}", Type.ULINT, description="slots that were skipped, since a step was late")
    for group in OVERRUN_GROUPS
)
_STATUS = tuple(
    [Tag(STATUS_PREFIX + key, Type.ULINT) for key in STATUS_NUMBERS]
    + [Tag(STATUS_PREFIX + key, Type.BOOL) for key in STATUS_FLAGS]
)
_PARTS = (SENSOR_TAGS, ESTIMATOR_TAGS, CONTROLLER_TAGS, _LOOP, _PULSES, _ANGLES, _SAMPLES, _OVERRUNS, _STATUS)
TAGS = tuple(tag for part in _PARTS for tag in part)


def status_of(values: Mapping[str, object]) -> dict[str, bool | int]:
    """The values of the status file out of those of the segment's tags, by name."""
    numbers: dict[str, int] = {}
    flags: dict[str, bool] = {}
    for key in (*STATUS_NUMBERS, *STATUS_FLAGS):
        value = values[STATUS_PREFIX + key]
        if not isinstance(value, int):
            raise ValueError(f"{STATUS_PREFIX}{key} is no number")
        if key in BOOLEANS:
            flags[key] = bool(value)
        else:
            numbers[key] = int(value)
    return {**numbers, **flags}


class LoopTags:
    """Stages the values; publishing is the loop's."""

    def __init__(self, directory: Directory, image: memoryview) -> None:
        """`directory` has to be that of `TAGS`; ValueError otherwise."""
        if len(directory) != len(TAGS) or any(directory[index] != tag for index, tag in enumerate(TAGS)):
            raise ValueError("the segment is not that of this control loop")
        self._image = image
        offsets = [directory.offset(index) for index in range(len(TAGS))]
        at = 0
        places: list[list[int]] = []
        for part in _PARTS:
            places.append(offsets[at : at + len(part)])
            at += len(part)
        self._sensor, self._estimator, self._controller, self._loop, self._pulses, self._angles = places[:6]
        self._samples, self._overruns, self._status = places[6:]

    def set_control(self, output: ControlOutput) -> None:
        """Stage what a control tick saw and decided."""
        seq, now_ns = output.snapshot.seq, output.snapshot.t_ns
        self._set_snapshot(output.snapshot)
        self._set_estimate(seq, now_ns, output.estimate)
        self._set_command(seq, now_ns, output.command)
        self._image[self._loop[2]] = int(output.estimate_source)
        self._image[self._loop[3]] = int(output.command_source)
        self._image[self._loop[4]] = int(output.command.reason)

    def _set_snapshot(self, snapshot: SensorSnapshot) -> None:
        image, at = self._image, self._sensor
        struct.pack_into("<QQ", image, at[0], snapshot.seq, snapshot.t_ns)
        image[at[2]] = snapshot.imu_valid
        image[at[3]] = snapshot.baro_valid
        air = snapshot.pressure_pa, snapshot.temperature_c
        struct.pack_into("<8d", image, at[4], *snapshot.accel, *snapshot.gyro, *air)

    def _set_estimate(self, seq: int, now_ns: int, estimate: Estimate) -> None:
        image, at = self._image, self._estimator
        struct.pack_into("<QQ", image, at[0], seq, now_ns)
        image[at[2]] = estimate.valid
        struct.pack_into("<10f", image, at[3], *estimate.attitude, *estimate.velocity, *estimate.position)

    def _set_command(self, seq: int, now_ns: int, command: Command) -> None:
        image, at = self._image, self._controller
        struct.pack_into("<QQ", image, at[0], seq, now_ns)
        image[at[2]] = command.armed and command.valid
        struct.pack_into("<4f", image, at[3], *command.servos)

    def set_actuator(self, output: ActuatorOutput, latched: Latch) -> None:
        """Stage what an actuator step decided, and what is latched after it."""
        self._image[self._loop[0]] = int(output.reason)
        self._image[self._loop[1]] = int(latched)
        self._set_pulses(output.pulses)

    def _set_pulses(self, pulses: FourInts) -> None:
        struct.pack_into("<4I", self._image, self._pulses[0], *pulses)

    def set_failsafe(self, pulses: FourInts, reason: Reason, latched: Latch) -> None:
        """Stage the pulses that the loop leaves behind."""
        self._image[self._loop[0]] = int(reason)
        self._image[self._loop[1]] = int(latched)
        self._set_pulses(pulses)

    def set_points(self, roll: float, pitch: float) -> None:
        """Stage the set-points."""
        struct.pack_into("<2d", self._image, self._angles[0], roll, pitch)

    def set_samples(self, imu_ns: int, baro_ns: int) -> None:
        """Stage when the samples were read that the loop uses."""
        struct.pack_into("<2Q", self._image, self._samples[0], imu_ns, baro_ns)

    def set_overruns(self, counts: Sequence[int]) -> None:
        """Stage the skipped slots of the `OVERRUN_GROUPS`."""
        struct.pack_into(f"<{len(OVERRUN_GROUPS)}Q", self._image, self._overruns[0], *counts)

    def set_status(self, values: Mapping[str, bool | int]) -> None:
        """Stage the counters; a key that is not given counts as 0."""
        numbers = [int(values.get(key, 0)) for key in STATUS_NUMBERS]
        struct.pack_into(f"<{len(numbers)}Q", self._image, self._status[0], *numbers)
        for key, offset in zip(STATUS_FLAGS, self._status[len(numbers) :], strict=True):
            self._image[offset] = int(values.get(key, 0))
