# SPDX-License-Identifier: Apache-2.0
"""D-Bus object of the orchestrator; see the interface file."""

from __future__ import annotations

from typing import Any

from pilotlight.daemon import InvalidArgument, Service, Typed, Unavailable, caller, command

from .core import Health, Unit
from .keeping import factory_reset, keep
from .update.installing import Source
from .update.ledger import Request
from .update.manager import Updates
from .update.reports import attempt_report, slot_report
from .update.sources import checked_headers, checked_url, name_of, shown
from .update.standing import Standing

ADMIN_GROUP = "pilotlight-admin"
STANDING = ("UpdateState", "UpdateProgress", "UpdateText")
POLICY = ("RebootPolicy", "RebootWindow")


class Orchestrator(Service):
    """Health of the system, and its updates."""

    interface = "io.pilotlight.Orchestrator1"

    def __init__(self, versions: dict[str, str], updates: Updates) -> None:
        super().__init__()
        self._versions = versions
        self._updates = updates
        self._standing: Standing = updates.standing
        self._policy = (updates.ledger.policy, updates.ledger.window)
        updates.changed = self._announce
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

    @property
    def UpdateState(self) -> str:
        """Where updates stand."""
        return self._updates.standing.state

    @property
    def UpdateProgress(self) -> int:
        """Percent of the present step."""
        return self._updates.standing.progress

    @property
    def UpdateText(self) -> str:
        """The present step, or why the last update ended as it did."""
        return self._updates.standing.text

    @property
    def RebootPolicy(self) -> str:
        """When the device restarts by itself after an installation."""
        return str(self._updates.ledger.policy)

    @property
    def RebootWindow(self) -> str:
        """The window of time of that policy."""
        return self._updates.ledger.window

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

    @command
    def Upload(self, size: int, options: dict[str, Any]) -> int:
        """A descriptor to write a bundle with."""
        _check_options(options, Key=str, Name=str, User=str)
        return self._updates.upload(self._request("file", _name(options), options), size, options.get("Key", ""))

    @command
    def Install(self, bundle: int, options: dict[str, Any]) -> int:
        """Install what a descriptor is open on."""
        _check_options(options, Name=str, Force=bool, User=str)
        return self._updates.install(self._request("file", _name(options), options), Source(bundle))

    @command
    def InstallUrl(self, url: str, options: dict[str, Any]) -> int:
        """Install from an https address."""
        _check_options(options, Force=bool, Headers=list, Fleet=bool, User=str)
        settings = self._updates.settings
        checked_url(url, insecure=settings.insecure_urls)
        access: dict[str, Any] = {}
        if headers := checked_headers(options.get("Headers", [])):
            access["http-headers"] = headers
        if settings.tls_ca:
            access["tls-ca"] = settings.tls_ca
        request = self._request("fleet" if options.get("Fleet") else "url", shown(url), options)
        return self._updates.install(request, Source(url=url, access=access))

    def UpdateStatus(self) -> dict[str, Any]:
        """Where updates stand, in one answer."""
        updates, boot, latest = self._updates, self._updates.boot, self._updates.ledger.latest
        return {
            "State": self.UpdateState,
            "Progress": Typed("u", self.UpdateProgress),
            "Text": self.UpdateText,
            "RebootPolicy": self.RebootPolicy,
            "RebootWindow": self.RebootWindow,
            "Version": updates.around.version,
            "Booted": boot.current if boot else "",
            "Committed": boot.committed if boot else "",
            "Pending": boot.pending if boot else "",
            "Trial": boot is not None and boot.committed != boot.current,
            "Waits": updates.restarts.waits,
            **({"Last": attempt_report(latest)} if latest is not None else {}),
        }

    async def Slots(self) -> list[dict[str, Any]]:
        """What is in each slot."""
        return [slot_report(slot) for slot in (await self._updates.slots()).all]

    def Updates(self) -> list[dict[str, Any]]:
        """The last updates, newest first."""
        return [attempt_report(attempt) for attempt in reversed(self._updates.ledger.history.attempts)]

    @command(group="pilotlight-admin")
    async def Mark(self, state: str, slot: str) -> str:
        """Mark a slot by hand."""
        return await self._updates.mark(state, slot)

    @command
    async def Rollback(self) -> str:
        """Go back to the version before."""
        return await self._updates.rollback(caller().user)

    @command
    def Reboot(self) -> None:
        """Restart the device now."""
        self._updates.reboot(caller().user)

    @command
    def SetRebootPolicy(self, policy: str, window: str) -> None:
        """Choose when the device restarts by itself."""
        self._updates.set_policy(policy, window)

    @command(group="pilotlight-admin")
    async def CreateBackup(self, target: int, passphrase: str) -> dict[str, Any]:
        """Write a backup into a descriptor."""
        return await keep("backup", caller().user, target, passphrase)

    @command(group="pilotlight-admin")
    async def InspectBackup(self, backup: int, passphrase: str) -> dict[str, Any]:
        """Check a backup and say what is in it."""
        return await keep("inspect", caller().user, backup, passphrase)

    @command(group="pilotlight-admin")
    async def RestoreBackup(self, backup: int, passphrase: str, restart: bool) -> dict[str, Any]:
        """Check a backup whole, and have the next start put it in place."""
        return await keep("restore", caller().user, backup, passphrase, restart=restart)

    @command(group="root")
    async def FactoryReset(self, confirmation: str) -> None:
        """Erase all data and restart."""
        await factory_reset(caller().user, confirmation)

    def _request(self, source: str, name: str, options: dict[str, Any]) -> Request:
        force = options.get("Force", False)
        if force:
            caller().check(ADMIN_GROUP, "Force")
        person = name_of(options.get("User", ""))
        return Request(source, name, f"{person} through {caller().user}" if person else caller().user, force)

    def _announce(self) -> None:
        standing, policy = self._updates.standing, (self._updates.ledger.policy, self._updates.ledger.window)
        moved, chosen = standing != self._standing, policy != self._policy
        self._standing, self._policy = standing, policy
        self.changed(*(STANDING if moved else ()), *(POLICY if chosen else ()))

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


def _name(options: dict[str, Any]) -> str:
    return name_of(options.get("Name", "")) or "bundle"


def _check_options(options: dict[str, Any], **known: type) -> None:
    for name, value in options.items():
        if name not in known:
            raise InvalidArgument(f"there is no option {name}: they are {', '.join(known)}; nothing was done")
        if not isinstance(value, known[name]) or (
            isinstance(value, list) and not all(isinstance(v, str) for v in value)
        ):
            raise InvalidArgument(f"option {name} has the wrong type; nothing was done")
