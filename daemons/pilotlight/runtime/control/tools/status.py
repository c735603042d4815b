# SPDX-License-Identifier: Apache-2.0
"""The status file of the control loop: 78 lines `key=value` in a fixed order, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_PATH = Path("/tmp/rt_status.txt")  # noqa: S108 - where other tools look for it, too
SIZE_LIMIT = 64 << 10
GROUPS = ("control", "actuator", "imu", "baro")

Value = bool | int | str

KEYS = tuple(
    f"""
sim_mode degraded_mode_active control_ticks actuator_ticks igniter_ticks imu_ticks i2c_ticks estimator_ticks
external_estimator_accept_count external_estimator_reject_count external_controller_accept_count
external_controller_reject_count igniter_command_accept_count igniter_command_reject_count failsafe_activation_count
failsafe_enter_count failsafe_exit_count failsafe_cause_cmd_stale_count failsafe_cause_link_down_count
failsafe_cause_imu_stale_count failsafe_cause_killswitch_count failsafe_cause_actuator_io_latch_count
last_failsafe_reason last_failsafe_reason_name {" ".join(f"{group}_deadline_miss_count" for group in GROUPS)}
{" ".join(f"{group}_jitter_{figure}_ns" for group in GROUPS for figure in ("p50", "p95", "p99", "max"))}
actuator_cmd_age_last_ns actuator_cmd_age_max_ns i2c_recovery_count imu_watchdog_fault_count
imu_watchdog_zero_vector_count imu_watchdog_flatline_count imu_watchdog_degenerate_pattern_count
imu_reinit_attempt_count imu_reinit_success_count imu_reinit_failure_count imu_last_fault_reason
imu_last_fault_reason_name imu_watchdog_state imu_watchdog_state_name imu_consecutive_failures
baro_consecutive_failures ipc_permission_reject_count external_msg_stale_reject_count
external_msg_schema_reject_count external_msg_crc_reject_count external_msg_time_regression_reject_count
killswitch_active killswitch_trip_count igniter_armed igniter_global_fault_latched igniter_active_mask
sim_net_sensor_frames sim_net_sensor_crc_fail sim_net_sensor_disconnects sim_net_actuator_frames
sim_net_actuator_send_errors sim_net_actuator_clients sim_net_actuator_disconnects
sim_net_actuator_client_connected""".split()
)
"""The keys in the order of the file."""

BOOLEANS = frozenset(
    "sim_mode degraded_mode_active killswitch_active igniter_armed igniter_global_fault_latched"
    " sim_net_actuator_client_connected".split()
)
NAMES: dict[str, tuple[str, ...]] = {
    "last_failsafe_reason": (
        "none", "command_timeout", "imu_stale", "io_error_latch", "kill_switch", "invalid_estimator", "link_down",
    ),
    "imu_last_fault_reason": ("none", "nan_inf", "zero_vector", "flatline", "degenerate_pattern"),
    "imu_watchdog_state": ("healthy", "suspect", "faulted", "recovering"),
}  # fmt: skip
"""The codes that have a second line `<key>_name` with their name."""
DERIVED = frozenset(f"{key}_name" for key in NAMES)


class StatusError(ValueError):
    """The values are not those of a status file."""


def usual_path() -> Path:
    """Where to look for the file when nobody says: where the runtime writes it, if it does, else `DEFAULT_PATH`."""
    ours = Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "runtime" / DEFAULT_PATH.name
    return ours if ours.exists() else DEFAULT_PATH


def status_text(values: Mapping[str, bool | int]) -> str:
    """The text of the file. `values` holds every key but the names of codes, which follow from the codes.

    Truth values are bool, all others int of at least 0. Raises StatusError, which names the keys at fault.
    """
    unknown = values.keys() - set(KEYS) | values.keys() & DERIVED
    missing = set(KEYS) - DERIVED - values.keys()
    if unknown or missing:
        raise StatusError(f"status values: unknown {sorted(unknown)}, missing {sorted(missing)}; no file was written")
    return "".join(f"{key}={_line_value(key, values)}\n" for key in KEYS)


def _line_value(key: str, values: Mapping[str, bool | int]) -> str:
    if key in DERIVED:
        code_key = key.removesuffix("_name")
        code, names = values[code_key], NAMES[code_key]
        if not 0 <= code < len(names):
            raise StatusError(f"status value {code_key}={code} is no code from 0 to {len(names) - 1}")
        return names[code]
    value = values[key]
    if (key in BOOLEANS) != isinstance(value, bool) or value < 0:
        wanted = "true or false" if key in BOOLEANS else "a number of at least 0"
        raise StatusError(f"status value {key}={value!r} must be {wanted}")
    return str(value).lower()


def parse_status(text: str) -> dict[str, str]:
    """The values of a status file as they are written; lines without `=` are passed over."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def read_status(path: Path) -> dict[str, str]:
    """The values of the file, of its first 64 KiB. Raises OSError."""
    with path.open("rb") as file:
        return parse_status(file.read(SIZE_LIMIT).decode("utf-8", "replace"))


def write_status(path: Path, values: Mapping[str, bool | int]) -> None:
    """Replace the file: a reader sees the old content or the new, never a part. One writer a file.

    The file is made anew with mode 0644 and renamed over the old one; a link in its place is replaced, not followed.
    Raises StatusError and OSError; the old file then is still there.
    """
    data = status_text(values).encode()
    fresh = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
