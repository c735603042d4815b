# SPDX-License-Identifier: Apache-2.0
"""What is in the slots, asked of RAUC and remembered for a moment, and marking them."""

from __future__ import annotations

import time

from pilotlight.daemon import Busy, DaemonError, InvalidArgument, Unavailable, WrongState

from .bootfiles import BootFiles
from .rauc import Rauc
from .slots import Slots, slots

FRESH_S = 20.0
"""RAUC asks the boot handler for each slot: that takes seconds on a slow device."""


class Marker:
    """Knows the slots; ``version`` is that of the image that runs."""

    def __init__(self, rauc: Rauc, boot: BootFiles, version: str) -> None:
        self._rauc, self._boot, self._version = rauc, boot, version
        self._known: tuple[float, Slots] | None = None

    def forget(self) -> None:
        """Ask anew the next time: something was changed."""
        self._known = None

    async def slots(self, *, busy: bool = False) -> Slots:
        """All slots; while RAUC is ``busy`` as they were before. Raises Busy, Unavailable when RAUC does not answer."""
        if self._known is None and busy:
            raise Busy("an update is being installed; what is in the slots is told after that")
        if self._known is None or (time.monotonic() - self._known[0] > FRESH_S and not busy):
            try:
                listed, primary = await self._rauc.slots()
            except DaemonError as error:
                raise Unavailable(f"what is in the slots is not known: {error}. The running system goes on.") from None
            self._known = time.monotonic(), slots(listed, primary, self._boot.state(), self._version)
        return self._known[1]

    async def by_hand(self, state: str, name: str) -> str:
        """Mark a slot good or bad; what was done. Raises InvalidArgument, WrongState, Unavailable."""
        if state not in ("good", "bad"):
            raise InvalidArgument(f"a slot is marked good or bad, not “{state}”; to go back use Rollback")
        known = (await self.slots()).named(name)
        if known is None and name not in ("booted", "other"):
            raise InvalidArgument(f"there is no slot “{name}”: they are A, B, booted and other; nothing was marked")
        return await self.mark(state, known.rauc if known else name)

    async def mark(self, state: str, slot: str) -> str:
        """Have RAUC mark a slot; what it did. Raises WrongState, Unavailable."""
        self.forget()
        try:
            return (await self._rauc.mark(state, slot))[1]
        except Unavailable:
            raise
        except DaemonError as error:
            raise WrongState(f"RAUC does not mark the slot: {error}. Nothing was changed.") from None
