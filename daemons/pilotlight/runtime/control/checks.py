# SPDX-License-Identifier: Apache-2.0
"""What the keys of a control configuration say about each other: contradictions, and what is seldom meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pilotlight.runtime.control import pins
from pilotlight.runtime.control.problems import Problem, error, warning
from pilotlight.runtime.control.settings import ControlSettings, odr_hz

MOTION_READ_BITS: Final = 8 * (2 + 15)
LOOPBACK: Final = "127.0.0.1"


def examine(settings: ControlSettings) -> list[Problem]:
    """Everything found, errors and warnings."""
    return [
        *_runtime(settings),
        *_boxes(settings),
        *_freshness(settings),
        *_imu(settings),
        *_bus(settings),
        *_servos(settings),
        *_igniter(settings),
        *_net(settings),
        *pins.examine(settings),
    ]


def _runtime(settings: ControlSettings) -> Iterator[Problem]:
    runtime = settings.runtime
    if not runtime.allow_auto_sim_fallback and not runtime.fail_fast_on_hw_error:
        text = "has to be true while allow_auto_sim_fallback is false: else a failed start would go unnoticed"
        yield error("runtime", "fail_fast_on_hw_error", text)
    if runtime.allow_auto_sim_fallback and not runtime.sim_mode:
        text = "a device whose hardware fails at start would go on with simulated sensors; set it to false for flight"
        yield warning("runtime", "allow_auto_sim_fallback", text)


def _boxes(settings: ControlSettings) -> Iterator[Problem]:
    ipc, igniter = settings.ipc, settings.igniter
    names = [
        ("ipc", "sensor_snapshot_shm", ipc.sensor_snapshot_shm),
        ("ipc", "estimator_state_shm", ipc.estimator_state_shm),
        ("ipc", "controller_command_shm", ipc.controller_command_shm),
        ("igniter", "command_shm", igniter.command_shm),
        ("igniter", "status_shm", igniter.status_shm),
    ]
    first: dict[str, str] = {}
    for section, key, name in names:
        other = first.setdefault(name, f"{section}.{key}")
        if other != f"{section}.{key}":
            yield error(section, key, f"{name} is the mailbox of {other} too")


def _freshness(settings: ControlSettings) -> Iterator[Problem]:
    """An age limit shorter than the period of what it judges never lets anything pass."""
    timeouts, threads = settings.timeouts, settings.threads
    for who in ("controller", "estimator"):
        fresh, hold = getattr(timeouts, f"{who}_fresh_ms"), getattr(timeouts, f"{who}_hold_ms")
        if hold < fresh:
            yield warning("timeouts", f"{who}_hold_ms", f"{hold} ms is less than {who}_fresh_ms, {fresh} ms: no hold")
    limits = [
        ("estimator_hold_ms", timeouts.estimator_hold_ms, "estimator_hz", threads.estimator_hz),
        ("actuator_cmd_timeout_ms", timeouts.actuator_cmd_timeout_ms, "control_hz", threads.control_hz),
        ("imu_stale_ms", timeouts.imu_stale_ms, "imu_hz", threads.imu_hz),
        ("baro_stale_ms", timeouts.baro_stale_ms, "baro_hz", threads.baro_hz),
    ]
    for key, limit_ms, rate, hz in limits:
        if limit_ms * hz < 1000:
            text = f"{limit_ms} ms is less than a period of threads.{rate} ({1000 / hz:g} ms): it would always expire"
            yield error("timeouts", key, text)


def _imu(settings: ControlSettings) -> Iterator[Problem]:
    imu, watchdog, hardware = settings.imu, settings.imu_watchdog, not settings.runtime.sim_mode
    limit_ms = settings.timeouts.imu_stale_ms
    for key, name in (("accel_odr", imu.accel_odr), ("gyro_odr", imu.gyro_odr)):
        rate = odr_hz(name)
        report = error if hardware else warning
        if rate == 0:
            yield report("imu", key, f'"{name}" switches the sensor off, and the loop would never leave failsafe')
        elif rate * limit_ms < 1000:
            yield report("imu", key, f"samples come {1000 / rate:g} ms apart, and timeouts.imu_stale_ms is {limit_ms}")
        elif watchdog.enabled and watchdog.healthy_recovery_samples > 10 * rate:
            text = f"{watchdog.healthy_recovery_samples} samples take more than 10 s at imu.{key} = {name}"
            yield warning("imu_watchdog", "healthy_recovery_samples", text)


def _bus(settings: ControlSettings) -> Iterator[Problem]:
    """A read of the motion sensor holds up the loop: its status, then its values."""
    if settings.runtime.sim_mode:
        return
    read_ms = MOTION_READ_BITS / settings.imu.spi_speed_hz * 1000
    period_ms = 1000 / settings.threads.imu_hz
    if read_ms > period_ms / 4:
        text = f"a read takes {read_ms:.2g} ms, more than a quarter of a period of threads.imu_hz ({period_ms:g} ms)"
        yield error("imu", "spi_speed_hz", text)


def _servos(settings: ControlSettings) -> Iterator[Problem]:
    period_us = 1_000_000 / settings.actuator.frequency_hz
    for number, servo in enumerate(settings.servos):
        section = f"servo{number}"
        if not servo.min_pwm_us < servo.max_pwm_us:
            yield error(section, "min_pwm_us", f"{servo.min_pwm_us} is not less than max_pwm_us, {servo.max_pwm_us}")
        elif not servo.min_pwm_us <= servo.neutral_pwm_us <= servo.max_pwm_us:
            text = f"{servo.neutral_pwm_us} is not from min_pwm_us to max_pwm_us"
            yield error(section, "neutral_pwm_us", text)
        if servo.max_pwm_us > period_us:
            text = f"{servo.max_pwm_us} is longer than a period of actuator.frequency_hz ({period_us:g} µs)"
            yield error(section, "max_pwm_us", text)
        if not servo.min_norm < servo.max_norm:
            yield error(section, "min_norm", f"{servo.min_norm:g} is not less than max_norm, {servo.max_norm:g}")
        if abs(servo.direction) != 1.0:
            yield warning(section, "direction", f"{servo.direction:g} scales every command; 1 and -1 only turn it")
        if abs(servo.trim_norm) > 1.0:
            yield warning(section, "trim_norm", f"{servo.trim_norm:g} is more than the servo's whole way")


def _igniter(settings: ControlSettings) -> Iterator[Problem]:
    igniter = settings.igniter
    if igniter.default_fire_ms > igniter.max_fire_ms:
        text = f"{igniter.default_fire_ms} is more than max_fire_ms, {igniter.max_fire_ms}"
        yield error("igniter", "default_fire_ms", text)
    if not igniter.enabled:
        return
    for number, channel in enumerate(settings.igniters):
        section, first = f"igniter{number}", settings.igniters[0]
        if not channel.enabled:
            yield error(section, "enabled", "has to be true while igniter.enabled is: all four channels are used")
        for key in ("input_chip", "status_chip"):
            if getattr(channel, key) != getattr(first, key):
                text = f"{getattr(channel, key)} is not igniter0's {getattr(first, key)}; one request serves all lines"
                yield error(section, key, text)


def _net(settings: ControlSettings) -> Iterator[Problem]:
    net = settings.sim_net
    if not net.enabled:
        return
    if settings.security.require_loopback_sim_net:
        for key, host in (("sensor_host", net.sensor_host), ("actuator_bind_host", net.actuator_bind_host)):
            if host != LOOPBACK:
                yield error("sim_net", key, f"{host} is not {LOOPBACK}, which security.require_loopback_sim_net wants")
    if net.sensor_port == net.actuator_port and net.sensor_host == net.actuator_bind_host:
        yield error("sim_net", "actuator_port", f"{net.actuator_port} is sensor_port too: the loop would call itself")
    if not settings.runtime.sim_mode:
        yield warning("sim_net", "enabled", "has no effect while runtime.sim_mode is false")
