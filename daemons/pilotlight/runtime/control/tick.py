# SPDX-License-Identifier: Apache-2.0
"""The control loop as decisions: samples and messages go in, commands and pulses come out.

Nothing here reads a clock, a device or a file, and every step is a function of what it is given and of the steps
before it: whoever repeats the steps of a recording gets the same results to the bit.
"""

from __future__ import annotations

from typing import Final

from pilotlight.runtime.control.actuator import (
    FailsafeCounts,
    IoErrors,
    Link,
    Mapper,
    command_stale,
    override_reason,
)
from pilotlight.runtime.control.controller import Controller
from pilotlight.runtime.control.estimator import Estimator
from pilotlight.runtime.control.external import ControllerGate, EstimatorGate, Rejects
from pilotlight.runtime.control.killswitch import KillSwitch
from pilotlight.runtime.control.latches import Latch
from pilotlight.runtime.control.samples import (
    NO_BARO,
    NO_ESTIMATE,
    NO_IMU,
    BaroSample,
    Command,
    Estimate,
    ImuSample,
    Reason,
    Record,
    aged_ms,
)
from pilotlight.runtime.control.selection import (
    Source,
    control_reason,
    sanitized,
    select_command,
    select_estimate,
    usable,
)
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.watchdog import ImuWatchdog
from pilotlight.tags.messages import Four, FourInts, SensorSnapshot

NATIVE: Final = "cpp_native"


class ControlOutput(Record):
    """What a control tick decided."""

    def __init__(
        self,
        snapshot: SensorSnapshot,
        estimate: Estimate,
        estimate_source: Source,
        command: Command,
        command_source: Source,
    ) -> None:
        self.snapshot: Final = snapshot
        self.estimate: Final = estimate
        self.estimate_source: Final = estimate_source
        self.command: Final = command
        self.command_source: Final = command_source

    def values(self) -> tuple[object, ...]:
        return self.snapshot, self.estimate, self.estimate_source, self.command, self.command_source


class ActuatorOutput(Record):
    """What an actuator step decided: the pulses in µs, and the command as it was before any override."""

    def __init__(self, pulses: FourInts, reason: Reason, command: Command | None) -> None:
        self.pulses: Final = pulses
        self.reason: Final = reason
        self.command: Final = command

    def values(self) -> tuple[object, ...]:
        return self.pulses, self.reason, self.command


