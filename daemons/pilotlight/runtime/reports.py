# SPDX-License-Identifier: Apache-2.0
"""Answers made from what the scan publishes: statistics and lines. Plain functions over a snapshot of `plc`."""

from __future__ import annotations

from typing import Any

from pilotlight.io.lines import Direction, PinMap
from pilotlight.runtime.scantags import LINE_PREFIX
from pilotlight.tags import Snapshot, Value

_NAMES = {"Time": "scan_time", "Cycle": "cycle_time", "Latency": "cycle_latency"}
_FIGURES = {"Min": "min", "Max": "max", "Mean": "avg", "P50": "p50", "P99": "p99", "P999": "p999"}


def _value(snapshot: Snapshot, name: str) -> Value:
    return snapshot.value(snapshot.directory.index(name))


def statistics(snapshot: Snapshot | None) -> dict[str, int]:
    """The scan statistics in whole µs; durations are absent until there has been one."""
    if snapshot is None:
        return {"scan_count": 0, "overruns": 0}
    scans = int(_value(snapshot, "Scan.Count"))
    answer = {"scan_count": scans, "overruns": int(_value(snapshot, "Scan.Overruns"))}
    for kind, name in _NAMES.items():
        if _value(snapshot, f"Scan.{kind}.Max"):
            for figure, suffix in _FIGURES.items():
                answer[f"{name}_{suffix}"] = round(float(_value(snapshot, f"Scan.{kind}.{figure}")))
    return answer


def lines(pin_map: PinMap, snapshot: Snapshot | None) -> list[dict[str, Any]]:
    """Every line of the pin map with its present level, which is absent while nobody watches the lines."""
    rows = []
    for line in pin_map.lines:
        row: dict[str, Any] = {
            "Name": line.name,
            "Chip": line.chip,
            "Line": line.line,
            "Direction": line.direction.value,
            "Address": str(line.address),
        }
        if line.direction is Direction.OUTPUT:
            row["Safe"] = line.safe
        if snapshot is not None:
            row["Value"] = bool(_value(snapshot, LINE_PREFIX + line.name))
        rows.append(row)
    return rows
