# SPDX-License-Identifier: Apache-2.0
"""System points: tags that the runner writes before the logic of each scan, and some that it obeys."""

from __future__ import annotations

from types import SimpleNamespace

from pilotlight.plc.language.tag import Tag
from pilotlight.tags import Type

_BOOLS = """
sys.always_on sys.first_scan sys.scan_clock_toggle sys.clock_10ms sys.clock_100ms sys.clock_500ms sys.clock_1s
sys.clock_1m sys.clock_1h sys.mode_switch_run sys.mode_run sys.cmd_mode_stop sys.cmd_watchdog_reset
sys.fixed_scan_mode sys.battery_present rtc.apply_date rtc.apply_date_error rtc.apply_time rtc.apply_time_error
fault.plc_error fault.division_error fault.out_of_range fault.address_error fault.math_operation_error
storage.sd.eject_cmd storage.sd.delete_all_cmd storage.sd.ready storage.sd.write_status storage.sd.error
"""
_INTS = """
sys.scan_time_current_ms sys.scan_time_min_ms sys.scan_time_max_ms sys.scan_time_fixed_setup_ms
sys.interrupt_scan_time_ms rtc.year4 rtc.year2 rtc.month rtc.day rtc.weekday rtc.hour rtc.minute rtc.second
rtc.new_year4 rtc.new_month rtc.new_day rtc.new_hour rtc.new_minute rtc.new_second fault.code
firmware.main_ver_low firmware.main_ver_high firmware.sub_ver_low firmware.sub_ver_high storage.sd.error_code
"""
_DINTS = "sys.scan_counter"
WRITABLE = frozenset(
    """
    rtc.new_year4 rtc.new_month rtc.new_day rtc.new_hour rtc.new_minute rtc.new_second rtc.apply_date rtc.apply_time
    sys.cmd_mode_stop sys.cmd_watchdog_reset storage.sd.eject_cmd storage.sd.delete_all_cmd
    """.split()
)
"""Names of the points that patches, forces and logic may write."""


def _made() -> dict[str, Tag]:
    points: dict[str, Tag] = {}
    for names, kind in ((_BOOLS, Type.BOOL), (_INTS, Type.INT), (_DINTS, Type.DINT)):
        for name in names.split():
            points[name] = Tag(name, kind, retentive=False)
            points[name].readonly = name not in WRITABLE
    return points


POINTS = _made()
"""Every system point by name."""


def _group(prefix: str) -> SimpleNamespace:
    inside = {name[len(prefix) :]: tag for name, tag in POINTS.items() if name.startswith(prefix)}
    return SimpleNamespace(**{name: tag for name, tag in inside.items() if "." not in name})


system = SimpleNamespace(
    sys=_group("sys."), rtc=_group("rtc."), fault=_group("fault."), firmware=_group("firmware."),
    storage=SimpleNamespace(sd=_group("storage.sd.")),
)  # fmt: skip
"""The system points as attributes: `system.sys.first_scan`, `system.rtc.hour`, `system.fault.out_of_range`, …"""
