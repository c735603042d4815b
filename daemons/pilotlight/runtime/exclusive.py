# SPDX-License-Identifier: Apache-2.0
"""One change at a time: what every command that starts, stops or exchanges a process goes through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pilotlight.runtime.verdicts import SupervisorError

BUSY_S = 8.0
"""How long a command waits for another one to end."""


@asynccontextmanager
async def one_at_a_time(changing: asyncio.Lock) -> AsyncIterator[None]:
    """Hold `changing`. SupervisorError Busy when the change under way takes too long."""
    try:
        await asyncio.wait_for(changing.acquire(), BUSY_S)
    except TimeoutError:
        raise SupervisorError("Busy", "another change is under way; nothing was changed: try again") from None
    try:
        yield
    finally:
        changing.release()
