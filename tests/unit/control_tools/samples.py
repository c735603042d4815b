# SPDX-License-Identifier: Apache-2.0
"""Samples that the tests of the tools share."""

from __future__ import annotations

from pilotlight.runtime.control.tools.status import BOOLEANS, DERIVED, parse_status

STATUS_SAMPLE = """\
sim_mode=true
degraded_mode_active=false
control_ticks=5006
actuator_ticks=1001
igniter_ticks=5005
imu_ticks=10010
i2c_ticks=401
estimator_ticks=5005
external_estimator_accept_count=0
external_estimator_reject_count=0
external_controller_accept_count=0
external_controller_reject_count=0
igniter_command_accept_count=3
igniter_command_reject_count=0
failsafe_activation_count=1
failsafe_enter_count=1
failsafe_exit_count=1
failsafe_cause_cmd_stale_count=0
failsafe_cause_link_down_count=0
failsafe_cause_imu_stale_count=1
failsafe_cause_killswitch_count=0
failsafe_cause_actuator_io_latch_count=0
last_failsafe_reason=2
last_failsafe_reason_name=imu_stale
control_deadline_miss_count=0
actuator_deadline_miss_count=0
imu_deadline_miss_count=11
baro_deadline_miss_count=0
control_jitter_p50_ns=19975
control_jitter_p95_ns=35460
control_jitter_p99_ns=62342
control_jitter_max_ns=361919
actuator_jitter_p50_ns=41510
actuator_jitter_p95_ns=65411
actuator_jitter_p99_ns=92300
actuator_jitter_max_ns=327205
imu_jitter_p50_ns=26385
imu_jitter_p95_ns=49435
imu_jitter_p99_ns=100870
imu_jitter_max_ns=7943162
baro_jitter_p50_ns=26346
baro_jitter_p95_ns=74540
baro_jitter_p99_ns=90363
baro_jitter_max_ns=104228
actuator_cmd_age_last_ns=142761
actuator_cmd_age_max_ns=438099
i2c_recovery_count=0
imu_watchdog_fault_count=0
imu_watchdog_zero_vector_count=0
imu_watchdog_flatline_count=0
imu_watchdog_degenerate_pattern_count=0
imu_reinit_attempt_count=0
imu_reinit_success_count=0
imu_reinit_failure_count=0
imu_last_fault_reason=0
imu_last_fault_reason_name=none
imu_watchdog_state=0
imu_watchdog_state_name=healthy
imu_consecutive_failures=0
baro_consecutive_failures=0
ipc_permission_reject_count=0
external_msg_stale_reject_count=0
external_msg_schema_reject_count=0
external_msg_crc_reject_count=0
external_msg_time_regression_reject_count=0
killswitch_active=false
killswitch_trip_count=0
igniter_armed=false
igniter_global_fault_latched=false
igniter_active_mask=0
sim_net_sensor_frames=0
sim_net_sensor_crc_fail=0
sim_net_sensor_disconnects=0
sim_net_actuator_frames=0
sim_net_actuator_send_errors=0
sim_net_actuator_clients=0
sim_net_actuator_disconnects=0
sim_net_actuator_client_connected=false
"""
"""What a run of 20 s in simulated mode left behind."""


def values_of(text: str) -> dict[str, bool | int]:
    """The values that a loop would hand over to have this text written."""
    pairs = {key: value for key, value in parse_status(text).items() if key not in DERIVED}
    return {key: value == "true" if key in BOOLEANS else int(value) for key, value in pairs.items()}
