# SPDX-License-Identifier: Apache-2.0
"""Whatever the order of verbs, restarts and power cuts at any write: what a reset starts is a slot that works."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pilotlight.orchestrator.boot import core
from pilotlight.orchestrator.boot.core import Changes, Configuration, Facts, Keep, Refused, other

SLOTS = st.sampled_from("AB")
CUT = st.none() | st.integers(0, 5)  # after so many whole writes the power goes
TORN = st.sampled_from(["before", "after", "lost"])  # what is left of the write that it hits
CONTENTS = st.sampled_from(["works", "hangs", "fails its gate"])


class PowerCut(Exception):
    pass


class Device(RuleBasedStateMachine):
    """A device with its boot configuration, the contents of its slots, and a firmware."""

    @initialize()
    def ship(self) -> None:
        self.configuration = Configuration("A")
        self.contents = {"A": "works", "B": "part of something"}
        self.facts = Facts(2, False, "A")
        self.flag = False
        self.tries: dict[tuple[str, int], int] = {}
        self.clock = 0

    # The disk: whole writes one after the other, and at most one torn one.

    def perform(self, changes: Changes, cut: int | None, torn: str) -> None:
        for number, change in enumerate(changes):
            if number == cut:
                if torn == "after":
                    self.configuration = core.apply(self.configuration, change)
                elif torn == "lost" and isinstance(change, Keep):
                    self.configuration = self.configuration._replace(pending=None)
                raise PowerCut
            self.configuration = core.apply(self.configuration, change)

    # The firmware, and the first steps of the system it starts.

    def start(self) -> None:
        for _ in range(3):
            tryboot, self.flag = self.flag, False
            slot = other(self.configuration.committed) if tryboot else self.configuration.committed
            pending = self.configuration.pending
            if tryboot:
                assert pending is not None and pending.slot == slot
                trial = (slot, pending.time)
                self.tries[trial] = self.tries.get(trial, 0) + 1
                assert self.tries[trial] <= core.ATTEMPTS
            if self.contents[slot] in ("works", "fails its gate"):
                self.facts = Facts(core.PARTITIONS[slot], tryboot, slot)
                return
        raise AssertionError("the device does not come up")

    def reset(self) -> None:
        self.flag = False
        self.start()
        assert self.facts.slot == self.configuration.committed

    @rule(cut=CUT, torn=TORN)
    def account(self, cut: int | None, torn: str) -> None:
        try:
            self.perform(core.account(self.configuration, self.facts), cut, torn)
        except PowerCut:
            self.reset()

    @rule(cut=CUT, torn=TORN)
    def restart(self, cut: int | None, torn: str) -> None:
        try:
            changes = core.arm(self.configuration, self.facts, ran=False)
            self.perform(changes, cut, torn)
            self.flag = bool(changes)
        except PowerCut:
            self.reset()
        else:
            self.start()

    @rule()
    def cut_power(self) -> None:
        self.reset()

    # RAUC, people, and the health gate.

    @rule(content=CONTENTS, cut=CUT, torn=TORN, written=st.booleans())
    def install(self, content: str, cut: int | None, torn: str, written: bool) -> None:
        target = other(self.facts.slot)
        try:
            try:
                self.perform(core.set_bad(self.configuration, target), cut, torn)
            except Refused:
                return
            self.contents[target] = "part of something"
            if not written:
                raise PowerCut
            self.contents[target] = content
            self.clock += 1
            wish = core.set_primary(self.configuration, self.facts, target, "1.1.0", self.clock)
            self.perform(wish, None if cut is None else cut - 1, torn)
        except PowerCut:
            self.reset()

    @rule(slot=SLOTS, cut=CUT, torn=TORN)
    def ask_for(self, slot: str, cut: int | None, torn: str) -> None:
        self.clock += 1
        try:
            self.perform(core.set_primary(self.configuration, self.facts, slot, "", self.clock), cut, torn)
        except PowerCut:
            self.reset()

    @rule(slot=SLOTS, cut=CUT, torn=TORN)
    def mark_bad(self, slot: str, cut: int | None, torn: str) -> None:
        try:
            self.perform(core.set_bad(self.configuration, slot), cut, torn)
        except Refused:
            assert slot == self.configuration.committed
        except PowerCut:
            self.reset()

    @rule()
    def mark_what_does_not_run(self) -> None:
        before = self.configuration
        try:
            core.set_good(before, self.facts, other(self.facts.slot))
        except Refused:
            return
        raise AssertionError("a slot that does not run was believed")

    @rule(cut=CUT, torn=TORN)
    def gate(self, cut: int | None, torn: str) -> None:
        running = self.facts.slot
        try:
            if self.contents[running] == "works":
                try:
                    self.perform(core.set_good(self.configuration, self.facts, running), cut, torn)
                except Refused:
                    return
                assert self.configuration.committed == running
            elif core.on_trial(self.configuration, self.facts):
                self.perform(core.fail(self.configuration, self.facts, ("it does not work",)), cut, torn)
                assert core.arm(self.configuration, self.facts, ran=False) == []
                self.reset()
        except PowerCut:
            self.reset()

    @precondition(lambda self: self.facts.slot != self.configuration.committed)
    @rule(slot=SLOTS)
    def a_slot_on_trial_installs_nothing_over_the_old_one(self, slot: str) -> None:
        try:
            core.set_bad(self.configuration, self.configuration.committed)
        except Refused:
            return
        raise AssertionError("the old slot was given away during a trial")

    @invariant()
    def what_a_reset_starts_works(self) -> None:
        assert self.contents[self.configuration.committed] == "works"

    @invariant()
    def the_committed_slot_is_good(self) -> None:
        assert core.state(self.configuration, self.configuration.committed) == "good"


TestAnyOrder = Device.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
