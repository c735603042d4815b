# SPDX-License-Identifier: Apache-2.0
"""What became of every update: a state machine over restarts and power cuts, and the bounded history. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

HISTORY_MAX = 50
REASON_MAX = 1000


class Outcome(StrEnum):
    """How far an update came. All but the first three are final."""

    INSTALLING = "installing"
    PENDING = "pending"
    """Installed; the next start tries it."""
    TRYING = "trying"
    """Started, and not confirmed yet."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing was written."""
    FAILED = "failed"
    """Not installed; the other slot may be part-written, and is marked bad then."""
    ROLLED_BACK = "rolled back"
    """Tried, and the device went back by itself."""
    WITHDRAWN = "withdrawn"
    """Taken back by somebody before it was confirmed."""


OPEN = frozenset({Outcome.INSTALLING, Outcome.PENDING, Outcome.TRYING})

INTERRUPTED = (
    "The installation was cut off by a restart or a power cut. The running system is untouched; the other slot is "
    "part-written and is not started. Install the bundle again."
)
NOT_BEGUN = "A restart came before anything was written. The running system is untouched. Install the bundle again."
WENT_BACK = (
    "The new version did not start, or did not confirm that it works; the device went back to the version before by "
    "itself. Its journal of that start says more: `journalctl -b -1`."
)
TAKEN_BACK = "It was taken back outside of this service before it was tried; the version before stays in use."


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One update, or one going back by hand. Times are Unix seconds; ``boot`` is the start in which it was last
    looked at; ``slot`` the one that is written, empty before that begins."""

    id: int
    source: str
    name: str
    user: str
    started: float
    ended: float = 0.0
    forced: bool = False
    version: str = ""
    before: str = ""
    slot: str = ""
    outcome: Outcome = Outcome.INSTALLING
    reason: str = ""
    boot: str = ""

    @property
    def open(self) -> bool:
        """Whether something may still become of it."""
        return self.outcome in OPEN


@dataclass(frozen=True)
class Facts:
    """What the system shows now: this start, the slots by boot name (empty: none or unknown), whether RAUC installs,
    and why a trial ended, if somebody left a note. A slot that is being written is not pending."""

    boot: str
    booted: str
    committed: str
    pending: str
    installing: bool = False
    reason: str = ""


def end(attempt: Attempt, outcome: Outcome, reason: str, now: float) -> Attempt:
    """The attempt with a final outcome."""
    return msgspec.structs.replace(attempt, outcome=outcome, reason=reason[:REASON_MAX], ended=now)


def settle(attempt: Attempt, facts: Facts, now: float) -> Attempt:
    """The attempt as the facts show it; itself when nothing is to be learned, or when it had ended before."""
    if not attempt.open or not facts.booted:
        return attempt
    if attempt.outcome is Outcome.INSTALLING:
        return _settle_installing(attempt, facts, now)
    if facts.booted == attempt.slot:
        outcome = Outcome.DONE if facts.committed == attempt.slot else Outcome.TRYING
        if outcome is Outcome.DONE:
            return end(attempt, outcome, "", now)
        return msgspec.structs.replace(attempt, outcome=outcome, boot=facts.boot)
    if facts.pending == attempt.slot:
        reason = facts.reason or attempt.reason
        return msgspec.structs.replace(attempt, outcome=Outcome.PENDING, boot=facts.boot, reason=reason[:REASON_MAX])
    if attempt.outcome is Outcome.PENDING and attempt.boot == facts.boot and not facts.reason:
        return end(attempt, Outcome.WITHDRAWN, TAKEN_BACK, now)
    return end(attempt, Outcome.ROLLED_BACK, facts.reason or attempt.reason or WENT_BACK, now)


def _settle_installing(attempt: Attempt, facts: Facts, now: float) -> Attempt:
    if facts.installing:
        return attempt
    if not attempt.slot:
        return end(attempt, Outcome.REFUSED, NOT_BEGUN, now)
    waits = facts.pending == attempt.slot != facts.booted
    if waits or (attempt.boot != facts.boot and facts.booted == attempt.slot):
        # It was complete; the second when the start that followed is already the new version's.
        return settle(msgspec.structs.replace(attempt, outcome=Outcome.PENDING), facts, now)
    return end(attempt, Outcome.FAILED, INTERRUPTED, now)


def _same(one: Attempt, other: Attempt) -> bool:
    """Whether two differ in nothing but when they were."""
    return msgspec.structs.replace(one, id=other.id, started=other.started, ended=other.ended) == other


class History(msgspec.Struct, frozen=True):
    """All attempts that are remembered, oldest first; what was refused while another was open comes before that."""

    attempts: tuple[Attempt, ...] = ()
    next_id: int = 1

    @property
    def latest(self) -> Attempt | None:
        """The newest attempt."""
        return self.attempts[-1] if self.attempts else None

    def with_attempt(self, attempt: Attempt) -> History:
        """With an attempt added, or put in the place of the one with its number; the oldest are forgotten."""
        known = [attempt if a.id == attempt.id else a for a in self.attempts]
        return self._with([*known, *([] if attempt in known else [attempt])], attempt)

    def with_refusal(self, refusal: Attempt) -> History:
        """With an attempt that was refused before it began. What is open stays newer than it, so no number of refusals
        makes it forgotten; the same refusal once more takes the place of the one before."""
        place = next((i for i, a in enumerate(self.attempts) if a.open), len(self.attempts))
        older, newer = list(self.attempts[:place]), self.attempts[place:]
        if older and _same(older[-1], refusal):
            older.pop()
        return self._with([*older, refusal, *newer], refusal)

    def _with(self, attempts: list[Attempt], changed: Attempt) -> History:
        return History(tuple(attempts[-HISTORY_MAX:]), max(self.next_id, changed.id + 1))

    @property
    def accepted(self) -> Attempt | None:
        """The newest attempt that was not refused: what is refused changes nothing on the device."""
        return next((a for a in reversed(self.attempts) if a.outcome is not Outcome.REFUSED), None)

    @property
    def current(self) -> Attempt | None:
        """The newest attempt of which something may still become; None when all have ended."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.open), None)

    def settled(self, facts: Facts, now: float) -> History:
        """With every open attempt as the facts show it."""
        result = self
        for attempt in self.attempts:
            result = result.with_attempt(settle(attempt, facts, now))
        return result

    def writing(self, attempt: Attempt, now: float) -> History:
        """With an attempt that begins to write the other slot: what waited there before is gone."""
        result = self
        for other in self.attempts:
            if other.open and other.id != attempt.id:
                result = result.with_attempt(
                    end(other, Outcome.WITHDRAWN, f"Replaced by update {attempt.id} before it was confirmed.", now)
                )
        return result.with_attempt(attempt)
