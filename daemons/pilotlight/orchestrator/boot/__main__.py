# SPDX-License-Identifier: Apache-2.0
"""``python3 -m pilotlight.orchestrator.boot VERB …``: RAUC's boot handler and the verbs of the units around a restart.

    get-current | get-primary | get-state SLOT       print
    set-primary SLOT | set-state SLOT good|bad       as RAUC asks
    account                                          after a start: what became of a slot on trial
    arm                                              before a restart: have the firmware try the slot that is wanted
    fail REASON…                                     the running slot did not pass its trial
    status                                           print all of it as JSON

Exit codes: 0; 1 refused, with the reason on stderr; 2 for words it does not know.
"""

from __future__ import annotations

import os
import sys
import time

from . import core, store
from .core import Changes, Configuration, Facts, Refused
from .store import Places

NOTICE, WARNING = 5, 4


def status(configuration: Configuration, facts: Facts) -> dict[str, object]:
    """What people and other daemons may know."""
    try:
        running = core.current(facts)
    except Refused:
        running = ""
    pending = configuration.pending
    return {
        "current": running,
        "committed": configuration.committed,
        "primary": core.primary(configuration),
        "trial": core.on_trial(configuration, facts),
        "good": sorted(configuration.good | {configuration.committed}),
        "pending": None if pending is None else pending._asdict() | {"reasons": list(pending.reasons)},
    }


def decide(verb: str, words: list[str], configuration: Configuration, facts: Facts, places: Places) -> Changes:
    """The changes that a verb makes. Raises Refused, or LookupError for words it does not know."""
    match verb, words:
        case "set-primary", [slot]:
            if slot in core.PARTITIONS and slot != configuration.committed and not store.has_boot_files(places, slot):
                raise Refused(f"slot {slot} has no boot files, so it is not tried: install an update into it first")
            version = store.slot_version(places, slot) if slot in core.PARTITIONS else ""
            return core.set_primary(configuration, facts, slot, version, int(time.time()))
        case "set-state", [slot, "bad"]:
            return core.set_bad(configuration, slot)
        case "set-state", [slot, "good"]:
            return core.set_good(configuration, facts, slot)
        case "account", []:
            return core.account(configuration, facts)
        case "arm", []:
            return core.arm(configuration, facts, store.program_wanted(places))
        case "fail", reasons:
            return core.fail(configuration, facts, tuple(reasons))
    raise LookupError(verb)


def answer(verb: str, words: list[str], configuration: Configuration, facts: Facts) -> str | None:
    """What a verb that only asks prints; None when it is not one of these."""
    match verb, words:
        case "get-current", []:
            return core.current(facts)
        case "get-primary", []:
            return core.primary(configuration)
        case "get-state", [slot]:
            return core.state(configuration, slot)
        case "status", []:
            import json

            return json.dumps(status(configuration, facts), indent=1)
    return None


def tell(changes: Changes) -> None:
    """Say on stderr, which is the journal, what people should know."""
    for change in changes:
        match change:
            case core.Commit(slot):
                say(NOTICE, f"slot {slot} is committed: every reset starts it from now on")
            case core.Record(pending, "failed", reasons):
                say(WARNING, f"the trial of slot {pending.slot} failed, the old slot runs: {'; '.join(reasons)}")
            case core.Record(pending, "retry", reasons):
                say(WARNING, f"{'; '.join(reasons)}. It is tried once more at the next restart")


def say(level: int, message: str) -> None:
    """A line for the journal, with its priority where it is read by the journal."""
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else ""
    print(f"{prefix}boot handler: {message}", file=sys.stderr)


def run(verb: str, words: list[str], places: Places) -> int:
    """Do what a verb says; the exit code."""
    with store.Lock(places):
        configuration, facts = store.load(places), store.facts(places)
        told = answer(verb, words, configuration, facts)
        if told is not None:
            print(told)
            return 0
        changes = decide(verb, words, configuration, facts, places)
        if complaint := store.perform(places, changes):
            say(WARNING, complaint)
        if verb == "arm":
            if changes:
                store.ask_firmware(places)
            return 0
        store.publish(places, status(store.load(places), facts))
    tell(changes)
    return 0


def main(arguments: list[str], root: str = "/") -> int:
    """Entry; `root` is the root directory, for tests."""
    # RAUC starts this with a umask of its own; what is published is for everybody to read.
    os.umask(0o022)
    try:
        return run(arguments[0], arguments[1:], Places(root)) if arguments else usage()
    except Refused as error:
        say(WARNING, f"{' '.join(arguments)}: {error}")
        return 1
    except OSError as error:
        say(WARNING, f"{' '.join(arguments)}: {error}; what starts after a reset is as it was, or complete")
        return 1
    except LookupError:
        return usage()


def usage() -> int:
    """Say how it is called; the exit code of a wrong call."""
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
