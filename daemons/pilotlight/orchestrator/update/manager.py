# SPDX-License-Identifier: Apache-2.0
"""Runs updates: one at a time, each step kept on disk before the next one begins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from pilotlight.daemon import Busy, DaemonError, InvalidArgument, WrongState, logger

from . import explain
from .attempts import Attempt, Facts, Outcome
from .bootfiles import BootFiles
from .installing import Installer, Refusal, Source
from .ledger import Ledger, Request
from .marking import Marker
from .policy import checked, window
from .rauc import InstallFailed, NoVerdict, Rauc
from .restart import Restarts
from .settings import UpdateSettings
from .slots import BootState, Slots
from .spool import NoSpace, Spool
from .standing import Standing, at_rest

UPLOAD_KEPT_S = 86400.0

log = logger("orchestrator")


@dataclass(frozen=True)
class Around:
    """What is known of the system: which start this is, and the version that runs."""

    boot_id: str
    version: str


class Updates:
    """All updates of this device; ``changed`` is called when the standing or the policy is another one."""

    def __init__(
        self,
        settings: UpdateSettings,
        rauc: Rauc,
        spool: Spool,
        boot: BootFiles,
        ledger: Ledger,
        around: Around,
        restarts: Restarts,
    ) -> None:
        self.standing = Standing()
        self.changed: Callable[[], None] = lambda: None
        self.settings, self.ledger, self.around, self.restarts = settings, ledger, around, restarts
        self._rauc, self._spool, self._boot = rauc, spool, boot
        self._installer = Installer(rauc, spool)
        self._marker = Marker(rauc, boot, around.version)
        self._job: asyncio.Task[None] | None = None
        self._look: asyncio.Task[None] | None = None
        self._returning = False

    @property
    def boot(self) -> BootState | None:
        """Which slot runs and which starts next; None where there are no slots."""
        return self._boot.state()

    @property
    def busy(self) -> bool:
        """Whether an installation is under way."""
        return self._job is not None and not self._job.done()

    async def slots(self) -> Slots:
        """All slots; during an installation as they were before it. Raises Unavailable where RAUC does not answer."""
        return await self._marker.slots(busy=self.busy)

    async def start(self) -> None:
        """Find out what became of an update over a restart; an installation that still runs is followed."""
        current, installing = self.ledger.current, False
        if current is not None and current.outcome is Outcome.INSTALLING:
            try:
                installing = await self._rauc.installing()
            except DaemonError as error:
                log.warning(f"RAUC does not tell whether it is at work: {error}", event="update-rauc-silent")
        self._settle(installing)
        if installing and current is not None:
            self._show("installing", 0, f"Installing {current.version}")
            self._job = asyncio.create_task(self._adopt(current))
        else:
            self._clear_spool(UPLOAD_KEPT_S)

    async def close(self) -> None:
        """Stop following; RAUC goes on by itself and the next start learns how it ended."""
        tasks = [task for task in (self._job, self._look) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def install(self, request: Request, source: Source) -> int:
        """Begin an installation; its number. The descriptor stays the caller's. Raises Busy, WrongState."""
        with self.ledger.refusals(request, self.around.version):
            self._check_free()
        if source.descriptor >= 0:
            source = Source(os.dup(source.descriptor))
        attempt = self._begin(request)
        self._show("receiving", 0, f"Taking {request.name}")
        self._job = asyncio.create_task(self._run(attempt, source))
        return attempt.id

    def upload(self, request: Request, size: int, key: str = "") -> int:
        """A descriptor to write a bundle of so many bytes with. Raises Busy, WrongState, NoSpace, InvalidArgument."""
        with self.ledger.refusals(request, self.around.version):
            self._check_free()
            try:
                return self._spool.open(size, key)[0]
            except OSError as error:
                raise NoSpace(f"the bundle cannot be taken: {error.strerror}; nothing was done") from None

    async def mark(self, state: str, name: str) -> str:
        """Mark a slot good or bad by hand; what was done. Raises InvalidArgument, WrongState, Busy, Unavailable."""
        self._check_idle()
        return await self._marker.by_hand(state, name)

    async def rollback(self, user: str) -> str:
        """Go back to the version before; what happens now. Raises WrongState, Busy, Unavailable."""
        self._check_idle()
        self._returning = True  # until RAUC has marked the slots and that is noted, a look would misread them
        try:
            return await self._go_back(user)
        finally:
            self._returning = False

    async def _go_back(self, user: str) -> str:
        boot = self.boot
        if boot is None:
            raise WrongState("this system was not started from one of two slots: there is nothing to go back to")
        if boot.committed != boot.current:
            await self._marker.mark("active", "other")
            self._withdraw(f"Taken back by {user} during its trial.")
            self.restarts.now(f"{user} took the version on trial back")
            return f"The device restarts into slot {boot.committed}."
        if boot.pending:
            await self._marker.mark("active", "booted")
            self._withdraw(f"Taken back by {user} before it was tried.")
            return f"What is in slot {boot.pending} is not tried; {self.around.version or 'this version'} stays in use."
        return await self._back_to_other(user)

    def set_policy(self, policy: str, when: str) -> None:
        """Choose when the device restarts by itself. Raises InvalidArgument."""
        self.ledger.choose(*checked(policy, when))
        self.changed()

    def reboot(self, user: str) -> None:
        """Restart now. Raises Busy while something is being installed, WrongState."""
        self._check_idle()
        self.restarts.now(f"asked for by {user}")
        self._stand()

    def look(self) -> None:
        """Once a second: ``tick`` beside whatever the caller does, for it may have to wait. Raises what it raised."""
        if self._look is None or self._look.done():
            if self._look is not None:
                self._look.result()
            self._look = asyncio.create_task(self.tick())

    async def tick(self) -> None:
        """Notice what became of the newest update, and restart if one waits and may."""
        if self.busy or self._returning:
            return
        if self.ledger.current is not None:
            self._settle(installing=False)
        current = self.ledger.current
        if current is not None and current.outcome is Outcome.PENDING:
            when = window(self.ledger.window) if self.ledger.window else None
            try:
                await self.restarts.look(self.ledger.policy, when)
            except WrongState as error:
                log.error(str(error), event="update-restart-failed")
        else:
            self.restarts.forget()
        self._stand()

    def problems(self) -> list[str]:
        """What somebody should look after."""
        newest = self.ledger.history.accepted
        if newest is not None and newest.outcome is Outcome.ROLLED_BACK:
            return [f"the update to {newest.version or 'another version'} was rolled back: {newest.reason}"]
        return []

    async def _run(self, attempt: Attempt, source: Source) -> None:
        """All of one installation; the attempt is settled at its end, whatever happens."""
        try:
            place = await self._installer.receive(source, self._show)
            self._show("checking", 0, f"Checking {attempt.name}")
            bundle = await self._installer.check(place, source.access, attempt.before, forced=attempt.forced)
            target = {"A": "B", "B": "A"}.get(self.boot.current, "") if self.boot else ""
            attempt = self.ledger.writing(msgspec.structs.replace(attempt, version=bundle.version, slot=target))
            self._show("installing", 0, f"Installing {bundle.version}")
            write = self._installer.write(place, bundle, source.access, self._show, forced=attempt.forced)
            await self._completed(attempt, write)
        except (Refusal, NoSpace, InvalidArgument) as refusal:
            self.ledger.end(attempt, Outcome.REFUSED, str(refusal))
        except (InstallFailed, DaemonError) as error:
            self.ledger.end(attempt, Outcome.FAILED, explain.failure(str(error)))
        except OSError as error:
            self.ledger.end(attempt, Outcome.FAILED, explain.failure(f"the bundle cannot be read: {error.strerror}"))
        finally:
            if source.descriptor >= 0:
                os.close(source.descriptor)
            self._clear_spool(0)
        self._done()

    async def _adopt(self, attempt: Attempt) -> None:
        """Follow an installation that RAUC began for an earlier life of this service."""
        try:
            work = self._rauc.follow(lambda percent, words: self._show("installing", percent, words))
            await self._completed(attempt, work)
        except InstallFailed as error:
            self.ledger.end(attempt, Outcome.FAILED, explain.failure(str(error)))
        self._clear_spool(0)
        self._done()

    async def _completed(self, attempt: Attempt, work: Awaitable[None]) -> None:
        """Wait for RAUC's end. Raises what ``work`` raises."""
        try:
            await work
        except NoVerdict:
            # The slot is noted as the one to be tried by RAUC's last step only.
            boot = self.boot
            if boot is None or not attempt.slot or boot.pending != attempt.slot:
                raise
        self._installed(attempt)

    def _installed(self, attempt: Attempt) -> None:
        boot = self.boot
        slot = boot.pending if boot is not None and boot.pending else attempt.slot
        self.ledger.keep(msgspec.structs.replace(attempt, outcome=Outcome.PENDING, slot=slot))
        log.info(f"{attempt.version} is installed in slot {slot}", event="update-installed", version=attempt.version)

    async def _back_to_other(self, user: str) -> str:
        self._marker.forget()
        other = (await self.slots()).other
        if other is None or not other.good or not other.complete:
            raise WrongState(
                "the other slot holds nothing that is known to work; nothing was changed. Install a bundle instead"
            )
        request = Request("rollback", f"slot {other.name}", user)
        await self._marker.mark("active", other.rauc)
        attempt = self._begin(request)
        self._installed(msgspec.structs.replace(attempt, version=other.version, slot=other.name))
        self._done()
        return f"The next restart goes back to {other.version or 'what is'} in slot {other.name}."

    def _withdraw(self, reason: str) -> None:
        current = self.ledger.current
        if current is not None:
            self.ledger.end(current, Outcome.WITHDRAWN, reason)
        self.restarts.forget()
        self._stand()

    def _check_idle(self) -> None:
        if self.busy:
            raise Busy("an update is being installed: one at a time. Wait for its end; nothing was done")
        if self._returning:
            raise Busy("somebody is going back to another version; nothing was done. Try again in a moment")

    def _check_free(self) -> None:
        """Whether an installation may begin: it writes the slot that does not run."""
        self._check_idle()
        if self.restarts.asked:
            raise Busy("the device restarts; nothing was done. Try again in a minute")
        boot = self.boot
        if boot is not None and boot.committed != boot.current:
            raise WrongState(
                f"the version in slot {boot.current} is still on trial, and the other slot is the way back: "
                "nothing was done. Wait until it is confirmed, or roll back"
            )

    def _begin(self, request: Request) -> Attempt:
        self.restarts.forget()
        return self.ledger.begin(request, version=self.around.version, boot=self.around.boot_id)

    def _settle(self, installing: bool) -> None:
        boot, current = self.boot or BootState(), self.ledger.current
        note = self._boot.note(current.slot, current.started) if current is not None and current.slot else ""
        facts = Facts(self.around.boot_id, boot.current, boot.committed, boot.pending, installing, note)
        if self.ledger.settle(facts):
            self._marker.forget()
        self._stand()

    def _done(self) -> None:
        self._marker.forget()
        self._job = None
        self._stand()

    def _stand(self) -> None:
        if not self.busy:
            restarts, ledger = self.restarts, self.ledger
            self._tell(at_rest(ledger.current, ledger.latest, restarting=restarts.asked, waits=restarts.waits))

    def _show(self, state: str, progress: int, text: str) -> None:
        self._tell(Standing(state, max(0, min(100, progress)), text))

    def _tell(self, standing: Standing) -> None:
        if standing != self.standing:
            self.standing = standing
            self.changed()

    def _clear_spool(self, older_than_s: float) -> None:
        try:
            self._spool.clear(older_than_s)
        except OSError as error:
            log.warning(f"the bundle that was installed cannot be removed: {error.strerror}", event="update-spool")
