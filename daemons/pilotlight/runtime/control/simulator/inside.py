# SPDX-License-Identifier: Apache-2.0
"""The control loop's own decisions in the simulator's process: a configuration can be flown without a device.

What is decided is what the appliance decides, at the rates of the scenario and of the actuator group; there are no
drivers, no scheduling and no external workers. The fins follow the pulses, so failsafe and slew limit are flown too.
"""

from __future__ import annotations

from pilotlight.tags import CommandRing

from .. import steps
from ..samples import BaroSample, ImuSample, Reason
from ..settings import ControlSettings, Servo
from ..simframes import ActuatorFrame, SensorFrame
from ..steps import Kind
from ..tick import ControlLoop


class InsideLoop:
    """Answers sensor frames as an exchange of `running.fly`. `reasons` counts steps in failsafe by their reason."""

    def __init__(self, settings: ControlSettings, recording: CommandRing | None = None) -> None:
        """`recording` takes every step, for a `FlightRecorder`: at most five a frame."""
        self._settings = settings
        self._recording = recording
        self._recorded = 0
        self.loop = ControlLoop(settings)
        self.reasons = dict.fromkeys(Reason, 0)
        self._closed = settings.killswitch.nc_closed_value
        self.switch_open = False
        """Whether the kill switch is open now."""
        self.connected = True
        """Whether the simulator takes commands now."""
        self._period_ns = 1_000_000_000 // settings.threads.actuator_hz
        self._due_ns = 0
        self._answer = (False, (0.0, 0.0, 0.0, 0.0))
        self._baro = (0.0, 0.0)

    def __call__(self, frame: SensorFrame) -> ActuatorFrame:
        """One tick of the loop at the time of the frame."""
        now, loop = frame.t_ns, self.loop
        motion = ImuSample(frame.imu_valid, now, *frame.accel, *frame.gyro)
        loop.imu_step(motion, now)
        restart = loop.watchdog.wants_reinit(now)
        if restart:
            loop.watchdog.reinitialised(now)
        if self._recording is not None:
            self._record(Kind.IMU, now, steps.imu_inputs(motion, restart), steps.imu_outputs(loop))
        measured = (frame.pressure_pa, frame.temperature_c)
        if measured != self._baro:
            self._baro = measured
            air = BaroSample(frame.baro_valid, now, *measured)
            loop.baro_step(air)
            if self._recording is not None:
                self._record(Kind.BARO, now, steps.baro_inputs(air), b"")
        loop.estimator_step(now)
        if self._recording is not None:
            self._record(Kind.ESTIMATOR, now, b"", steps.estimate_outputs(loop.native_estimate))
        level = 1 - self._closed if self.switch_open else self._closed
        decided = loop.control_step(now, level, None, None)
        if self._recording is not None:
            inputs = steps.control_inputs(level, None, None)
            self._record(Kind.CONTROL, now, inputs, steps.control_outputs(decided))
        if now >= self._due_ns:
            self._due_ns = now + self._period_ns
            out = loop.actuator_step(now, self.connected)
            self.reasons[out.reason] += 1
            if self._recording is not None:
                self._record(
                    Kind.ACTUATOR, now, steps.actuator_inputs(self.connected, True), steps.actuator_outputs(out)
                )
            a, b, c, d = (turned(pulse, servo) for pulse, servo in zip(out.pulses, self._settings.servos, strict=True))
            self._answer = (True, (a, b, c, d))
        return ActuatorFrame(frame.seq, now, *self._answer)

    def _record(self, kind: Kind, now: int, inputs: bytes, outputs: bytes) -> None:
        """Hand a step to the recorder."""
        if self._recording is not None:
            self._recording.push(steps.record(kind, self._recorded, now, inputs, outputs))
            self._recorded += 1


def turned(pulse_us: int, servo: Servo) -> float:
    """The command that a servo with these settings follows with this pulse: -1 to 1 without trim."""
    span = servo.max_pwm_us if pulse_us >= servo.neutral_pwm_us else servo.min_pwm_us
    share = abs(pulse_us - servo.neutral_pwm_us) / max(1, abs(span - servo.neutral_pwm_us))
    norm = share if pulse_us >= servo.neutral_pwm_us else -share
    return norm / (servo.direction or 1.0) - servo.trim_norm
