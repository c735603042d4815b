# SPDX-License-Identifier: Apache-2.0
"""Reads the sensors into the loop, starts those anew that fail, and tells people why the loop has to do without."""

from __future__ import annotations

from collections.abc import Callable

from pilotlight.runtime.control.devices import Devices
from pilotlight.runtime.control.recovery import DeviceRecovery
from pilotlight.runtime.control.samples import MS, BaroSample, ImuSample
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.control.tick import ControlLoop

SAY_NS = 10_000 * MS
"""A sensor is spoken of this often at most."""


class Trouble:
    """What is said of one sensor: that the loop does without it, and why; and when that is over."""

    def __init__(self, what: str, say: Callable[[str], None]) -> None:
        self._what = what
        self._say = say
        self._said_ns = -SAY_NS
        self._lost = False

    def step(self, stale: bool, reason: str, now_ns: int) -> None:
        """Take whether the loop has no sample it can use, and why, as far as is known."""
        if stale and reason and not self._lost and now_ns - self._said_ns >= SAY_NS:
            self._said_ns = now_ns
            self._lost = True
            self._say(f"the control loop does without its {self._what}: {reason}")
        elif self._lost and not stale:
            self._lost = False
            self._say(f"the control loop has its {self._what} again")


class Sensing:
    """The polls of the sensors. One thread; nothing waits."""

    def __init__(
        self, loop: ControlLoop, devices: Devices, settings: ControlSettings, say: Callable[[str], None]
    ) -> None:
        """`say` takes a sentence for people; it must not wait."""
        self._loop = loop
        self._devices = devices
        self._motion = Trouble("motion sensor", say)
        self._air = Trouble("barometer", say)
        baro = settings.baro
        self.recovery = DeviceRecovery(baro.recovery_error_threshold, baro.recovery_backoff_ms)
        """Of the barometer."""

    def imu(self, now_ns: int) -> tuple[ImuSample | None, bool]:
        """Read the motion sensor. What was read, and whether it is started anew: the inputs of the loop's step."""
        loop, devices = self._loop, self._devices
        sample = devices.read_imu(now_ns)
        loop.imu_step(sample, now_ns)
        restart = devices.imu_ready() and loop.watchdog.wants_reinit(now_ns)
        if restart:
            devices.restart_imu()
            loop.watchdog.reinitialised(now_ns)
        reason = devices.motion_trouble
        if loop.watchdog.blocking:
            reason = reason or f"its samples make no sense: {loop.watchdog.last_fault.name}"
        self._motion.step(loop.imu_stale(now_ns), reason, now_ns)
        return sample, restart

    def baro(self, now_ns: int) -> tuple[bool, BaroSample | None]:
        """Read the barometer, unless it is left alone for now; whether the loop made a step, and what was read."""
        loop, devices, recovery = self._loop, self._devices, self.recovery
        if recovery.stopped:
            if not recovery.due(now_ns):
                return False, None
            recovery.resume()
            devices.restart_baro()
        sample = devices.read_baro(now_ns)
        loop.baro_step(sample)
        if sample is None:
            recovery.failed(now_ns)
        elif devices.baro_ready():
            recovery.delivered()
        self._air.step(loop.baro_stale(now_ns), devices.air_trouble, now_ns)
        return True, sample
