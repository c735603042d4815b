# SPDX-License-Identifier: Apache-2.0
"""What each verb of the boot handler decides: from the boot configuration and the firmware's facts to changes. No I/O.

The committed slot is the one that any reset starts. It only ever changes to the slot that runs, and nothing may be
written to it: so it always names a slot that was shipped, or that has proven itself.
"""

from __future__ import annotations

from typing import NamedTuple

PARTITIONS = {"A": 2, "B": 3}
ATTEMPTS = 2  # trials of a slot that may end without a word from it; a power cut during one looks the same
REASONS = 8  # of a failed trial that are kept
REASON_LENGTH = 160  # characters of one


class Refused(Exception):
    """A verb that is not carried out; nothing is changed. The message says why and what to do."""


class Pending(NamedTuple):
    """The durable wish to try a slot at the next restart."""

    slot: str
    version: str = ""
    """Of what is in the slot; empty where unknown."""
    time: int = 0
    """When it was asked for, in seconds since 1970."""
    attempts: int = 0
    """Restarts into it so far."""
    armed: bool = False
    """Set before the firmware is asked; whoever starts next accounts for the attempt."""
    started: bool = False
    """The slot's system came up in this attempt."""
    ran: bool = False
    """A program was running when the machine was restarted into it."""
    reasons: tuple[str, ...] = ()
    """Why the trial failed, in the words of the slot's own health gate."""


class Configuration(NamedTuple):
    """What the boot configuration partition says."""

    committed: str
    pending: Pending | None = None
    good: frozenset[str] = frozenset()


class Facts(NamedTuple):
    """What the firmware and the kernel's command line tell about this start."""

    partition: int | None
    """Partition the firmware started from; None where it does not tell."""
    tryboot: bool
    slot: str
    """``rauc.slot=`` of the command line; empty where it is missing."""


class Commit(NamedTuple):
    """Let every reset start this slot."""

    slot: str


class Keep(NamedTuple):
    """Write the wish."""

    pending: Pending


class Forget(NamedTuple):
    """Remove the wish."""


class Good(NamedTuple):
    """Note that a slot has proven itself."""

    slot: str


class Bad(NamedTuple):
    """Note that a slot cannot be relied on."""

    slot: str


class Record(NamedTuple):
    """Keep how a trial ended, for people."""

    pending: Pending
    outcome: str
    """``committed``, ``failed``, or ``retry``: failed without a word, to be tried again at the next restart."""
    reasons: tuple[str, ...] = ()


Change = Commit | Keep | Forget | Good | Bad | Record
Changes = list[Change]


def checked(slot: str) -> str:
    """The slot; Refused when there is none of that name."""
    if slot not in PARTITIONS:
        raise Refused(f"there is no slot '{slot}': say A or B")
    return slot


def other(slot: str) -> str:
    """The other slot."""
    return "B" if slot == "A" else "A"


def current(facts: Facts) -> str:
    """The slot that runs. Refused when firmware and command line disagree, or neither tells."""
    told = next((slot for slot, partition in PARTITIONS.items() if partition == facts.partition), "")
    if facts.partition is not None and told != facts.slot:
        raise Refused(
            f"the firmware started partition {facts.partition} and the command line says slot '{facts.slot}': "
            "nothing is committed, any reset starts the committed slot"
        )
    if facts.slot not in PARTITIONS:
        raise Refused("neither firmware nor command line tells which slot runs")
    return facts.slot


def on_trial(configuration: Configuration, facts: Facts) -> bool:
    """Whether the running slot is one that has to prove itself, by what the firmware says when that is all there is."""
    try:
        running = current(facts)
    except Refused:
        return facts.tryboot
    return running != configuration.committed and (facts.tryboot or _wanted(configuration) == running)


def primary(configuration: Configuration) -> str:
    """The slot that the next orderly restart starts."""
    pending = configuration.pending
    if pending is None or pending.reasons or (pending.attempts >= ATTEMPTS and not pending.armed):
        return configuration.committed
    return pending.slot


def state(configuration: Configuration, slot: str) -> str:
    """``good`` or ``bad``. The committed slot is good, or it would not be committed."""
    return "good" if checked(slot) == configuration.committed or slot in configuration.good else "bad"


def set_primary(configuration: Configuration, facts: Facts, slot: str, version: str, now: int) -> Changes:
    """Start `slot` at the next restart: on trial, or as always when it is the committed one."""
    if checked(slot) != configuration.committed:
        return [Keep(Pending(slot, version, now))]
    if on_trial(configuration, facts):
        return fail(configuration, facts, (f"called off: slot {slot} was asked for instead",))
    return [Forget()] if configuration.pending else []


