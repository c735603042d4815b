# SPDX-License-Identifier: Apache-2.0
"""A step of the loop as bytes: what went in and what came out, so that it can be repeated and compared to the bit.

Every record is a head (kind, length of head and inputs, number, time), the inputs and the outputs. The numbers of the
records follow each other: a gap tells that some were lost.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.samples import BaroSample, Estimate, ImuSample
from pilotlight.runtime.control.tick import ActuatorOutput, ControlLoop, ControlOutput
from pilotlight.tags.messages import CONTROLLER_COMMAND, ESTIMATOR_STATE

LARGEST: Final = 512
"""No record is longer."""
_HEAD: Final = struct.Struct("<BxHIq")
_IMU: Final = struct.Struct("<BBBxq6d")
_BARO: Final = struct.Struct("<BBq2d")
_ESTIMATE: Final = struct.Struct("<Bq10f")
_CONTROL: Final = struct.Struct("<bBB")
_COMMAND: Final = struct.Struct("<BBBBB4d")
_ACTUATOR: Final = struct.Struct("<BB")
_PULSES: Final = struct.Struct("<B4I")
_END: Final = struct.Struct("<4I")
_ANGLES: Final = struct.Struct("<2d")
_LATCHES: Final = struct.Struct("<B")
_UNREADABLE: Final = -1


class Kind(enum.IntEnum):
    """The steps."""

    IMU = 1
    BARO = 2
    ESTIMATOR = 3
    CONTROL = 4
    ACTUATOR = 5
    SET_POINTS = 6
    LATCHES = 7
    END = 8
    """The loop ends, servos in failsafe."""


class StepError(ValueError):
    """Bytes that are no step."""


def imu_inputs(sample: ImuSample | None, restart: bool) -> bytes:
    """The inputs of an IMU step; one of them is whether the sensor was started anew after it."""
    if sample is None:
        return _IMU.pack(0, 0, restart, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    s = sample
    return _IMU.pack(1, s.valid, restart, s.t_ns, s.ax, s.ay, s.az, s.gx, s.gy, s.gz)


def imu_outputs(loop: ControlLoop) -> bytes:
    """The sample the loop uses now, and how the sensor stands."""
    s = loop.imu
    return _IMU.pack(loop.watchdog.state, s.valid, 0, s.t_ns, s.ax, s.ay, s.az, s.gx, s.gy, s.gz)


def baro_inputs(sample: BaroSample | None) -> bytes:
    if sample is None:
        return _BARO.pack(0, 0, 0, 0.0, 0.0)
    return _BARO.pack(1, sample.valid, sample.t_ns, sample.pressure_pa, sample.temperature_c)


def estimate_outputs(estimate: Estimate) -> bytes:
    return _ESTIMATE.pack(estimate.valid, estimate.t_ns, *estimate.attitude, *estimate.velocity, *estimate.position)


def control_inputs(level: int | None, estimate: bytes | None, command: bytes | None) -> bytes:
    head = _CONTROL.pack(_UNREADABLE if level is None else level, estimate is not None, command is not None)
    return head + (estimate or b"") + (command or b"")


def control_outputs(output: ControlOutput) -> bytes:
    command = output.command
    flags = (command.valid, command.armed, command.reason, output.command_source, output.estimate_source)
    packed = _COMMAND.pack(*flags, *command.servos)
    return output.snapshot.pack() + estimate_outputs(output.estimate) + packed


def actuator_inputs(connected: bool, written: bool) -> bytes:
    """Whether the simulator listened, and whether the servos took the pulses of this step."""
    return _ACTUATOR.pack(connected, written)


def actuator_outputs(output: ActuatorOutput) -> bytes:
    return _PULSES.pack(output.reason, *output.pulses)


def end_outputs(loop: ControlLoop) -> bytes:
    """What is left to the servos when the loop ends."""
    return _END.pack(*loop.failsafe_pulses())


def set_point_inputs(roll: float, pitch: float) -> bytes:
    return _ANGLES.pack(roll, pitch)


def latch_inputs(latched: Latch) -> bytes:
    return _LATCHES.pack(latched)


def record(kind: Kind, number: int, now_ns: int, inputs: bytes, outputs: bytes) -> bytes:
    """The bytes of a step."""
    return _HEAD.pack(kind, _HEAD.size + len(inputs), number & 0xFFFFFFFF, now_ns) + inputs + outputs


class Step:
    """A record taken apart. StepError for bytes that are none."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEAD.size:
            raise StepError("a step is shorter than its head")
        kind, end, number, now_ns = _HEAD.unpack_from(data)
        if not _HEAD.size <= end <= len(data) or not Kind.IMU <= kind <= Kind.END:
            raise StepError("the head of a step makes no sense")
        self.kind = Kind(kind)
        self.number: int = number
        self.now_ns: int = now_ns
        self.inputs = data[_HEAD.size : end]
        self.outputs = data[end:]

    def repeat(self, loop: ControlLoop) -> bytes:
        """Let `loop` do the step; returns its outputs. StepError when the inputs have not the right length."""
        try:
            return self._repeated(loop)
        except struct.error as error:
            raise StepError(f"a step of kind {self.kind.name} has not the right inputs") from error

    def _repeated(self, loop: ControlLoop) -> bytes:
        kind, inputs = self.kind, self.inputs
        if kind is Kind.IMU:
            return self._imu(loop)
        if kind is Kind.BARO:
            there, valid, t_ns, pressure, temperature = _BARO.unpack(inputs)
            loop.baro_step(BaroSample(valid != 0, t_ns, pressure, temperature) if there else None)
            return b""
        if kind is Kind.ESTIMATOR:
            loop.estimator_step(self.now_ns)
            return estimate_outputs(loop.native_estimate)
        if kind is Kind.CONTROL:
            return self._control(loop)
        if kind is Kind.ACTUATOR:
            connected, written = _ACTUATOR.unpack(inputs)
            output = loop.actuator_step(self.now_ns, connected != 0)
            loop.io_errors.report(written != 0)
            return actuator_outputs(output)
        if kind is Kind.END:
            return end_outputs(loop)
        if kind is Kind.LATCHES:
            loop.latch(Latch(_LATCHES.unpack(inputs)[0]))
            return b""
        loop.roll_set, loop.pitch_set = _ANGLES.unpack(inputs)
        return b""

    def _imu(self, loop: ControlLoop) -> bytes:
        there, valid, restart, t_ns, ax, ay, az, gx, gy, gz = _IMU.unpack(self.inputs)
        loop.imu_step(ImuSample(valid != 0, t_ns, ax, ay, az, gx, gy, gz) if there else None, self.now_ns)
        if restart:
            loop.watchdog.reinitialised(self.now_ns)
        return imu_outputs(loop)

    def _control(self, loop: ControlLoop) -> bytes:
        inputs = self.inputs
        level, has_estimate, has_command = _CONTROL.unpack_from(inputs)
        at = _CONTROL.size
        estimate = command = None
        if has_estimate:
            estimate = inputs[at : at + ESTIMATOR_STATE.size]
            at += ESTIMATOR_STATE.size
        if has_command:
            command = inputs[at : at + CONTROLLER_COMMAND.size]
        return control_outputs(
            loop.control_step(self.now_ns, None if level == _UNREADABLE else level, estimate, command)
        )
