# SPDX-License-Identifier: Apache-2.0
"""A PLC program as a holder of a session: both steps, every way to lose it, and the safety rule over random play."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from pilotlight.igniter.arming import Cause, Limits, Mode
from pilotlight.igniter.bank import Policy
from pilotlight.igniter.channel import MS, End
from pilotlight.igniter.checks import Check
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.program import Ask, Look, Program, ProgramRules, Reply, Request
from pilotlight.plc import PLC
from pilotlight.plc.loading import load_program

from .rig import LIMITS as RIG_LIMITS
from .rig import Rig
from .test_safety_rule import LIMITS, AnyOrder

PROGRAM = Path(__file__).parents[2] / "programs/fire.py"
ASKED = ("Number", "Request", "Select", "Window", "Life")
RULES = ProgramRules(channels=0b0111, forced=0, silent_ns=100 * MS, fresh_ns=50 * MS)


class Plant:
    """A PLC program that is alive in every tick, on a rig."""

    def __init__(self, rules: ProgramRules = RULES, limits: Limits = RIG_LIMITS) -> None:
        self.rig = Rig(limits)
        secrets = count(1)
        self.program = Program(rules, lambda: next(secrets))
        self.number = 7
        self.said: list[Command] = []
        self.look(first=7)

    def look(self, *requests: Request, **changes: Any) -> Reply:
        self.rig.tick()
        look = Look(self.rig.now, self.rig.now, requests)
        talk = self.program.follow(replace(look, **changes))
        try:
            command = next(talk)
            while True:
                self.said.append(command)
                command = talk.send(self.rig.machine.carry_out(command))
        except StopIteration:
            self.rig.outputs = self.rig.machine.outputs()
        return self.program.reply

    def ask(self, ask: int, mask: int = 1, window: int = 100, **changes: Any) -> Reply:
        self.number += 1
        request = Request(self.number, ask, mask, window, self.rig.now + 4 * MS)
        return self.look(replace(request, **changes))

    def keep(self, ticks: int) -> None:
        for _ in range(ticks):
            self.look()

    def arm(self, mask: int = 1) -> None:
        self.keep(10)
        assert self.ask(Ask.OPEN) is Reply.ACCEPTED
        assert self.ask(Ask.PREPARE, mask) is Reply.ACCEPTED
        self.keep(30)
        assert self.ask(Ask.ARM, mask) is Reply.ACCEPTED

    def fire(self, window: int = 1000) -> None:
        self.arm()
        assert self.ask(Ask.FIRE, window=window) is Reply.ACCEPTED
        self.keep(3)
        assert self.rig.outputs == 1


def test_a_program_opens_prepares_arms_fires_and_closes() -> None:
    plant = Plant()
    plant.arm(0b0011)
    assert plant.ask(Ask.FIRE, 0b0011, 60) is Reply.ACCEPTED
    assert plant.rig.outputs == 0b0011
    plant.keep(16)
    assert [(shot.channel, shot.end) for shot in plant.rig.shots] == [(1, End.COMPLETED), (2, End.COMPLETED)]
    assert plant.ask(Ask.CLOSE) is Reply.ACCEPTED
    assert (plant.program.session, plant.rig.machine.session, plant.program.ended) == (0, 0, "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trouble": "the PLC does not run"}, "the PLC does not run"),
        ({"life_ns": 0}, "no sign of life for"),
        ({"first": 3}, "it began anew"),
        ({"requests": (Request(99, Ask.FIRE, 1, 0, 0),)}, "request 12 was lost"),
    ],
)
def test_a_program_that_is_not_as_it_should_be_loses_everything_at_once(change: dict[str, Any], reason: str) -> None:
    plant = Plant()
    plant.fire()
    plant.look(**change)
    assert (plant.rig.outputs, plant.rig.machine.mode, plant.rig.machine.session) == (0, Mode.SAFE, 0)
    assert plant.program.session == 0
    assert reason in plant.program.ended
    assert plant.program.reply is (Reply.LOST if "lost" in reason else Reply.ENDED)


def test_what_is_asked_together_with_trouble_is_not_done() -> None:
    plant = Plant()
    plant.arm()
    plant.number += 1
    plant.look(Request(plant.number, Ask.FIRE, 1, 0, plant.rig.now), trouble="the PLC does not run")
    assert plant.rig.outputs == 0
    assert (plant.program.number, plant.program.reply) == (plant.number, Reply.ENDED)
    assert plant.ask(Ask.FIRE) is Reply.NO_SESSION


def test_a_program_that_nobody_looks_at_loses_its_lease() -> None:
    plant = Plant()
    plant.fire(2000)
    assert plant.rig.tick(80) == 0
    assert plant.rig.machine.cause is Cause.LEASE
    plant.look()
    assert (plant.program.session, plant.program.reply) == (0, Reply.ENDED)


def test_arming_other_channels_than_were_prepared_makes_safe() -> None:
    plant = Plant()
    plant.keep(10)
    plant.ask(Ask.OPEN)
    plant.ask(Ask.PREPARE, 0b0001)
    plant.keep(30)
    assert plant.ask(Ask.ARM, 0b0011) is Reply.WRONG_CODE
    assert plant.rig.machine.mode is Mode.SAFE


@pytest.mark.parametrize(
    ("ask", "changes", "expected"),
    [
        (Ask.FIRE, {"mask": 0b1000}, Reply.BAD_CHANNELS),
        (Ask.FIRE, {"mask": 0}, Reply.BAD_CHANNELS),
        (Ask.FIRE, {"mask": -1}, Reply.BAD_CHANNELS),
        (Ask.FIRE, {"mask": 0b0010}, Reply.BAD_CHANNELS),
        (Ask.FIRE, {"window_ms": 2001}, Reply.BAD_WINDOW),
        (Ask.FIRE, {"window_ms": -1}, Reply.BAD_WINDOW),
        (Ask.FIRE, {"window_ms": 1 << 32}, Reply.BAD_WINDOW),
        (Ask.FIRE, {"stamp_ns": 1}, Reply.STALE),
        (Ask.PREPARE, {}, Reply.WRONG_STATE),
        (Ask.ARM, {}, Reply.WRONG_STATE),
        (Ask.CLEAR, {}, Reply.WRONG_STATE),
        (Ask.OPEN, {}, Reply.BUSY),
        (0, {}, Reply.UNKNOWN),
        (99, {}, Reply.UNKNOWN),
    ],
)
def test_a_refused_request_has_its_reply_and_changes_nothing(
    ask: int, changes: dict[str, Any], expected: Reply
) -> None:
    plant = Plant()
    plant.arm()
    assert plant.ask(ask, **changes) is expected
    assert plant.rig.outputs == 0
    assert plant.ask(Ask.FIRE) is Reply.ACCEPTED, "the arming stands, and its token"


def test_only_the_channels_of_the_settings_can_be_prepared() -> None:
    plant = Plant()
    plant.keep(10)
    plant.ask(Ask.OPEN)
    assert plant.ask(Ask.PREPARE, 0b1001) is Reply.BAD_CHANNELS
    assert plant.rig.machine.mode is Mode.SAFE
    assert plant.ask(Ask.PREPARE, 0b0111) is Reply.ACCEPTED


def test_another_holder_keeps_the_program_out() -> None:
    plant = Plant()
    plant.keep(10)
    assert plant.rig.do(Kind.OPEN) is Verdict.ACCEPTED
    assert plant.ask(Ask.OPEN) is Reply.BUSY
    assert plant.ask(Ask.PREPARE) is Reply.NO_SESSION
    assert plant.ask(Ask.DISARM) is Reply.ACCEPTED, "everybody may make safe"


def test_checks_hold_for_a_program_and_only_its_settings_force() -> None:
    for forced, expected in ((0, Reply.CHECKS), (int(Check.CONTINUITY | Check.KILL_SWITCH), Reply.ACCEPTED)):
        plant = Plant(replace(RULES, forced=forced))
        plant.rig.tick(10, status=0b1110)
        plant.ask(Ask.OPEN)
        assert plant.ask(Ask.PREPARE) is expected
        assert plant.ask(Ask.DISARM) is Reply.ACCEPTED
        plant.rig.tick(kill_closed=False)
        assert plant.ask(Ask.PREPARE) is Reply.CHECKS


def test_without_a_verdict_the_session_is_forgotten() -> None:
    program = Program(RULES, lambda: 5)
    talk = program.follow(Look(MS, MS, (Request(1, Ask.OPEN, 0, 0, MS),)))
    assert next(talk).kind is Kind.OPEN
    with pytest.raises(StopIteration):
        talk.send(None)
    assert (program.session, program.reply) == (0, Reply.FAILED)


def test_a_ladder_program_arms_fires_and_closes() -> None:
    """The one that the other tiers load on an appliance, and its tags as they stand in each of its scans."""
    plant = Plant(limits=replace(RIG_LIMITS, confirm_ns=9000 * MS, armed_ns=9000 * MS))
    plant.look(first=0)
    seen: list[tuple[int, Reply]] = []
    with PLC(load_program(PROGRAM).program, dt=0.004) as plc:
        for scan in range(3000):
            plc.force("Start", scan > 10)
            tags = plc.step().tags
            number, ask, mask, window, life = (tags[f"Igniter{name}"] for name in ASKED)
            assert life == (scan + 1) % 1000
            at = plant.rig.now + 4 * MS
            new = [Request(number, ask, mask, window, at)] if number != plant.program.number else []
            reply = plant.look(*new)
            seen += [(request.ask, reply) for request in new]
    assert seen == [(ask, Reply.ACCEPTED) for ask in (Ask.OPEN, Ask.PREPARE, Ask.ARM, Ask.FIRE, Ask.CLOSE)]
    assert [(shot.channel, shot.window_ms, shot.end) for shot in plant.rig.shots] == [(1, 300, End.COMPLETED)]


class AnyProgram(AnyOrder):
    """The random play of the safety rule, with a PLC program among the players."""

    def __init__(self) -> None:
        super().__init__()
        self.life = self.now
        self.number = 0
        self.forced = False
        self.program = Program(ProgramRules(0b0111, int(Check.CONTINUITY), 30 * MS, LIMITS.fresh_ns), self.draw)
        self.asked: list[int] = []

    def draw(self) -> int:
        self.secrets += 1
        return self.secrets

    @rule(
        ask=st.sampled_from(list(Ask)), mask=st.sampled_from([1, 1, 3, 7, 8, 0]), window=st.sampled_from([0, 60, 61]),
        alive=st.sampled_from([True] * 7 + [False]), skip=st.sampled_from([1] * 9 + [0, 2]),
        age=st.sampled_from([0, 0, 0, 4, 50]), trouble=st.sampled_from([""] * 9 + ["the PLC does not run"]),
    )  # fmt: skip
    def program_asks(self, ask: Ask, mask: int, window: int, alive: bool, skip: int, age: int, trouble: str) -> None:
        self.number += skip
        self.look((Request(self.number, ask, mask, window, self.now - age * MS),), alive, trouble=trouble)

    @rule(alive=st.booleans(), trouble=st.sampled_from([""] * 5 + ["the PLC does not run"]))
    def program_is_looked_at(self, alive: bool, trouble: str) -> None:
        self.look((), alive, trouble=trouble)

    @rule()
    def program_arms_and_fires(self) -> None:
        for _ in range(6):
            self.tick(4, True, True, True, 15, 0)
        self.facts(Check(0))
        for ask in (Ask.CLOSE, Ask.OPEN, Ask.CLEAR, Ask.PREPARE):
            self.program_asks(ask, 1, 60, True, 1, 0, "")
        for _ in range(3):
            self.program_is_looked_at(True, "")
            self.tick(4, True, True, True, 15, 0)
        for ask in (Ask.ARM, Ask.FIRE):
            self.program_asks(ask, 1, 60, True, 1, 0, "")

    def look(self, requests: tuple[Request, ...], alive: bool, **changes: Any) -> None:
        """One look, with what it says carried out and noted in the book."""
        self.life = self.now if alive else self.life
        held, before = self.program.session, self.program.number
        leased = held != 0 and self.machine.session == held
        talk = self.program.follow(Look(self.now, self.life, requests, **changes))
        fired = 0
        try:
            command = next(talk)
            while True:
                verdict = self.machine.carry_out(command)
                if verdict is Verdict.ACCEPTED:
                    assert command.kind is not Kind.OPEN or self.now >= self.book.leased_until
                    self.book.accept(self.now, command)
                else:
                    self.book.refuse(self.now, command, verdict)
                fired += command.kind is Kind.FIRE
                command = talk.send(verdict)
        except StopIteration:
            self.settle()
        dead = changes.get("trouble") or self.now - self.life > 30 * MS
        if dead or (requests and requests[0].number != before + 1):
            assert not fired, "a request of a program that cannot be trusted was carried out"
            assert not self.program.session
            assert not held or self.machine.session != held, "its session outlived it"
            assert not leased or self.levels == 0, "what it fired is still on"

    @invariant()
    def a_program_that_fires_holds_the_session(self) -> None:
        if self.levels and self.program.session and self.machine.session == self.program.session:
            assert not self.levels & 0b1000, "a channel is on that the settings do not give to programs"


AnyProgram.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyProgram = AnyProgram.TestCase


def test_the_play_reaches_a_program_that_fires() -> None:
    """Otherwise the rule above would hold of nothing."""
    play = AnyProgram()
    play.begin(Policy.GLOBAL, True, True, False, 15)
    play.program_arms_and_fires()
    assert play.levels == 1
    assert play.machine.session == play.program.session
