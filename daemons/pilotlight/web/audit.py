# SPDX-License-Identifier: Apache-2.0
"""The record of who commanded what."""

from typing import Any

from fastapi import Request

from pilotlight.daemon import logger
from pilotlight.web.backend import Session

log = logger("web")


def audit(request: Request, session: Session | None, command: str, verdict: str, **fields: Any) -> None:
    """The record of a command: who, from where, what, with which outcome. No secrets."""
    address = request.client.host if request.client else ""
    user = session.user.username if session else ""
    log.info(
        f"{user or 'someone'} at {address}: {command}: {verdict}",
        event="web-command",
        user=user,
        address=address,
        command=command,
        verdict=verdict,
        **fields,
    )


def printable(username: str) -> str:
    """A name somebody claims to have, fit for a log."""
    return "".join(character if character.isprintable() else "?" for character in username[:64])
