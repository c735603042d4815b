# SPDX-License-Identifier: Apache-2.0
"""The settings of the control loop: every section and key of its TOML file, with defaults and ranges.

A key's range is beside its default. What keys say about each other is in `checks`; reading a file is in `loading`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from pilotlight.runtime.control.keys import flag, number, one_of, text, whole
from pilotlight.tags.mailbox import check_name

I32_MIN: Final = -(2**31)
FASTEST_HZ: Final = 10_000
LAST_LINE: Final = 65535
ODR_HZ: Final = {"12.5": 12.5, "26": 26.0, "52": 52.0, "104": 104.0, "208": 208.0, "416": 416.0, "833": 833.0}
ACCEL_RANGES_G: Final = {"2g": 2, "4g": 4, "8g": 8, "16g": 16}
GYRO_RANGES_DPS: Final = {"245dps": 245, "500dps": 500, "1000dps": 1000, "2000dps": 2000}
CHANNELS: Final = 4


def odr_hz(name: str) -> float:
    """The output data rate that a name such as `104hz` stands for, 0 for off; raises ValueError."""
    word = _plain(name)
    if word in ("powerdown", "off", "0", "0hz"):
        return 0.0
    rate = ODR_HZ.get(word.removesuffix("hz").replace("12p5", "12.5"))
    if rate is None:
        raise ValueError(f"one of power_down, {', '.join(f'{known}hz' for known in ODR_HZ)} is wanted")
    return rate


def accel_range_g(name: str) -> int:
    """The range of the accelerometer in g that a name such as `2g` stands for; raises ValueError."""
    return _named(name, ACCEL_RANGES_G)


def gyro_range_dps(name: str) -> int:
    """The range of the gyroscope in degrees a second that a name such as `245dps` stands for; raises ValueError."""
    return _named(name, GYRO_RANGES_DPS)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _named(name: str, known: dict[str, int]) -> int:
    found = known.get(_plain(name))
    if found is None:
        raise ValueError(f"one of {', '.join(known)} is wanted")
    return found


def _address(value: str) -> None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError as error:
        raise ValueError("an IPv4 address in numbers is wanted") from error


def _device(value: str) -> None:
    if not value.startswith("/dev/"):
        raise ValueError("a path in /dev is wanted")


@dataclass(frozen=True)
class Runtime:
    sim_mode: bool = flag(True)
    fail_fast_on_hw_error: bool = flag(True)
    allow_auto_sim_fallback: bool = flag(False)
    run_duration_s: float = number(0.0, 0.0)
    log_period_ms: int = whole(1000)


@dataclass(frozen=True)
class Modes:
    """Who estimates and who controls; the two kinds of external worker behave alike."""

    estimator_mode: str = text("cpp_native", one_of("cpp_native", "python_dev", "cpp_dev"))
    controller_mode: str = text("cpp_native", one_of("cpp_native", "python_dev", "cpp_dev"))


@dataclass(frozen=True)
class Threads:
    """Rates in Hz, priorities of SCHED_FIFO (0 and less: an ordinary process), processors (-1: any)."""

    control_hz: int = whole(250, 1, FASTEST_HZ)
    actuator_hz: int = whole(50, 1, FASTEST_HZ)
    igniter_hz: int = whole(250, 1, FASTEST_HZ)
    imu_hz: int = whole(500, 1, FASTEST_HZ)
    estimator_hz: int = whole(250, 1, FASTEST_HZ)
    baro_hz: int = whole(20, 1, FASTEST_HZ)
    control_priority: int = whole(90, I32_MIN, 99)
    actuator_priority: int = whole(85, I32_MIN, 99)
    igniter_priority: int = whole(82, I32_MIN, 99)
    imu_priority: int = whole(80, I32_MIN, 99)
    estimator_priority: int = whole(60, I32_MIN, 99)
    i2c_priority: int = whole(50, I32_MIN, 99)
    control_cpu: int = whole(-1, -1, 1023)
    imu_cpu: int = whole(-1, -1, 1023)


@dataclass(frozen=True)
class Timeouts:
    controller_fresh_ms: int = whole(16)
    controller_hold_ms: int = whole(100)
    estimator_fresh_ms: int = whole(16)
    estimator_hold_ms: int = whole(120)
    actuator_cmd_timeout_ms: int = whole(60)
    imu_stale_ms: int = whole(20)
    baro_stale_ms: int = whole(300)
    max_consecutive_imu_failures: int = whole(5, 1)
    max_consecutive_baro_failures: int = whole(5, 1)


@dataclass(frozen=True)
class Security:
    require_local_ipc_permissions: bool = flag(True)
    require_loopback_sim_net: bool = flag(True)


@dataclass(frozen=True)
class Ipc:
    sensor_snapshot_shm: str = text("/rt_sensor_snapshot_v1", check_name)
    estimator_state_shm: str = text("/rt_estimator_state_v1", check_name)
    controller_command_shm: str = text("/rt_controller_command_v1", check_name)
    open_retry_ms: int = whole(50)
    open_retry_count: int = whole(200)


@dataclass(frozen=True)
class Imu:
    spi_device: str = text("/dev/spidev0.0", _device)
    spi_speed_hz: int = whole(5_000_000, 1, 10_000_000)
    spi_mode: int = whole(3, 0, 3)
    accel_odr: str = text("104hz", odr_hz)
    gyro_odr: str = text("104hz", odr_hz)
    accel_scale: str = text("2g", accel_range_g)
    gyro_scale: str = text("245dps", gyro_range_dps)


@dataclass(frozen=True)
class ImuWatchdog:
    enabled: bool = flag(True)
    zero_vector_consecutive: int = whole(3, 1)
    flatline_consecutive: int = whole(20, 1)
    degenerate_pattern_consecutive: int = whole(20, 1)
    flatline_epsilon: float = number(1e-6, above=0.0)
    healthy_recovery_samples: int = whole(50, 1)
    recovery_backoff_ms: int = whole(100, 1)
    max_reinit_attempts: int = whole(0)


@dataclass(frozen=True)
class Baro:
    i2c_bus: str = text("/dev/i2c-1", _device)
    i2c_address: int = whole(0x77, 0x08, 0x77)
    recovery_error_threshold: int = whole(5, 1)
    recovery_backoff_ms: int = whole(100)


@dataclass(frozen=True)
class KillSwitch:
    """`gpio` is a line of the chip `chip` (a label, or a path); `nc_closed_value` is its level while closed."""

    enabled: bool = flag(False)
    gpio: int = whole(17, 0, LAST_LINE)
    chip: str = text("pinctrl-rp1")
    nc_closed_value: int = whole(0, 0, 1)
    debounce_samples: int = whole(2, 1)
    latch_on_trip: bool = flag(True)


@dataclass(frozen=True)
class Actuator:
    use_hardware: bool = flag(False)
    start_armed: bool = flag(False)
    latch_failsafe_on_io_errors: bool = flag(True)
    max_io_errors_before_latch: int = whole(3, 1)
    frequency_hz: int = whole(50, 1, FASTEST_HZ)
    slew_limit_norm_per_sec: float = number(4.0, 0.0)


@dataclass(frozen=True)
class Servo:
    """A servo output: a channel of a PWM chip, its pulse widths in µs, and its mapping from -1 to 1."""

    chip: int = whole(0)
    channel: int = whole(0)
    min_pwm_us: int = whole(1000, 1)
    max_pwm_us: int = whole(2000, 1)
    neutral_pwm_us: int = whole(1500, 1)
    direction: float = number(1.0)
    trim_norm: float = number(0.0)
    min_norm: float = number(-1.0, -1.0, 1.0)
    max_norm: float = number(1.0, -1.0, 1.0)
    failsafe_norm: float = number(0.0, -1.0, 1.0)


@dataclass(frozen=True)
class Igniter:
    enabled: bool = flag(False)
    use_hardware: bool = flag(False)
    fault_policy: str = text("global", one_of("global", "isolated"))
    settle_ms: int = whole(5, 1)
    default_fire_ms: int = whole(200, 1)
    max_fire_ms: int = whole(2000, 1)
    latch_faults: bool = flag(True)
    command_shm: str = text("/rt_igniter_command_v1", check_name)
    status_shm: str = text("/rt_igniter_status_v1", check_name)


@dataclass(frozen=True)
class IgniterChannel:
    enabled: bool = flag(False)
    input_chip: str = text("/dev/gpiochip0")
    input_line: int = whole(0, 0, LAST_LINE)
    status_chip: str = text("/dev/gpiochip0")
    status_line: int = whole(0, 0, LAST_LINE)


@dataclass(frozen=True)
class EstimatorGains:
    accel_complementary_gain: float = number(0.02)
    baro_alt_gain: float = number(0.1)


@dataclass(frozen=True)
class ControllerGains:
    kp_roll: float = number(1.2)
    kp_pitch: float = number(1.2)
    kd_p: float = number(0.15)
    max_deflection_norm: float = number(0.8, 0.0, 1.0)


@dataclass(frozen=True)
class SimNet:
    enabled: bool = flag(False)
    sensor_host: str = text("127.0.0.1", _address)
    sensor_port: int = whole(56000, 1, 65535)
    actuator_bind_host: str = text("127.0.0.1", _address)
    actuator_port: int = whole(56001, 1, 65535)
    connect_timeout_ms: int = whole(500, 1)


@dataclass(frozen=True)
class ControlSettings:
    """A whole configuration."""

    runtime: Runtime = Runtime()
    modes: Modes = Modes()
    threads: Threads = Threads()
    timeouts: Timeouts = Timeouts()
    security: Security = Security()
    ipc: Ipc = Ipc()
    imu: Imu = Imu()
    imu_watchdog: ImuWatchdog = ImuWatchdog()
    baro: Baro = Baro()
    killswitch: KillSwitch = KillSwitch()
    actuator: Actuator = Actuator()
    servos: tuple[Servo, ...] = (Servo(),) * CHANNELS
    igniter: Igniter = Igniter()
    igniters: tuple[IgniterChannel, ...] = (IgniterChannel(),) * CHANNELS
    estimator_cpp: EstimatorGains = EstimatorGains()
    controller_cpp: ControllerGains = ControllerGains()
    sim_net: SimNet = SimNet()


REQUIRED: Final = (
    "runtime modes threads timeouts ipc imu baro actuator servo0 servo1 servo2 servo3 estimator_cpp controller_cpp"
).split()
"""Sections that a file must have, if only empty."""
SECTIONS: Final[dict[str, type]] = {
    "runtime": Runtime,
    "modes": Modes,
    "threads": Threads,
    "timeouts": Timeouts,
    "security": Security,
    "ipc": Ipc,
    "imu": Imu,
    "imu_watchdog": ImuWatchdog,
    "baro": Baro,
    "killswitch": KillSwitch,
    "actuator": Actuator,
    **{f"servo{number}": Servo for number in range(CHANNELS)},
    "igniter": Igniter,
    **{f"igniter{number}": IgniterChannel for number in range(CHANNELS)},
    "estimator_cpp": EstimatorGains,
    "controller_cpp": ControllerGains,
    "sim_net": SimNet,
}
"""Every section by name."""
