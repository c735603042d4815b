# SPDX-License-Identifier: Apache-2.0
"""A control configuration as `--print-config` shows it, line for line as other programs expect it."""

from __future__ import annotations

from typing import Any, Final

from pilotlight.runtime.control.settings import ControlSettings

_BLOCKS: Final = (
    ("runtime", "sim_mode fail_fast_on_hw_error allow_auto_sim_fallback run_duration_s log_period_ms"),
    ("modes", "estimator_mode controller_mode"),
    ("threads", "control_hz actuator_hz igniter_hz imu_hz estimator_hz baro_hz"),
    ("ipc", "sensor_snapshot_shm estimator_state_shm controller_command_shm"),
    ("security", "require_local_ipc_permissions require_loopback_sim_net"),
    ("imu", "spi_device spi_speed_hz spi_mode accel_odr gyro_odr accel_scale gyro_scale"),
    (
        "imu_watchdog",
        "enabled zero_vector_consecutive flatline_consecutive degenerate_pattern_consecutive flatline_epsilon "
        "healthy_recovery_samples recovery_backoff_ms max_reinit_attempts",
    ),
    ("baro", "recovery_error_threshold recovery_backoff_ms"),
    ("killswitch", "enabled gpio nc_closed_value debounce_samples latch_on_trip"),
    (
        "igniter",
        "enabled use_hardware fault_policy settle_ms latch_faults default_fire_ms max_fire_ms command_shm status_shm",
    ),
)
_ROWS: Final = (
    ("igniter", "igniters", "enabled input_chip input_line status_chip status_line"),
    (
        "servo",
        "servos",
        "chip channel min_pwm_us max_pwm_us neutral_pwm_us direction trim_norm failsafe_norm",
    ),
)
_SIM_NET: Final = "enabled sensor_host sensor_port actuator_bind_host actuator_port connect_timeout_ms"


def text(settings: ControlSettings) -> str:
    """The effective settings, with defaults filled in; numbers that are not whole have three decimals."""
    lines: list[str] = []
    for name, keys in _BLOCKS:
        pairs = _pairs(getattr(settings, name), keys)
        lines += [f"[{name}]", *([", ".join(pairs)] if name == "threads" else pairs)]
    for name, field, keys in _ROWS:
        for number, row in enumerate(getattr(settings, field)):
            lines.append(f"[{name}{number}] {' '.join(_pairs(row, keys))}")
    lines += ["[sim_net]", *_pairs(settings.sim_net, _SIM_NET)]
    return "\n".join(lines) + "\n"


def _pairs(section: Any, keys: str) -> list[str]:
    return [f"{key}={_shown(getattr(section, key))}" for key in keys.split()]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3f}" if isinstance(value, float) else str(value)
