# SPDX-License-Identifier: Apache-2.0
"""No output is on unless armed, unexpired, kill closed, leased, watched, interlocked and in its window: ever.

A state machine plays random commands, faults and times, and keeps a book of its own about what would allow an output
to be on. The book knows nothing of how the machine decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pilotlight.igniter.arming import Inputs, Limits, Mode
from pilotlight.igniter.bank import Policy
from pilotlight.igniter.channel import MS, Rules
from pilotlight.igniter.checks import Check
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.machine import Machine

LIMITS = Limits(
    countdown_ns=8 * MS, confirm_ns=100 * MS, armed_ns=150 * MS, lease_ns=60 * MS, fresh_ns=20 * MS,
    supervisor_ns=20 * MS, guard_ns=12 * MS,
)  # fmt: skip
OF_SESSION = frozenset({Kind.KEEP, Kind.PREPARE, Kind.ARM, Kind.FIRE, Kind.CLEAR})
masks = st.integers(0, 15)
mostly = st.sampled_from([True] * 7 + [False])
ways = st.sampled_from(["good"] * 6 + ["old", "again"])


class Book:
    """What would allow an output to be on, from what went in and what was accepted."""

    def __init__(self) -> None:
        self.leased_until = 0
        self.armed_until = 0
        self.armed = 0
        self.boxed = False
        self.prepared = self.mask = 0
        self.windows = [0, 0, 0, 0]

    def accept(self, now: int, command: Command, enabled: int = 15) -> None:
        """Note what an accepted command allows, or does not allow any more."""
        kind = command.kind
        if kind in (Kind.DISARM, Kind.CLOSE, Kind.CLEAR, Kind.BOX_CLEAR):
            self.forget()
        if kind is Kind.CLOSE:
            self.leased_until = 0
        elif kind in OF_SESSION or kind is Kind.OPEN:
            assert not self.boxed, "a session goes on beside a mailbox that has armed"
            self.leased_until = now + LIMITS.lease_ns
        if kind is Kind.PREPARE:
            self.prepared, self.mask = now, command.mask
        elif kind is Kind.ARM:
            assert self.mask, "what made safe was overcome without preparing anew"
            assert now - self.prepared >= LIMITS.countdown_ns
            self.armed, self.armed_until = self.mask, now + LIMITS.armed_ns
        elif kind is Kind.BOX_ARM:
            assert now >= self.leased_until, "the mailbox arms within a session"
            self.armed, self.armed_until, self.boxed = enabled, now + LIMITS.armed_ns, True
        elif kind in (Kind.FIRE, Kind.BOX_FIRE):
            assert self.armed, "what made safe was overcome without arming anew"
            assert self.boxed is (kind is Kind.BOX_FIRE)
            for channel in range(4):
                if command.mask >> channel & 1:
                    self.windows[channel] = now + (command.durations_ms[channel] or 20) * MS

    def refuse(self, now: int, command: Command, verdict: Verdict) -> None:
        """Note what a refused command does: one of the session keeps its lease, and a wrong secret makes safe."""
        if command.kind in OF_SESSION and verdict not in (Verdict.NO_SESSION, Verdict.STALE, Verdict.REPEATED):
            self.leased_until = now + LIMITS.lease_ns
        if verdict in (Verdict.WRONG_CODE, Verdict.WRONG_TOKEN, Verdict.TOO_EARLY):
            self.forget()

    def forget(self) -> None:
        """Everything was made safe: nothing is on or armed before both steps were taken anew."""
        self.armed = self.mask = 0
        self.boxed = False


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000 * MS
        self.secrets = 0
        self.session = self.sequence = self.code = self.token = 0
        self.book = Book()
        self.facts_bad = True
        self.levels = 0
        self.on_since = [0, 0, 0, 0]

    @initialize(
        policy=st.sampled_from(list(Policy)), opened=st.booleans(), sense=st.booleans(), stay=st.booleans(),
        enabled=st.sampled_from([15, 15, 7, 1]),
    )  # fmt: skip
    def begin(self, policy: Policy, opened: bool, sense: bool, stay: bool, enabled: int) -> None:
        self.rules = Rules(max_fire_ms=60, default_fire_ms=20, opened_is_fault=opened, off_means_open=sense)
        self.stay = stay
        self.machine = Machine(self.rules, replace(LIMITS, stay_armed=stay), policy, enabled)
        self.inputs = Inputs(self.now, 15, 0, True, self.now, self.now)
        self.facts(Check(0))
        self.tick(4, True, True, True, 15, 0)

    @rule(
        step=st.sampled_from([1, 4, 4, 16, 30]), closed=st.sampled_from([True] * 7 + [False, None]),
        parent=st.booleans(), guard=st.booleans(), status=st.sampled_from([15] * 12 + [14, 11, 0]),
        stray=st.sampled_from([0] * 12 + [1, 8]), dropped=st.sampled_from([0] * 12 + [1, 8]),
        readable=st.sampled_from([True] * 12 + [False]),
    )  # fmt: skip
    def tick(
        self, step: int, closed: bool | None, parent: bool, guard: bool, status: int, stray: int, dropped: int = 0,
        readable: bool = True,
    ) -> None:  # fmt: skip
        before, was_on = self.now, self.levels
        self.now += step * MS
        parent, guard = parent or step < 16, guard or step < 16
        outputs = (was_on | stray) & ~dropped
        self.inputs = Inputs(
            self.now, status, outputs if readable else None, closed,
            self.now if parent else self.inputs.supervisor_ns, self.now if guard else self.inputs.guard_ns,
        )  # fmt: skip
        self.machine.tick(self.inputs)
        self.settle()
        if self.hazard(before) or not readable or outputs != was_on:
            assert self.levels == 0, "what is hazardous switches off in the same tick"
            self.book.forget()
        elif was_on and not self.stay and all(self.now >= end for end in self.book.windows):
            self.book.forget()
        if self.now >= self.book.leased_until:
            # One that has ended does not live again when time runs back.
            self.book.leased_until = 0
        for channel in range(4):
            low_while_on = was_on & ~status & 1 << channel
            if low_while_on and self.now - self.on_since[channel] >= self.rules.settle_ns:
                assert not self.levels & low_while_on, "a channel with a fault is on"

    def hazard(self, before: int) -> bool:
        """Whether something that was read or told forbids that anything is armed."""
        book, inputs = self.book, self.inputs
        return (
            self.now < before
            or inputs.kill_closed is not True
            or not 0 <= self.now - inputs.supervisor_ns <= LIMITS.supervisor_ns
            or not 0 <= self.now - inputs.guard_ns <= LIMITS.guard_ns
            or self.facts_bad
            or (not book.boxed and self.now >= book.leased_until)
            or bool(book.armed and self.now >= book.armed_until)
        )

    def settle(self) -> None:
        """The end of a tick."""
        levels = self.machine.outputs()
        for channel in range(4):
            if levels & ~self.levels & 1 << channel:
                self.on_since[channel] = self.now
        self.levels = levels
        if self.machine.mode is Mode.SAFE:
            assert levels == 0, "it says that it is safe"
            self.book.forget()

    @rule(step=st.sampled_from([-1, -5, -100]))
    def time_runs_back(self, step: int) -> None:
        self.tick(step, True, True, True, 15, 0)

    @rule(failing=st.sampled_from([Check(0)] * 7 + [Check.INTERLOCKS, Check.PERSISTENCE]))
    def facts(self, failing: Check) -> None:
        self.facts_bad = failing != Check(0)
        self.machine.carry_out(Command(Kind.FACTS, checks=int(failing)))
        self.settle()
        if self.facts_bad:
            assert self.levels == 0
            self.book.forget()

    def send(self, kind: Kind, way: str, **arguments: Any) -> Verdict:
        """A command of the session, right in number and time if its way is `good`."""
        sequence = self.sequence + (way != "again")
        age = 50 * MS if way == "old" else 0
        command = Command(kind, sequence=sequence, session=self.session, stamp_ns=self.now - age, **arguments)
        verdict = self.machine.carry_out(command)
        if verdict is Verdict.ACCEPTED:
            assert way == "good", "an old or repeated command was accepted"
            self.book.accept(self.now, command)
        else:
            self.book.refuse(self.now, command, verdict)
        if way == "good":
            self.sequence = sequence
        self.settle()
        return verdict

    def send_box(self, kind: Kind, **arguments: Any) -> Verdict:
        """A command of the mailbox."""
        command = Command(kind, **arguments)
        verdict = self.machine.carry_out(command)
        if verdict is Verdict.ACCEPTED:
            self.book.accept(self.now, command, self.machine.bank.enabled)
        self.settle()
        return verdict

    @rule(forced=st.integers(0, 1023))
    def box_arm(self, forced: int) -> None:
        self.send_box(Kind.BOX_ARM, checks=forced)

    @rule(mask=st.sampled_from([1, 2, 5, 15, 0]), window=st.sampled_from([0, 5, 60, 61]))
    def box_fire(self, mask: int, window: int) -> None:
        if self.send_box(Kind.BOX_FIRE, mask=mask, durations_ms=(window,) * 4) is Verdict.ACCEPTED:
            assert mask > 0 and window <= 60

    @rule()
    def box_clear(self) -> None:
        self.send_box(Kind.BOX_CLEAR)

    @rule()
    def box_arms_and_fires(self) -> None:
        """The straight way of the mailbox to an output that is on."""
        self.send(Kind.CLOSE, "good")
        self.facts(Check(0))
        for _ in range(16):
            self.tick(4, True, True, True, 15, 0)
        self.send_box(Kind.BOX_CLEAR)
        self.send_box(Kind.BOX_ARM, checks=1023)
        self.send_box(Kind.BOX_FIRE, mask=1, durations_ms=(60,) * 4)

    @rule()
    def open_session(self) -> None:
        self.secrets += 1
        command = Command(Kind.OPEN, session=self.secrets)
        if self.machine.carry_out(command) is Verdict.ACCEPTED:
            assert self.now >= self.book.leased_until
            self.session, self.sequence = self.secrets, 0
            self.book.accept(self.now, command)

    @rule(way=ways)
    def keep(self, way: str) -> None:
        self.send(Kind.KEEP, way)

    @rule()
    def close(self) -> None:
        self.send(Kind.CLOSE, "good")

    @rule(mask=masks, way=ways, forced=st.integers(0, 1023))
    def prepare(self, mask: int, way: str, forced: int) -> None:
        self.secrets += 1
        if self.send(Kind.PREPARE, way, mask=mask, checks=forced, secret=self.secrets) is Verdict.ACCEPTED:
            self.code = self.secrets

    @rule(way=ways, right=mostly)
    def arm(self, way: str, right: bool) -> None:
        self.secrets += 1
        if self.send(Kind.ARM, way, secret=self.code + (not right), token=self.secrets) is Verdict.ACCEPTED:
            assert right
            self.token = self.secrets

    @rule(
        mask=st.sampled_from([1, 2, 4, 8, 5, 15, 0]),
        window=st.sampled_from([0, 5, 20, 60, 61]),
        way=ways,
        right=mostly,
    )
    def fire(self, mask: int, window: int, way: str, right: bool) -> None:
        secret = self.token + (not right)
        if self.send(Kind.FIRE, way, mask=mask, secret=secret, durations_ms=(window,) * 4) is Verdict.ACCEPTED:
            assert right and mask > 0 and window <= 60

    @rule(mask=masks)
    def disarm(self, mask: int) -> None:
        self.machine.carry_out(Command(Kind.DISARM, mask=mask))
        self.settle()
        assert self.levels == 0
        self.book.forget()

    @rule(way=ways)
    def clear(self, way: str) -> None:
        self.send(Kind.CLEAR, way)

    @rule(step=st.sampled_from([4, 16, 30]), closed=mostly, parent=st.booleans(), guard=st.booleans())
    def arm_and_fire_and(self, step: int, closed: bool, parent: bool, guard: bool) -> None:
        """The straight way and one step more, so that random play meets what happens while outputs are on."""
        self.arm_and_fire()
        self.tick(step, closed, parent, guard, 15, 0)

    @rule()
    def arm_and_fire(self) -> None:
        """The straight way to an output that is on."""
        for _ in range(6):
            self.tick(4, True, True, True, 15, 0)
        self.open_session()
        self.facts(Check(0))
        self.clear("good")
        self.prepare(15 & self.machine.bank.enabled, "good", 1023)
        for _ in range(3):
            self.keep("good")
            self.tick(4, True, True, True, 15, 0)
        self.arm("good", True)
        self.fire(1, 60, "good", True)

    @invariant()
    def no_output_is_on_unless_everything_allows_it(self) -> None:
        on = self.levels
        if not on:
            return
        book = self.book
        assert on & ~book.armed == 0, "a channel is on that is not armed"
        assert self.now < book.armed_until, "arming has run out"
        assert book.boxed or self.now < book.leased_until, "the lease has ended"
        assert self.inputs.kill_closed is True, "the kill switch is open"
        assert self.now - self.inputs.supervisor_ns <= LIMITS.supervisor_ns, "the parent is silent"
        assert self.now - self.inputs.guard_ns <= LIMITS.guard_ns, "the guard is silent"
        assert not self.facts_bad, "an interlock is not true"
        for channel in range(4):
            assert not on >> channel & 1 or self.now < book.windows[channel], "the window is over"


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_the_play_reaches_outputs_that_are_on() -> None:
    """Otherwise the rule above would hold of nothing."""
    play = AnyOrder()
    play.begin(Policy.GLOBAL, True, True, False, 15)
    play.arm_and_fire()
    assert play.levels == 1
    play.no_output_is_on_unless_everything_allows_it()
    play.box_arms_and_fires()
    assert play.levels == 1
    assert play.book.boxed