class ControlLoop:
    """The state of the loop. Each group of steps has its own rate; all take the time of the step."""

    def __init__(self, settings: ControlSettings) -> None:
        timeouts, gains, fins = settings.timeouts, settings.estimator_cpp, settings.controller_cpp
        self._timeouts = timeouts
        self._imu_stale_ms: int = timeouts.imu_stale_ms
        self._baro_stale_ms: int = timeouts.baro_stale_ms
        self._start_armed: bool = settings.actuator.start_armed
        self._external_estimator: bool = settings.modes.estimator_mode != NATIVE
        self._external_controller: bool = settings.modes.controller_mode != NATIVE
        self._failsafe = _failsafe_norms(settings)
        self._estimator = Estimator(gains.accel_complementary_gain, gains.baro_alt_gain)
        self._controller = Controller(fins.kp_roll, fins.kp_pitch, fins.kd_p, fins.max_deflection_norm)
        self._mapper = Mapper(settings.servos, settings.actuator.slew_limit_norm_per_sec)
        self._link = Link()
        switch = settings.killswitch
        self.killswitch = KillSwitch(
            switch.enabled, switch.nc_closed_value, switch.debounce_samples, switch.latch_on_trip
        )
        self.watchdog = ImuWatchdog(settings.imu_watchdog)
        self.rejects = Rejects()
        self.estimator_gate = EstimatorGate(timeouts.estimator_fresh_ms, self.rejects)
        self.controller_gate = ControllerGate(timeouts.controller_fresh_ms, self.rejects)
        self.io_errors = IoErrors(
            settings.actuator.latch_failsafe_on_io_errors, settings.actuator.max_io_errors_before_latch
        )
        self.failsafe = FailsafeCounts()
        self.roll_set = 0.0
        """Set-points of the native controller, rad."""
        self.pitch_set = 0.0
        self.imu = NO_IMU
        """The last sample that the loop may use."""
        self.baro = NO_BARO
        self.native_estimate = NO_ESTIMATE
        self.command: Command | None = None
        self.imu_failures = 0
        """Failed reads in a row."""
        self.baro_failures = 0
        self.imu_ticks = 0
        self.baro_ticks = 0
        self.estimator_ticks = 0
        self.control_ticks = 0
        self.actuator_ticks = 0
        self.fresh_estimates = 0
        """Ticks that used a fresh external estimate."""
        self.fresh_commands = 0
        self.command_age_ns = 0
        self.command_age_max_ns = 0
        self.missed_commands = 0
        """Actuator steps without a command that is young enough."""

    def latch(self, latched: Latch) -> None:
        """Take over what was latched in the process before; the first step of a loop."""
        if Latch.KILL_SWITCH in latched:
            self.killswitch.trip()
        if Latch.IO_ERRORS in latched:
            self.io_errors.latch()

    @property
    def latched(self) -> Latch:
        """What keeps the servos in failsafe to the end, and beyond it."""
        found = Latch.KILL_SWITCH if self.killswitch.latched else Latch.NONE
        return found | Latch.IO_ERRORS if self.io_errors.latched else found

    def imu_step(self, sample: ImuSample | None, now_ns: int) -> None:
        """Take a sample of the motion sensor, or None when it could not be read: the last one then goes on to age."""
        self.imu_ticks += 1
        if sample is None:
            self.imu_failures += 1
            self.watchdog.unreadable()
        else:
            self.imu_failures = 0
            usable = self.watchdog.step(sample, now_ns)
            self.imu = usable if usable.finite() else NO_IMU

    def baro_step(self, sample: BaroSample | None) -> None:
        """Take a sample of the barometer, or None when it could not be read."""
        self.baro_ticks += 1
        if sample is None:
            self.baro_failures += 1
        else:
            self.baro_failures = 0
            self.baro = sample

    @property
    def degraded(self) -> bool:
        """Whether a sensor failed so often in a row that it counts as lost; over as soon as it is read again."""
        lost = self._timeouts.max_consecutive_imu_failures, self._timeouts.max_consecutive_baro_failures
        return self.imu_failures >= lost[0] or self.baro_failures >= lost[1]

    def imu_stale(self, now_ns: int) -> bool:
        """Whether there is no motion sample that can be used now."""
        return not self.imu.valid or aged_ms(now_ns, self.imu.t_ns, self._imu_stale_ms)

    def baro_stale(self, now_ns: int) -> bool:
        """Whether there is no barometer sample that can be used now."""
        return not self.baro.usable() or aged_ms(now_ns, self.baro.t_ns, self._baro_stale_ms)

    def estimator_step(self, now_ns: int) -> None:
        """Let the native estimator take the samples; it always runs, as the one to fall back to."""
        self.estimator_ticks += 1
        self.native_estimate = self._estimator.step(self.imu, NO_BARO if self.baro_stale(now_ns) else self.baro)

    def control_step(
        self, now_ns: int, switch_level: int | None, estimate: bytes | None, command: bytes | None
    ) -> ControlOutput:
        """Decide the command of this tick.

        `switch_level` is the level of the kill switch's line, None when it cannot be read. `estimate` and `command`
        are new messages of external workers, or None.
        """
        self.control_ticks += 1
        imu_stale, baro_stale = self.imu_stale(now_ns), self.baro_stale(now_ns)
        kill = self.killswitch.step(switch_level)
        snapshot = self._snapshot(now_ns, imu_stale, baro_stale)
        used, estimate_source = self._estimate(now_ns, estimate)
        chosen, command_source = self._choose(now_ns, used, kill, command)
        reason = control_reason(kill, imu_stale, used.valid)
        if reason is not Reason.NONE:
            chosen, command_source = Command(True, False, now_ns, self._failsafe, reason), Source.FAILSAFE
        self.command = sanitized(chosen, now_ns)
        return ControlOutput(snapshot, used, estimate_source, self.command, command_source)

    def _snapshot(self, now_ns: int, imu_stale: bool, baro_stale: bool) -> SensorSnapshot:
        imu, baro = self.imu, self.baro
        accel, gyro = (imu.ax, imu.ay, imu.az), (imu.gx, imu.gy, imu.gz)
        pressure, temperature = baro.pressure_pa, baro.temperature_c
        seq, imu_valid, baro_valid = self.control_ticks, not imu_stale, not baro_stale
        return SensorSnapshot(seq, now_ns, imu_valid, baro_valid, accel, gyro, pressure, temperature)

    def _estimate(self, now_ns: int, message: bytes | None) -> tuple[Estimate, Source]:
        fresh_ms, hold_ms = self._timeouts.estimator_fresh_ms, self._timeouts.estimator_hold_ms
        if not self._external_estimator:
            return usable(self.native_estimate, now_ns, hold_ms)
        if message is not None:
            self.estimator_gate.offer(message, now_ns)
        used, source = select_estimate(self.estimator_gate.estimate, self.native_estimate, now_ns, fresh_ms, hold_ms)
        if source is Source.FRESH:
            self.fresh_estimates += 1
        return used, source

    def _choose(self, now_ns: int, used: Estimate, kill: bool, message: bytes | None) -> tuple[Command, Source]:
        if not self._external_controller:
            servos = self._controller.step(used, self.imu, self.roll_set, self.pitch_set)
            return Command(True, self._start_armed and not kill, now_ns, servos), Source.NATIVE
        if message is not None:
            self.controller_gate.offer(message, now_ns)
        fresh_ms, hold_ms = self._timeouts.controller_fresh_ms, self._timeouts.controller_hold_ms
        chosen, source = select_command(self.controller_gate.command, self._failsafe, now_ns, fresh_ms, hold_ms)
        if source is Source.FRESH:
            self.fresh_commands += 1
        return chosen, source

    def actuator_step(self, now_ns: int, connected: bool) -> ActuatorOutput:
        """Decide the pulses; `connected` is whether the simulator listens, True without one."""
        self.actuator_ticks += 1
        command = self.command
        link_down = self._link.step(connected, now_ns)
        stale = command_stale(command, now_ns, self._timeouts.actuator_cmd_timeout_ms)
        if stale:
            self.missed_commands += 1
        if command is not None:
            self.command_age_ns = now_ns - command.t_ns
            self.command_age_max_ns = max(self.command_age_max_ns, self.command_age_ns)
        reason = override_reason(
            self.io_errors.latched,
            self.killswitch.active,
            self.imu_stale(now_ns),
            link_down,
            stale,
            Reason.NONE if command is None else command.reason,
        )
        self.failsafe.step(reason)
        norms = self._failsafe if command is None else command.servos
        armed = command is not None and command.armed and command.valid
        pulses = self._mapper.step(norms, armed, reason is not Reason.NONE, now_ns)
        return ActuatorOutput(pulses, reason, command)

    def failsafe_pulses(self) -> FourInts:
        """The pulses for when nobody steps any more."""
        return self._mapper.failsafe_pulses()


def _failsafe_norms(settings: ControlSettings) -> Four:
    a, b, c, d = settings.servos
    return a.failsafe_norm, b.failsafe_norm, c.failsafe_norm, d.failsafe_norm
