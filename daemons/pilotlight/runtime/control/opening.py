# SPDX-License-Identifier: Apache-2.0
"""Opens the devices that a configuration asks for, before the process gives up opening anything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from pilotlight.io.bmp390 import Bmp390
from pilotlight.io.buses import BusError, I2cRegisters, SpiRegisters
from pilotlight.io.edges import EdgeInput
from pilotlight.io.lsm6ds3 import Lsm6ds3, Setup
from pilotlight.io.pulse import KernelPulses, PulseChannel, PulseError, PulseOutputs, SimulatedPulses, servo_chip
from pilotlight.io.sensors import AirSensor, ComputedAir, ComputedMotion, MotionSensor, SensorError
from pilotlight.runtime.control.devices import Devices
from pilotlight.runtime.control.settings import ControlSettings, accel_range_g, gyro_range_dps, odr_hz
from pilotlight.runtime.control.simlink import SimulatorLink
from pilotlight.runtime.control.simsensors import SimNetAir, SimNetMotion
from pilotlight.tags import now_ns

DEVICE_ERRORS: Final = (BusError, SensorError, PulseError)
"""What says that a device is not there, or not as it should be."""
START_STEPS: Final = 200
STEP_S: Final = 0.01
"""Servos get up to 2 s to start: the kernel makes their files, and udev then sets who may write them."""
POLLS: Final = 1000
POLL_S: Final = 0.002
"""Sensors get up to 2 s: a supply may be slow, and a start that failed is tried again."""


def open_devices(settings: ControlSettings, switch: EdgeInput | None, link: SimulatorLink | None = None) -> Devices:
    """The devices: first the sensors, until they measure, then the servos, at neutral.

    Raises BusError, SensorError or PulseError with what to do; unless it was a servo that failed, none has moved.
    """
    motion, air = _sensors(settings, link)
    if link is None:
        await_sensors(motion, air)
    servos = _started(_servos(settings))
    return Devices(motion, air, servos, switch, settings.killswitch.nc_closed_value, link)


def await_sensors(motion: MotionSensor, air: AirSensor) -> None:
    """Poll both until they measure; SensorError with what each did instead."""
    troubles: dict[str, str] = {}
    for _ in range(POLLS):
        for name, sensor in (("motion sensor", motion), ("barometer", air)):
            if sensor.ready:
                troubles.pop(name, None)
                continue
            troubles.setdefault(name, f"{name}: it does not answer")
            try:
                sensor.poll(now_ns())
            except SensorError as error:
                troubles[name] = str(error)
        if not troubles:
            return
        time.sleep(POLL_S)
    raise SensorError("; ".join(troubles.values()))


def _sensors(settings: ControlSettings, link: SimulatorLink | None) -> tuple[MotionSensor, AirSensor]:
    if link is not None:
        limits = settings.timeouts
        return SimNetMotion(link, limits.imu_stale_ms), SimNetAir(link, limits.baro_stale_ms)
    if settings.runtime.sim_mode:
        return ComputedMotion(), ComputedAir()
    imu, baro = settings.imu, settings.baro
    setup = Setup(
        odr_hz(imu.accel_odr), odr_hz(imu.gyro_odr), accel_range_g(imu.accel_scale), gyro_range_dps(imu.gyro_scale)
    )
    motion = Lsm6ds3(SpiRegisters(imu.spi_device, imu.spi_speed_hz, imu.spi_mode), setup)
    return motion, Bmp390(I2cRegisters(baro.i2c_bus, baro.i2c_address))


def _servos(settings: ControlSettings) -> PulseOutputs:
    if settings.runtime.sim_mode or not settings.actuator.use_hardware:
        return SimulatedPulses([servo.neutral_pwm_us for servo in settings.servos])
    neutral = [servo.neutral_pwm_us for servo in settings.servos]
    return KernelPulses(pulse_channels(settings, neutral), settings.actuator.frequency_hz)


def pulse_channels(settings: ControlSettings, pulses_us: Sequence[int]) -> list[PulseChannel]:
    """The channels of the servos, each with its first pulse."""
    return [
        PulseChannel(servo_chip(servo.chip), servo.channel, pulse)
        for servo, pulse in zip(settings.servos, pulses_us, strict=True)
    ]


def _started(servos: PulseOutputs) -> PulseOutputs:
    for _ in range(START_STEPS):
        servos.start(now_ns())
        if servos.ready:
            return servos
        time.sleep(STEP_S)
    raise PulseError(f"the servos were not started within {START_STEPS * STEP_S:g} s; none is driven")
