# SPDX-License-Identifier: Apache-2.0
"""What the orchestrator has the keeper do: it has no rights to it of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from pilotlight.daemon import InvalidArgument, Typed

from .keeper.protocol import Request, Verb, ask

CONFIRMATION = "erase"


async def keep(verb: Verb, user: str, descriptor: int, passphrase: str, *, restart: bool = False) -> dict[str, Any]:
    """Backup into, or inspect or restore from, an open file; what the backup is. Raises DaemonError."""
    request = Request(verb, user, passphrase, restart)
    told = await asyncio.to_thread(ask, request, descriptor)
    return {key: Typed("as", value) if isinstance(value, list) else value for key, value in told.items()}


async def factory_reset(user: str, confirmation: str) -> None:
    """Have the device erase its data at the restart that follows. Raises DaemonError."""
    if confirmation != CONFIRMATION:
        raise InvalidArgument(f"confirm with the word {CONFIRMATION}; nothing was done")
    await asyncio.to_thread(ask, Request("factory-reset", user))
