# SPDX-License-Identifier: Apache-2.0
"""What the loop reads and drives: sensors, servos and the kill switch, real or simulated, behind one class."""

from __future__ import annotations

from pilotlight.io.edges import EdgeInput
from pilotlight.io.pulse import PulseOutputs
from pilotlight.io.sensors import AirSensor, MotionSensor, SensorError
from pilotlight.runtime.control.samples import NO_BARO, NO_IMU, BaroSample, Command, ImuSample
from pilotlight.runtime.control.simlink import SimulatorLink
from pilotlight.tags.messages import FourInts


class Devices:
    """The devices of a loop. Nothing waits; a failure of a device is None or False, not an error.

    While a sensor has nothing new, its last sample is given again: its time tells how old it is.
    """

    def __init__(
        self,
        motion: MotionSensor,
        air: AirSensor,
        servos: PulseOutputs,
        switch: EdgeInput | None,
        closed: int,
        link: SimulatorLink | None = None,
    ) -> None:
        """`switch` is the line of the kill switch, None when there is none, and `closed` its level while closed.
        `link` is the simulator that the loop flies with, if it does.
        """
        self._motion = motion
        self._air = air
        self._servos = servos
        self._switch = switch
        self._closed = closed != 0
        self._link = link
        self._imu = NO_IMU
        self._baro = NO_BARO
        self.motion_trouble = ""
        """Why the motion sensor was not read last; empty since it delivered."""
        self.air_trouble = ""

    def read_imu(self, now_ns: int) -> ImuSample | None:
        """The latest sample of the motion sensor, invalid before the first; None when it cannot be read."""
        try:
            sample = self._motion.poll(now_ns)
        except SensorError as error:
            self.motion_trouble = str(error)
            return None
        if sample is not None:
            ax, ay, az = sample.accel
            gx, gy, gz = sample.gyro
            self.motion_trouble = ""
            self._imu = ImuSample(True, sample.t_ns, ax, ay, az, gx, gy, gz)
        return self._imu

    def imu_ready(self) -> bool:
        """Whether the motion sensor has delivered since it was started.

        One that has not must not be started anew, or it never gets there.
        """
        return self._motion.ready and self._imu.valid

    def restart_imu(self) -> None:
        """Let the motion sensor start anew with the next reads; what it delivered before is forgotten."""
        self._motion.start()
        self._imu = NO_IMU

    def read_baro(self, now_ns: int) -> BaroSample | None:
        """The latest sample of the barometer, invalid before the first; None when it cannot be read."""
        try:
            sample = self._air.poll(now_ns)
        except SensorError as error:
            self.air_trouble = str(error)
            return None
        if sample is not None:
            self.air_trouble = ""
            self._baro = BaroSample(True, sample.t_ns, sample.pressure_pa, sample.temperature_c)
        return self._baro

    def baro_ready(self) -> bool:
        """Whether the barometer measures."""
        return self._air.ready

    def restart_baro(self) -> None:
        """Let the barometer start anew with the next reads."""
        self._air.start()

    def switch_level(self) -> int | None:
        """The level of the kill switch; the open one if it moved since the last call. None when unreadable.

        Any edge will do: the kernel names the level after one, which says nothing of an opening that was over by then.
        """
        if self._switch is None:
            return None
        try:
            edges = self._switch.edges()
            level = self._switch.level()
        except OSError:
            return None
        return int(not self._closed if edges else level)

    def drive(self, pulses: FourInts) -> bool:
        """Set the pulse widths (µs); whether all servos took them."""
        try:
            self._servos.write(pulses)
        except (OSError, ValueError):
            return False
        return True

    def listening(self, now_ns: int) -> bool:
        """Whether the simulator takes commands; True without one."""
        return self._link is None or self._link.listening(now_ns)

    def tell(self, command: Command | None, now_ns: int) -> None:
        """Tell the simulator a command as it was before any override."""
        if self._link is not None and command is not None:
            self._link.send(now_ns, command.armed and command.valid, command.servos)

    def link_status(self, now_ns: int) -> dict[str, bool | int]:
        """What the status file says of the simulator; nothing without one."""
        return {} if self._link is None else self._link.status(now_ns)
