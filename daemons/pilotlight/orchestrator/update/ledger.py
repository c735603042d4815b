# SPDX-License-Identifier: Apache-2.0
"""The history of updates and the choice when to restart, kept on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from pilotlight.daemon import Busy, StateFile, WrongState, logger

from .attempts import Attempt, Facts, History, Outcome, end
from .policy import RebootPolicy
from .settings import UpdateSettings
from .spool import NoSpace

log = logger("orchestrator")


class Records(msgspec.Struct, frozen=True):
    """What is kept. Without a policy of its own the settings' one applies."""

    history: History = History()
    policy: RebootPolicy | None = None
    window: str = ""


@dataclass(frozen=True)
class Request:
    """Who wants what installed: ``source`` is file, url, fleet or rollback; ``name`` is fit to be shown; ``time`` is
    when it was asked for, in Unix seconds."""

    source: str
    name: str
    user: str
    force: bool = False
    time: float = field(default_factory=time.time)


class Ledger:
    """The newest attempt is the one under way, if any is."""

    def __init__(self, file: StateFile[Records], settings: UpdateSettings) -> None:
        self._file, self._settings = file, settings
        self._records = file.load(Records())

    @property
    def history(self) -> History:
        """All attempts that are remembered."""
        return self._records.history

    @property
    def latest(self) -> Attempt | None:
        """The newest attempt."""
        return self._records.history.latest

    @property
    def current(self) -> Attempt | None:
        """The newest attempt of which something may still become."""
        return self._records.history.current

    @property
    def policy(self) -> RebootPolicy:
        """When the device restarts by itself."""
        return self._records.policy or self._settings.reboot

    @property
    def window(self) -> str:
        """The window of time of the policy; empty: none."""
        return self._records.window if self._records.policy else self._settings.reboot_window

    def begin(self, request: Request, *, version: str, boot: str) -> Attempt:
        """A new attempt, kept before anything is done."""
        return self.keep(self._asked(request, version, boot))

    @contextmanager
    def refusals(self, request: Request, version: str) -> Iterator[None]:
        """A block that looks whether an attempt may begin. A refusal for want of room or at the wrong time is kept with
        its reason, and raised on."""
        try:
            yield
        except (Busy, NoSpace, WrongState) as error:
            refusal = end(self._asked(request, version), Outcome.REFUSED, str(error), time.time())
            self._log_end(refusal)
            self._save(self.history.with_refusal(refusal))
            raise

    def _asked(self, request: Request, version: str, boot: str = "") -> Attempt:
        return Attempt(
            id=self.history.next_id,
            source=request.source,
            name=request.name,
            user=request.user,
            started=request.time,
            forced=request.force,
            before=version,
            boot=boot,
        )

    def keep(self, attempt: Attempt) -> Attempt:
        """The attempt, kept as it is now."""
        self._save(self.history.with_attempt(attempt))
        return attempt

    def writing(self, attempt: Attempt) -> Attempt:
        """The attempt, kept as it begins to write; what waited in the other slot is gone with that."""
        self._save(self.history.writing(attempt, time.time()))
        return attempt

    def end(self, attempt: Attempt, outcome: Outcome, reason: str) -> None:
        """Keep how the attempt ended."""
        ended = end(attempt, outcome, reason, time.time())
        self._log_end(ended)
        self.keep(ended)

    def settle(self, facts: Facts) -> bool:
        """Take over what the facts show; whether anything changed."""
        settled = self.history.settled(facts, time.time())
        if settled == self.history:
            return False
        self._save(settled)
        latest = self.latest
        if latest is not None:
            log.info(f"update {latest.id}: {latest.outcome} {latest.reason}".rstrip(), event="update-settled")
        return True

    def choose(self, policy: RebootPolicy, window: str) -> None:
        """Keep a policy."""
        self._write(msgspec.structs.replace(self._records, policy=policy, window=window))

    def _log_end(self, attempt: Attempt) -> None:
        level = log.info if attempt.outcome is Outcome.WITHDRAWN else log.warning
        text = f"update {attempt.id} ({attempt.name}): {attempt.outcome}: {attempt.reason}"
        level(text, event="update-ended", update=attempt.id)

    def _save(self, history: History) -> None:
        self._write(msgspec.structs.replace(self._records, history=history))

    def _write(self, records: Records) -> None:
        # Kept in memory in any case: a full disk must not make the device forget what it is doing.
        self._records = records
        try:
            self._file.save(records)
        except OSError as error:
            log.error(f"the history of updates cannot be written: {error.strerror}", event="update-history-lost")