def set_bad(configuration: Configuration, slot: str) -> Changes:
    """`slot` is about to be written, or is not to be relied on. Refused for the committed slot."""
    if checked(slot) == configuration.committed:
        raise Refused(
            f"slot {slot} is what every reset starts, so it stays as it is: "
            "wait until the running slot has proven itself, or go back to it first"
        )
    changes: Changes = [Forget()] if _wanted(configuration) == slot else []
    return [*changes, Bad(slot)] if slot in configuration.good else changes


def set_good(configuration: Configuration, facts: Facts, slot: str) -> Changes:
    """The running slot has proven itself: commit it if it was on trial. Refused for any other slot."""
    if checked(slot) != current(facts):
        raise Refused(f"slot {slot} does not run, so nobody knows whether it is good; nothing is changed")
    old, pending = configuration.committed, configuration.pending
    mark: Changes = [] if slot in configuration.good else [Good(slot)]
    if slot == old:
        return mark
    if not on_trial(configuration, facts):
        raise Refused(f"slot {slot} runs without having been asked for: it is not committed, slot {old} stays")
    if pending is not None and pending.slot == slot and pending.reasons:
        raise Refused(f"the trial of slot {slot} has failed ({pending.reasons[0]}): restart, and slot {old} starts")
    before: Changes = [] if old in configuration.good else [Good(old)]
    changes: Changes = [*before, Commit(slot), *mark]
    if pending is not None and pending.slot == slot:
        changes += [Record(pending, "committed"), Forget()]
    return changes


def arm(configuration: Configuration, facts: Facts, ran: bool) -> Changes:
    """The machine is about to restart: count an attempt if a slot is to be tried; no changes, no attempt.

    `ran` tells whether a program runs. In a slot that is on trial itself, it is what was told before.
    """
    pending, aim = configuration.pending, primary(configuration)
    if pending is None or aim == configuration.committed or pending.attempts >= ATTEMPTS:
        return []
    ran = pending.ran if on_trial(configuration, facts) else ran
    return [Keep(pending._replace(attempts=pending.attempts + 1, armed=True, started=False, ran=ran))]


def fail(configuration: Configuration, facts: Facts, reasons: tuple[str, ...]) -> Changes:
    """The running slot did not pass its trial: keep why, so that the old slot can tell. Refused when not on trial."""
    if not on_trial(configuration, facts):
        raise Refused("no slot is on trial, so none can fail; nothing is changed")
    slot, pending = other(configuration.committed), configuration.pending
    if pending is None or pending.slot != slot:
        pending = Pending(slot, attempts=1)
    kept = tuple(reason[:REASON_LENGTH] for reason in reasons[:REASONS]) or ("no reason was given",)
    return [Keep(pending._replace(armed=True, started=True, reasons=kept))]


def account(configuration: Configuration, facts: Facts) -> Changes:
    """After a start: what became of the wish to try a slot."""
    pending = configuration.pending
    if pending is None:
        return []
    if pending.slot == configuration.committed:  # the power went between commit and tidying up
        return [Record(pending, "committed"), Forget()]
    if current(facts) == pending.slot:
        return [] if pending.started else [Keep(pending._replace(started=True))]
    if not pending.armed:  # asked for, but no orderly restart came: the wish stays
        return []
    reasons = pending.reasons or (_silence(pending),)
    if pending.reasons or pending.attempts >= ATTEMPTS:
        gone: Changes = [Bad(pending.slot)] if pending.slot in configuration.good else []
        return [*gone, Record(pending, "failed", reasons), Forget()]
    return [Record(pending, "retry", reasons), Keep(pending._replace(armed=False, started=False))]


def apply(configuration: Configuration, change: Change) -> Configuration:
    """The configuration after one change."""
    if isinstance(change, Commit):
        return configuration._replace(committed=change.slot)
    if isinstance(change, Keep):
        return configuration._replace(pending=change.pending)
    if isinstance(change, Forget):
        return configuration._replace(pending=None)
    if isinstance(change, Good):
        return configuration._replace(good=configuration.good | {change.slot})
    if isinstance(change, Bad):
        return configuration._replace(good=configuration.good - {change.slot})
    return configuration


def _wanted(configuration: Configuration) -> str:
    return configuration.pending.slot if configuration.pending else ""


def _silence(pending: Pending) -> str:
    if pending.started:
        return (
            f"slot {pending.slot} started, and was reset before its health gate had ended: power, watchdog or a restart"
        )
    return f"slot {pending.slot} did not start: its kernel or its first steps failed, or the power went"
