# SPDX-License-Identifier: Apache-2.0
"""Scans by the thousand without Python between them: plc_host.h."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence

from pilotlight.plc.native.engine import NativeEngine
from pilotlight.plc.native.layout import Layout

_CONSTANT = 0
POINTS: dict[str, tuple[int, int]] = {
    "sys.clock_10ms": (1, 5_000_000),
    "sys.clock_100ms": (1, 50_000_000),
    "sys.clock_500ms": (1, 250_000_000),
    "sys.clock_1s": (1, 500_000_000),
    "sys.clock_1m": (1, 30_000_000_000),
    "sys.clock_1h": (1, 1_800_000_000_000),
    "sys.first_scan": (2, 0),
    "sys.scan_clock_toggle": (3, 0),
    "sys.scan_counter": (4, 0),
    "sys.scan_time_current_ms": (5, 0),
    "sys.scan_time_min_ms": (6, 0),
    "sys.scan_time_max_ms": (7, 0),
    "rtc.year4": (8, 0),
    "rtc.year2": (9, 0),
    "rtc.month": (10, 0),
    "rtc.day": (11, 0),
    "rtc.weekday": (12, 0),
    "rtc.hour": (13, 0),
    "rtc.minute": (14, 0),
    "rtc.second": (15, 0),
}
"""Codes and parameters of the system points that follow from the clock."""
CLEARED = ("rtc.apply_date_error", "rtc.apply_time_error", "storage.sd.write_status")
"""Points that are 0 in each scan in which no command was obeyed."""
COMMANDS = (
    *("rtc.apply_date", "rtc.apply_time", "sys.cmd_mode_stop", "sys.cmd_watchdog_reset"),
    *("storage.sd.eject_cmd", "storage.sd.delete_all_cmd"),
)
"""Points that the host obeys: a run ends before the scan that would have to."""


class Clock(ctypes.Structure):
    """Clock and counters between two scans; `rtc_us` are the µs since 1970, local, at simulated time `rtc_ns`."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("scan_id", "time_ns", "rtc_us", "rtc_ns", "shortest_ns", "longest_ns")
    )


class _Target(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint32), ("size", ctypes.c_uint32))


class _Write(ctypes.Structure):
    _fields_ = (("target", _Target), ("bits", ctypes.c_uint64))


class _Point(ctypes.Structure):
    _fields_ = (("target", _Target), ("code", ctypes.c_int64), ("parameter", ctypes.c_int64))


class _Host(ctypes.Structure):
    _fields_ = (
        ("entry", ctypes.c_void_p),
        ("image", ctypes.c_void_p),
        ("clock", Clock),
        ("points", ctypes.POINTER(_Point)),
        ("forces", ctypes.POINTER(_Write)),
        ("inputs", ctypes.POINTER(_Target)),
        ("feed", ctypes.POINTER(ctypes.c_uint64)),
        ("pauses", ctypes.POINTER(_Target)),
        *((f"{name}_count", ctypes.c_int64) for name in ("point", "force", "input")),
        ("feed_rows", ctypes.c_int64),
        ("pause_count", ctypes.c_int64),
        ("row", ctypes.c_int64),
    )


def bits(layout: Layout, slot: int, number: int | float) -> int:
    """A number as the bits of its cell."""
    return int.from_bytes(struct.pack(f"<{layout.code(slot)}", number), "little")


class Host:
    """Runs many scans of an engine's program at a time. Not for several threads."""

    def __init__(
        self, engine: NativeEngine, *, constants: Mapping[str, int] | None = None,
        forces: Mapping[int, int | float] | None = None, inputs: Mapping[int, Sequence[int | float]] | None = None,
    ) -> None:  # fmt: skip
        """`constants` are system points by name that stay as they are, `forces` numbers by slot before and after the
        logic; `inputs` has for a slot a number a scan, all equally many, after the last the first again."""
        layout = self._layout = engine.layout
        slots = {cell.name: slot for slot, cell in enumerate(layout.cells)}
        fixed = {**dict.fromkeys(CLEARED, 0), **(constants or {})}
        table = {**POINTS, **{name: (_CONSTANT, value) for name, value in fixed.items()}}
        points = [_Point(self._target(slots[n]), *rule) for n, rule in table.items() if n in slots]
        columns = {slot: [bits(layout, slot, n) for n in numbers] for slot, numbers in (inputs or {}).items()}
        rows = list(zip(*columns.values(), strict=True))
        pauses = [self._target(slots[name]) for name in COMMANDS if name in slots]
        targets = [self._target(slot) for slot in columns]
        self._engine = engine
        self._host = _Host(
            engine.entry_address, engine.address, Clock(), (_Point * len(points))(*points),
            None, (_Target * len(targets))(*targets),
            (ctypes.c_uint64 * (len(rows) * len(targets)))(*(each for row in rows for each in row)),
            (_Target * len(pauses))(*pauses), len(points), 0, len(targets), len(rows), len(pauses), 0,
        )  # fmt: skip
        self.force(forces or {})
        self._run = engine.shared.plc_run
        self._run.argtypes = (ctypes.POINTER(_Host), ctypes.c_int64, ctypes.c_int64)
        self._run.restype = ctypes.c_int64

    def _target(self, slot: int) -> _Target:
        return _Target(self._layout.offset(slot), self._layout.cells[slot].type.size)

    def force(self, numbers: Mapping[int, int | float]) -> None:
        """Hold these numbers by slot, and no others, before and after the logic."""
        forced = [_Write(self._target(slot), bits(self._layout, slot, number)) for slot, number in numbers.items()]
        self._host.forces, self._host.force_count = (_Write * len(forced))(*forced), len(forced)

    @property
    def clock(self) -> Clock:
        """Clock and counters, live; set its fields to go on from somewhere."""
        clock: Clock = self._host.clock
        return clock

    def run(self, scans: int, dt_ns: int) -> int:
        """Make so many scans of so many ns each; fewer when the next would have to obey a command."""
        return int(self._run(ctypes.byref(self._host), scans, dt_ns))
