# SPDX-License-Identifier: Apache-2.0
"""The device as the fleet door sees it: the orchestrator over the bus."""

from __future__ import annotations

from typing import Any

from pilotlight.daemon import Client, Fd

INTERFACE = "io.pilotlight.Orchestrator1"
CALL_S = 90.0
USER = "hawkBit"


class Device:
    """The orchestrator's update methods. They raise DaemonErrors; all wait for their answer."""

    def __init__(self) -> None:
        self._client = Client(INTERFACE, CALL_S)

    def upload(self, size: int, key: str, name: str) -> int:
        """A descriptor of the file that a bundle goes to, as it was left for the same key."""
        options = {"Key": key, "Name": name, "User": USER}
        return int(self._client.call("Upload", size, options, signature="ta{sv}"))

    def install(self, file: int, name: str) -> int:
        """Install it; the number of the update."""
        return int(self._client.call("Install", Fd(file), {"Name": name, "User": USER}, signature="ha{sv}"))

    def install_url(self, url: str, headers: list[str]) -> int:
        """Install from an address; the number of the update."""
        options: dict[str, Any] = {"User": USER, "Fleet": True, **({"Headers": headers} if headers else {})}
        return int(self._client.call("InstallUrl", url, options, signature="sa{sv}"))

    def update(self, number: int) -> dict[str, Any] | None:
        """An entry of the history."""
        updates = self._client.call("Updates", signature="")
        return next((dict(update) for update in updates if update["Id"] == number), None)

    def named(self, name: str) -> int | None:
        """The number of an update of that name that has not failed: it was begun, and the answer got lost."""
        updates = self._client.call("Updates", signature="")
        going = ("installing", "pending", "trying", "done")
        return next((int(u["Id"]) for u in updates if u["Name"] == name and u["Outcome"] in going), None)

    def rollback(self) -> str:
        """Take the update that waits back."""
        return str(self._client.call("Rollback", signature=""))

    def describe(self) -> dict[str, str]:
        """What the server shows of the device."""
        status, versions = self._client.call("UpdateStatus", signature=""), self._client.call("Versions", signature="")
        return {
            "version": status["Version"],
            "slot": status["Booted"],
            "kernel": versions.get("Kernel", ""),
            "system": versions.get("System", ""),
        }
