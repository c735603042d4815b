# SPDX-License-Identifier: Apache-2.0
"""D-Bus object of the orchestrator; see the interface file."""

from __future__ import annotations

from typing import Any

from pilotlight.daemon import Service, Typed, Unavailable

from .core import Health, Unit


class Orchestrator(Service):
    """Health of the system."""

    interface = "io.pilotlight.Orchestrator1"

    def __init__(self, versions: dict[str, str]) -> None:
        super().__init__()
        self._versions = versions
        self._health: Health | None = None
        self._units: list[Unit] | None = None
        self._problems: list[str] = []

    @property
    def Slot(self) -> str:
        """Slot the system was started from."""
        return self._versions["Slot"]

    @property
    def Problems(self) -> list[str]:
        """What is wrong with the system."""
        return self._problems

    def Units(self) -> list[dict[str, Any]]:
        """States of the Pilotlight units."""
        if self._units is None:
            raise Unavailable("systemd does not tell the states of the units; nothing else is affected")
        return [
            {"Name": u.name, "Description": u.description, "Load": u.load, "Active": u.active, "Sub": u.sub}
            for u in self._units
        ]

    def Versions(self) -> dict[str, str]:
        """Versions of the parts."""
        return self._versions

    def problems(self) -> list[str]:
        """What is wrong with the system."""
        return self._problems

    def details(self) -> dict[str, Any]:
        """Own keys of ``Status``."""
        details: dict[str, Any] = {"Slot": self.Slot}
        health = self._health
        if health is not None:
            details |= {
                "CpuUsed": health.cpu_percent,
                "Load": health.load_1min,
                "Processors": Typed("u", health.processors),
                "MemoryTotal": Typed("t", health.memory.total),
                "MemoryAvailable": Typed("t", health.memory.free),
                "Uptime": health.uptime_s,
            }
            if health.data is not None:
                details |= {
                    "DataTotal": Typed("t", health.data.total),
                    "DataAvailable": Typed("t", health.data.free),
                }
            if health.temperature is not None:
                details["Temperature"] = health.temperature
        return details

    def update(self, health: Health, units: list[Unit] | None, problems: list[str]) -> None:
        """Take over one look; changed problems are announced."""
        self._health, self._units = health, units
        if problems != self._problems:
            self._problems = problems
            self.changed("Problems")
