# SPDX-License-Identifier: Apache-2.0
"""The counters of the control loop under the names of the status file."""

from __future__ import annotations

from pilotlight.runtime.control.samples import Reason
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.runtime.control.watchdog import Fault


def loop_status(loop: ControlLoop) -> dict[str, bool | int]:
    """Every value that the decisions know. Timing, network and igniter are the caller's to add."""
    watchdog, failsafe, rejects, causes = loop.watchdog, loop.failsafe, loop.rejects, loop.failsafe.causes
    return {
        "degraded_mode_active": loop.degraded,
        "control_ticks": loop.control_ticks,
        "actuator_ticks": loop.actuator_ticks,
        "imu_ticks": loop.imu_ticks,
        "i2c_ticks": loop.baro_ticks,
        "estimator_ticks": loop.estimator_ticks,
        "external_estimator_accept_count": loop.fresh_estimates,
        "external_estimator_reject_count": loop.estimator_gate.rejected,
        "external_controller_accept_count": loop.fresh_commands,
        "external_controller_reject_count": loop.controller_gate.rejected,
        "failsafe_activation_count": failsafe.activations,
        "failsafe_enter_count": failsafe.enters,
        "failsafe_exit_count": failsafe.exits,
        "failsafe_cause_cmd_stale_count": causes[Reason.COMMAND_TIMEOUT],
        "failsafe_cause_link_down_count": causes[Reason.LINK_DOWN],
        "failsafe_cause_imu_stale_count": causes[Reason.IMU_STALE],
        "failsafe_cause_killswitch_count": causes[Reason.KILL_SWITCH],
        "failsafe_cause_actuator_io_latch_count": causes[Reason.IO_ERROR_LATCH],
        "last_failsafe_reason": int(failsafe.last),
        "actuator_cmd_age_last_ns": loop.command_age_ns,
        "actuator_cmd_age_max_ns": loop.command_age_max_ns,
        "imu_watchdog_fault_count": watchdog.fault_count,
        "imu_watchdog_zero_vector_count": watchdog.counts[Fault.ZERO_VECTOR],
        "imu_watchdog_flatline_count": watchdog.counts[Fault.FLATLINE],
        "imu_watchdog_degenerate_pattern_count": watchdog.counts[Fault.DEGENERATE_PATTERN],
        "imu_reinit_attempt_count": watchdog.reinit_attempts,
        "imu_reinit_success_count": watchdog.reinit_successes,
        "imu_reinit_failure_count": watchdog.reinit_failures,
        "imu_last_fault_reason": int(watchdog.last_fault),
        "imu_watchdog_state": int(watchdog.state),
        "imu_consecutive_failures": loop.imu_failures,
        "baro_consecutive_failures": loop.baro_failures,
        "external_msg_stale_reject_count": rejects.stale,
        "external_msg_schema_reject_count": rejects.schema,
        "external_msg_crc_reject_count": rejects.crc,
        "external_msg_time_regression_reject_count": rejects.regression,
        "killswitch_active": loop.killswitch.active,
        "killswitch_trip_count": loop.killswitch.trips,
    }
