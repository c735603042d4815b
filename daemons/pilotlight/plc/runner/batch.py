# SPDX-License-Identifier: Apache-2.0
"""Many scans of a native program: system points and forces in C, one call a scan, and the history as ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pilotlight.plc.native.engine import NativeEngine
from pilotlight.plc.native.host import COMMANDS, POINTS, Host
from pilotlight.plc.runner.inputs import Conditions, Numbers

if TYPE_CHECKING:
    from pilotlight.plc.runner.core import Runner

LEAST = 8
"""Scans for which the preparation pays."""
_EPOCH = datetime(1970, 1, 1)


def possible(runner: Runner, cycles: int) -> bool:
    """Whether the next scans need nothing between them but inputs."""
    points = runner.points
    return (
        cycles >= LEAST
        and isinstance(runner._engine, NativeEngine)
        and points.running
        and points.fixed
        and not runner._watches
        and not runner._patches
        and runner._change is None
        and len(runner.names.cells) == runner.names.program_size
    )


def scans(runner: Runner, cycles: int, slots: Sequence[int], rows: Sequence[Sequence[int | float]], first: int) -> int:
    """Make up to so many scans, each with the next row of numbers for the slots; how many were made.

    It ends before a scan that has to obey a command; of that one's row nothing is left in the image.
    """
    engine, points, history, names = runner._engine, runner.points, runner._history, runner.names
    if not isinstance(engine, NativeEngine):
        return 0
    constants = {name: points.value(name) for name in names.slots if name not in POINTS}
    host = Host(engine, constants={n: value for n, value in constants.items() if value is not None})
    host.force(runner._forces)
    _set_clock(runner, host)
    conditions = Conditions(dict(runner._forces), dict(runner._forces), True, points.clock)
    cells, dt_ns, time_ns, scan_id = engine.cells, points.period_ns, points.time_ns, points.scan_id
    follow = runner._playhead == history.newest_scan_id
    runner._settle()
    commanded = any(name in names.slots for name in COMMANDS)
    before: Numbers = {}
    made = 0
    while made < cycles:
        given: Numbers = dict(zip(slots, rows[(first + made) % len(rows)], strict=True)) if rows else {}
        if commanded:
            before = {slot: cells[slot] for slot in given}
        engine.put(given)
        if host.run(1, dt_ns) == 0:
            engine.put(before)
            break
        made += 1
        time_ns += dt_ns
        history.append(time_ns, cells, engine.changes())
        if given or made == 1 or made == cycles:
            stand = engine.holds(given)
            history.inputs.record(scan_id + made, given, conditions, stand=stand, oldest=history.oldest_scan_id)
    if made:
        points.dt_ns = dt_ns
        points.shortest_ns, points.longest_ns = host.clock.shortest_ns, host.clock.longest_ns
        points.time_ns, points.scan_id = time_ns, scan_id + made
        runner._playhead = history.newest_scan_id if follow else max(runner._playhead, history.oldest_scan_id)
    return made


def _set_clock(runner: Runner, host: Host) -> None:
    points, clock = runner.points, host.clock
    base, base_ns = points.clock
    clock.scan_id, clock.time_ns = points.scan_id, points.time_ns
    since = base - _EPOCH
    clock.rtc_us = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    clock.rtc_ns = base_ns
    clock.shortest_ns, clock.longest_ns = points.shortest_ns, points.longest_ns
