# SPDX-License-Identifier: Apache-2.0
"""What the kernel's and systemd's texts mean, and what of it is a problem. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .settings import OrchestratorSettings

# Older firmware does not choose the command line by the partition (10 March 2025): an update could not be tried.
BOOTLOADER_MIN = int(datetime(2025, 3, 10, tzinfo=UTC).timestamp())
DAEMONS = ("runtime", "igniter", "netmon", "web", "orchestrator")


@dataclass(frozen=True)
class CpuTime:
    """Time all processors together have spent since the start, in clock ticks."""

    busy: int
    total: int


@dataclass(frozen=True)
class Space:
    """Memory or disk: bytes in all, and bytes that can still be had."""

    total: int
    free: int

    @property
    def used_percent(self) -> float:
        """Share in use, 0 to 100; 0 when there is none at all."""
        return 100.0 * (self.total - self.free) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Unit:
    """A unit as systemd describes it."""

    name: str
    description: str
    load: str
    active: str
    sub: str


@dataclass(frozen=True)
class Health:
    """One look at the system. ``cpu_percent`` is the share of all processors together since the look before;
    ``temperature`` is the hottest zone in °C, None where there is none; ``bootloader`` is when the firmware that starts
    the system was built (seconds since 1970), None where it does not tell."""

    cpu_percent: float
    load_1min: float
    processors: int
    memory: Space
    data: Space | None
    temperature: float | None
    uptime_s: float
    bootloader: int | None = None


def cpu_time(stat: str) -> CpuTime:
    """From ``/proc/stat``. Raises ValueError when the text is not one."""
    fields = stat.partition("\n")[0].split()
    if len(fields) < 6 or fields[0] != "cpu":
        raise ValueError("no cpu line in /proc/stat")
    ticks = [int(field) for field in fields[1:9]]
    return CpuTime(sum(ticks) - ticks[3] - ticks[4], sum(ticks))


def cpu_percent(before: CpuTime, after: CpuTime) -> float:
    """Busy share between two looks, 0 to 100."""
    total = after.total - before.total
    return min(100.0, max(0.0, 100.0 * (after.busy - before.busy) / total)) if total > 0 else 0.0


def memory(meminfo: str) -> Space:
    """From ``/proc/meminfo``. Raises ValueError when a figure is missing."""
    figures = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            figures[name] = int(rest.split()[0]) * 1024
    if len(figures) != 2:
        raise ValueError("MemTotal or MemAvailable is missing in /proc/meminfo")
    return Space(figures["MemTotal"], figures["MemAvailable"])


def hottest(zones: Iterable[str]) -> float | None:
    """From the ``temp`` files of the thermal zones, in °C; None when no zone tells."""
    readings = [int(zone) / 1000 for zone in zones if zone.strip().lstrip("-").isdigit()]
    return max(readings, default=None)


def slot(command_line: str) -> str:
    """The slot in ``pilotlight.slot=`` of the kernel command line; empty where there is none."""
    words = (word.partition("=") for word in command_line.split())
    return next((value for key, _, value in words if key == "pilotlight.slot"), "")


def build_time(stamp: bytes) -> int | None:
    """The time in the firmware's ``build-timestamp``: seconds since 1970, big-endian; None for anything else."""
    return int.from_bytes(stamp, "big") if len(stamp) == 4 else None


def os_release(text: str) -> dict[str, str]:
    """Names and values of an os-release file; lines that are none are passed over."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or not name.isidentifier():
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        values[name] = words[0] if words else ""
    return values


def units(listed: Iterable[Sequence[object]]) -> list[Unit]:
    """From the answer of systemd's ``ListUnitsByPatterns``, by name."""
    found = [Unit(*(str(field) for field in unit[:5])) for unit in listed]
    return sorted(found, key=lambda unit: unit.name)


def problems(health: Health, found: Iterable[Unit] | None, settings: OrchestratorSettings) -> list[str]:
    """What an operator should look after, a sentence each."""
    result = []
    if 100 - health.memory.used_percent < settings.memory_free_min:
        result.append(f"memory is short: {health.memory.free >> 20} MiB of {health.memory.total >> 20} MiB are left")
    if health.data is not None and 100 - health.data.used_percent < settings.disk_free_min:
        result.append(
            f"{settings.data} is nearly full: {health.data.free >> 20} MiB of {health.data.total >> 20} MiB are left"
        )
    if health.temperature is not None and health.temperature > settings.temperature_max:
        result.append(f"it is hot: {health.temperature:.1f} °C, more than {settings.temperature_max:g} °C")
    if health.bootloader is not None and health.bootloader < BOOTLOADER_MIN:
        result.append(
            f"the module's boot loader is of {datetime.fromtimestamp(health.bootloader, UTC):%Y-%m-%d}, too old to try "
            f"updates: bring it to {datetime.fromtimestamp(BOOTLOADER_MIN, UTC):%Y-%m-%d} or newer"
        )
    result += [
        f"{unit.name} has failed; see `journalctl -u {unit.name}`" for unit in found or () if unit.active == "failed"
    ]
    return result
