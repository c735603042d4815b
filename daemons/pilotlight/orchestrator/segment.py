# SPDX-License-Identifier: Apache-2.0
"""Segment ``system``: processor, memory, disk, temperature, slot, versions, and the state of each daemon's unit."""

from __future__ import annotations

from collections.abc import Sequence

from pilotlight.tags import Quality, SegmentWriter, Tag, TagValueError, Type, Value, now_ns

from .core import DAEMONS, Health, Unit

JOURNAL = 4096
TEXT = 64


def tags() -> list[Tag]:
    """The directory of the segment."""
    result = [
        Tag("Cpu.Used", Type.REAL, unit="%", description="share of all processors together"),
        Tag("Cpu.Count", Type.UINT, description="processors"),
        Tag("Cpu.Load", Type.REAL, description="average number of tasks that want to run, 1 minute"),
        Tag("Memory.Total", Type.ULINT, unit="B"),
        Tag("Memory.Available", Type.ULINT, unit="B"),
        Tag("Memory.Used", Type.REAL, unit="%"),
        Tag("Data.Total", Type.ULINT, unit="B", description="data partition"),
        Tag("Data.Available", Type.ULINT, unit="B"),
        Tag("Data.Used", Type.REAL, unit="%"),
        Tag("Temperature", Type.REAL, unit="°C", description="hottest zone; bad where there is none"),
        Tag("Uptime", Type.ULINT, unit="s"),
        Tag("Healthy", Type.BOOL, description="no problem is known"),
        Tag("Problems", Type.UINT, description="how many problems Status names"),
    ]
    for name in ("Pilotlight", "Image", "Kernel", "Slot"):
        result.append(Tag(f"Version.{name}" if name != "Slot" else "Slot", Type.STRING, TEXT))
    for daemon in DAEMONS:
        result.append(Tag(f"Unit.{daemon}.Active", Type.BOOL, description=f"pilotlight-{daemon}.service is active"))
        result.append(Tag(f"Unit.{daemon}.State", Type.STRING, 32, description="active and sub state of systemd"))
    return result


class Segment:
    """The writer of segment ``system``."""

    def __init__(self, versions: dict[str, str]) -> None:
        self._writer = SegmentWriter.create("system", tags(), journal=JOURNAL)
        for name in ("Pilotlight", "Image", "Kernel"):
            self._set(f"Version.{name}", versions[name][:TEXT])
        self._set("Slot", versions["Slot"][:TEXT])

    def publish(self, health: Health, units: Sequence[Unit] | None, problems: int, period_s: float) -> None:
        """Publish one look. Without ``units`` their states are BAD; the next publish is due in ``period_s``."""
        self._set("Cpu.Used", health.cpu_percent)
        self._set("Cpu.Count", health.processors)
        self._set("Cpu.Load", health.load_1min)
        self._set("Memory.Total", health.memory.total)
        self._set("Memory.Available", health.memory.free)
        self._set("Memory.Used", health.memory.used_percent)
        if health.data is not None:
            self._set("Data.Total", health.data.total)
            self._set("Data.Available", health.data.free)
            self._set("Data.Used", health.data.used_percent)
        self._set_known("Temperature", health.temperature, 0.0)
        for name in ("Data.Total", "Data.Available", "Data.Used"):
            self._quality(name, health.data is not None)
        self._set("Uptime", int(health.uptime_s))
        self._set("Healthy", problems == 0)
        self._set("Problems", problems)
        states = {unit.name: unit for unit in units or ()}
        for daemon in DAEMONS:
            unit = states.get(f"pilotlight-{daemon}.service")
            self._set_known(f"Unit.{daemon}.Active", None if unit is None else unit.active == "active", False)
            self._set_known(f"Unit.{daemon}.State", None if unit is None else f"{unit.active} {unit.sub}"[:32], "")
        now = now_ns()
        self._writer.publish(now)
        self._writer.heartbeat(now + int(3e9 * period_s))

    def close(self) -> None:
        """Let go of the segment."""
        self._writer.close()

    def _set(self, name: str, value: Value) -> None:
        index = self._writer.directory.index(name)
        try:
            self._writer.set(index, value)
        except TagValueError:
            self._writer.set_quality(index, Quality.BAD)

    def _set_known(self, name: str, value: Value | None, otherwise: Value) -> None:
        self._set(name, otherwise if value is None else value)
        self._quality(name, value is not None)

    def _quality(self, name: str, good: bool) -> None:
        self._writer.set_quality(self._writer.directory.index(name), Quality.GOOD if good else Quality.BAD)
