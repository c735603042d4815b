# SPDX-License-Identifier: Apache-2.0
"""Reading the system: kernel files, disk, systemd over the bus. Every read is bounded."""

from __future__ import annotations

import os
from pathlib import Path

from pilotlight import __version__
from pilotlight.daemon import Client

from . import core

SIZE_LIMIT = 1 << 20
SYSTEMD_TIMEOUT_S = 2.0
BOOTLOADER = "proc/device-tree/chosen/bootloader/build-timestamp"
UNIT_PATTERN = "pilotlight-*"


class System:
    """The machine; ``root`` is where its files are, for tests."""

    def __init__(self, data: str, root: Path = Path("/")) -> None:
        self._root = root
        self._data = root / data.lstrip("/")
        self._before: core.CpuTime | None = None
        self._systemd = Client(
            "org.freedesktop.systemd1.Manager",
            SYSTEMD_TIMEOUT_S,
            name="org.freedesktop.systemd1",
            path="/org/freedesktop/systemd1",
        )

    def look(self) -> core.Health:
        """One look. Raises OSError or ValueError when the kernel's files cannot be read."""
        now = core.cpu_time(self._read("proc/stat"))
        before, self._before = self._before or now, now
        return core.Health(
            cpu_percent=core.cpu_percent(before, now),
            load_1min=float(self._read("proc/loadavg").split()[0]),
            processors=os.cpu_count() or 1,
            memory=core.memory(self._read("proc/meminfo")),
            data=self._space(),
            temperature=core.hottest(self._temperatures()),
            uptime_s=float(self._read("proc/uptime").split()[0]),
            bootloader=self._bootloader(),
        )

    def versions(self) -> dict[str, str]:
        """Versions of Pilotlight, image, operating system and kernel, and the slot; empty text where unknown."""
        release = {}
        for path in ("etc/os-release", "usr/lib/os-release"):
            if (self._root / path).is_file():
                release = core.os_release(self._read(path))
                break
        return {
            "Pilotlight": __version__,
            "System": release.get("PRETTY_NAME", ""),
            "Image": release.get("IMAGE_VERSION", ""),
            "Kernel": os.uname().release,
            "Slot": core.slot(self._read("proc/cmdline")),
        }

    def boot_id(self) -> str:
        """What tells this start of the machine from any other."""
        return self._read("proc/sys/kernel/random/boot_id").strip()

    async def units(self) -> list[core.Unit]:
        """States of the Pilotlight units. Raises Unavailable or Timeout when systemd does not tell."""
        return core.units(await self._systemd.acall("ListUnitsByPatterns", [], [UNIT_PATTERN], signature="asas"))

    def _read(self, path: str) -> str:
        with (self._root / path).open(encoding="utf-8", errors="replace") as file:
            return file.read(SIZE_LIMIT)

    def _space(self) -> core.Space | None:
        try:
            figures = os.statvfs(self._data)
        except FileNotFoundError:
            return None
        return core.Space(figures.f_blocks * figures.f_frsize, figures.f_bavail * figures.f_frsize)

    def _bootloader(self) -> int | None:
        try:
            with (self._root / BOOTLOADER).open("rb") as file:
                return core.build_time(file.read(SIZE_LIMIT))
        except FileNotFoundError:
            return None  # only a Raspberry Pi's firmware tells

    def _temperatures(self) -> list[str]:
        readings = []
        for zone in sorted((self._root / "sys/class/thermal").glob("thermal_zone*/temp")):
            try:
                readings.append(zone.read_text())
            except OSError:
                continue  # a zone may refuse to be read while its sensor sleeps
        return readings
