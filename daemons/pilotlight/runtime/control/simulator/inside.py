# SPDX-License-Identifier: Apache-2.0
"""The control loop's own decisions in the simulator's process: a configuration can be flown without a device.

What is decided is what the appliance decides, at the rates of the scenario and of the actuator group; there are no
drivers, no scheduling and no external workers. The fins follow the pulses, so failsafe and slew limit are flown too.
"""

from __future__ import annotations

from ..samples import BaroSample, ImuSample, Reason
from ..settings import ControlSettings, Servo
from ..simframes import ActuatorFrame, SensorFrame
from ..tick import ControlLoop


class InsideLoop:
    """Answers sensor frames as an exchange of `running.fly`. `reasons` counts steps in failsafe by their reason."""

    def __init__(self, settings: ControlSettings) -> None:
        self._settings = settings
        self.loop = ControlLoop(settings)
        self.reasons = dict.fromkeys(Reason, 0)
        self._closed = settings.killswitch.nc_closed_value
        self._period_ns = 1_000_000_000 // settings.threads.actuator_hz
        self._due_ns = 0
        self._answer = (False, (0.0, 0.0, 0.0, 0.0))
        self._baro = (0.0, 0.0)

    def __call__(self, frame: SensorFrame) -> ActuatorFrame:
        """One tick of the loop at the time of the frame."""
        now, loop = frame.t_ns, self.loop
        loop.imu_step(ImuSample(frame.imu_valid, now, *frame.accel, *frame.gyro), now)
        measured = (frame.pressure_pa, frame.temperature_c)
        if measured != self._baro:
            self._baro = measured
            loop.baro_step(BaroSample(frame.baro_valid, now, *measured))
        loop.estimator_step(now)
        loop.control_step(now, self._closed, None, None)
        if now >= self._due_ns:
            self._due_ns = now + self._period_ns
            out = loop.actuator_step(now, connected=True)
            self.reasons[out.reason] += 1
            a, b, c, d = (turned(pulse, servo) for pulse, servo in zip(out.pulses, self._settings.servos, strict=True))
            self._answer = (True, (a, b, c, d))
        return ActuatorFrame(frame.seq, now, *self._answer)


def turned(pulse_us: int, servo: Servo) -> float:
    """The command that a servo with these settings follows with this pulse: -1 to 1 without trim."""
    span = servo.max_pwm_us if pulse_us >= servo.neutral_pwm_us else servo.min_pwm_us
    share = abs(pulse_us - servo.neutral_pwm_us) / max(1, abs(span - servo.neutral_pwm_us))
    norm = share if pulse_us >= servo.neutral_pwm_us else -share
    return norm / (servo.direction or 1.0) - servo.trim_norm
