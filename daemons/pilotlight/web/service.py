# SPDX-License-Identifier: Apache-2.0
"""The D-Bus object `io.pilotlight.Web1`."""

import asyncio
from typing import Any, ClassVar

from pilotlight.daemon import Service, caller, command, logger
from pilotlight.web.backend import Backend
from pilotlight.web.certificate import Certificate

log = logger("web")


class WebService(Service):
    """What a person at the console may ask of the web daemon."""

    interface: ClassVar[str] = "io.pilotlight.Web1"

    def __init__(self, backend: Backend, certificate: Certificate, port: int) -> None:
        super().__init__()
        self._backend = backend
        self._certificate = certificate
        self._port = port
        backend.users_changed = lambda: self.changed("Claimed", "UserCount")

    @property
    def Claimed(self) -> bool:
        """Whether the device has a user."""
        return self._backend.users.claimed

    @property
    def UserCount(self) -> int:
        """How many users the device has."""
        return len(self._backend.users.all())

    @property
    def Fingerprint(self) -> str:
        """SHA-256 of the certificate in use."""
        return self._certificate.fingerprint

    @command(group="root")
    async def ResetUsers(self) -> int:
        """Removes every user, so that the device can be claimed anew."""
        removed = await asyncio.to_thread(self._backend.users.reset)
        log.warning(
            f"{caller().user} removed all {removed} users; whoever reaches the device first can claim it",
            event="web-users-reset",
            user=caller().user,
        )
        self._backend.users_changed()
        return removed

    def renewed(self, certificate: Certificate) -> None:
        """Another certificate is in use from now on."""
        self._certificate = certificate
        self.changed("Fingerprint")

    def problems(self) -> list[str]:
        """The user database, when it cannot be read."""
        return [self._backend.users.problem] if self._backend.users.problem else []

    def details(self) -> dict[str, Any]:
        """Port, users and certificate."""
        return {
            "Port": self._port,
            "Claimed": self.Claimed,
            "Users": self.UserCount,
            "Fingerprint": self._certificate.fingerprint,
            "CertificateEnds": f"{self._certificate.not_after:%Y-%m-%d}",
            "Streams": self._backend.streams,
        }
