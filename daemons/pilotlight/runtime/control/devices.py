# SPDX-License-Identifier: Apache-2.0
"""What the loop reads and drives: the protocol of its devices, and simulated ones."""

from __future__ import annotations

import math
from typing import Protocol

from pilotlight.io.lines import Request
from pilotlight.runtime.control.samples import BaroSample, ImuSample
from pilotlight.tags.messages import FourInts


class Devices(Protocol):
    """Sensors, servos and the kill switch. Nothing waits; a failure of the device is None or False, not an error."""

    def read_imu(self, now_ns: int) -> ImuSample | None:
        """The latest sample of the motion sensor, the same one again while there is no newer; None when unreadable."""

    def restart_imu(self) -> bool:
        """Start the motion sensor anew; whether that worked."""

    def read_baro(self, now_ns: int) -> BaroSample | None:
        """The latest sample of the barometer; None when it cannot be read."""

    def restart_baro(self) -> bool:
        """Start the barometer anew; whether that worked."""

    def switch_level(self) -> int | None:
        """The level of the kill switch's line; None when it cannot be read."""

    def drive(self, pulses: FourInts) -> bool:
        """Set the pulse widths (µs); whether that worked."""


class SimulatedDevices:
    """Sensors that follow slow waves of time, servos that only keep their pulses; the kill switch is a real line."""

    def __init__(self, switch: Request | None) -> None:
        """`switch` is the line of the kill switch, None when there is none."""
        self._switch = switch
        self.pulses: FourInts = (0, 0, 0, 0)

    def read_imu(self, now_ns: int) -> ImuSample | None:
        t = now_ns * 1e-9
        return ImuSample(
            True,
            now_ns,
            0.6 * math.sin(0.8 * t),
            0.5 * math.sin(1.1 * t + 0.3),
            9.80665 + 0.15 * math.cos(0.4 * t),
            0.05 * math.sin(1.3 * t),
            0.06 * math.cos(1.7 * t),
            0.04 * math.sin(0.5 * t),
        )

    def restart_imu(self) -> bool:
        return True

    def read_baro(self, now_ns: int) -> BaroSample | None:
        t = now_ns * 1e-9
        pressure = 101325.0 + 120.0 * math.sin(0.08 * t)
        return BaroSample(True, now_ns, pressure, 25.0 + 0.8 * math.sin(0.02 * t + 0.2))

    def restart_baro(self) -> bool:
        return True

    def switch_level(self) -> int | None:
        if self._switch is None:
            return None
        try:
            return self._switch.read()
        except OSError:
            return None

    def drive(self, pulses: FourInts) -> bool:
        self.pulses = pulses
        return True
