# SPDX-License-Identifier: Apache-2.0
"""Arming in two steps, firing, and everything that makes safe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pilotlight.igniter import checks
from pilotlight.igniter.arming import Cause, Mode
from pilotlight.igniter.bank import Policy
from pilotlight.igniter.channel import MS, End, Rules
from pilotlight.igniter.checks import Check
from pilotlight.igniter.commands import Command, Kind, Verdict
from pilotlight.igniter.records import Shot, verdict

from .rig import CODE, LIMITS, TOKEN, Rig


def test_prepare_wait_arm_fire_and_safe_again() -> None:
    rig = Rig()
    rig.arm(0b0011)
    assert rig.machine.mode is Mode.ARMED
    assert rig.fire(0b0011, 100) is Verdict.ACCEPTED
    assert rig.outputs == 0b0011
    assert rig.keep(24) == 0b0011
    assert rig.keep(2) == 0
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, Cause.FIRED)
    assert [(shot.channel, shot.end, shot.window_ms) for shot in rig.shots] == [
        (1, End.COMPLETED, 100), (2, End.COMPLETED, 100),
    ]  # fmt: skip


def test_it_can_stay_armed_after_firing() -> None:
    rig = Rig(replace(LIMITS, stay_armed=True))
    rig.arm()
    for channel in (1, 2):
        assert rig.fire(channel, 20) is Verdict.ACCEPTED
        assert rig.keep(6) == 0
    assert rig.machine.mode is Mode.ARMED


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"kill_closed": False}, Cause.KILL_SWITCH),
        ({"kill_closed": None}, Cause.KILL_SWITCH),
        ({"supervisor_ns": 0}, Cause.WATCHDOGS),
        ({"guard_ns": 0}, Cause.WATCHDOGS),
        ({"outputs": 0b1001}, Cause.LINES),
        ({"outputs": None}, Cause.LINES),
        ({"status": 0b0111}, Cause.FAULT),
    ],
)
def test_whatever_is_out_of_order_switches_off_in_the_same_tick(change: dict[str, Any], cause: Cause) -> None:
    # In the plain wiring a low STATUS of an idle channel is a fault too; the rig's way of wiring says "open".
    rig = Rig(rules=Rules(off_means_open=cause is not Cause.FAULT))
    assert rig.prepare(forced=int(Check.CONTINUITY)) is Verdict.ACCEPTED
    rig.keep(26)
    assert rig.do(Kind.ARM, secret=CODE, token=TOKEN) is Verdict.ACCEPTED
    assert rig.fire(0b0001, 1000) is Verdict.ACCEPTED
    assert rig.keep(3) == 0b0001
    assert rig.tick(**change) == 0
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, cause)
    rig.tick(kill_closed=True, status=0b1111, outputs=0)
    assert rig.fire() is not Verdict.ACCEPTED, "nothing arms itself again"
    assert rig.keep(20) == 0
    assert [shot.end for shot in rig.shots] == [End.ABORTED]
    assert rig.shots[0].cause == cause.name


def test_an_interlock_that_is_lost_switches_off() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(duration=1000)
    rig.do(Kind.FACTS, checks=int(Check.INTERLOCKS))
    assert rig.tick() == 0
    assert rig.machine.cause is Cause.INTERLOCK


@pytest.mark.parametrize("lost", [Check.INTERLOCKS, Check.PERSISTENCE])
def test_an_interlock_that_is_back_before_the_next_tick_was_lost_all_the_same(lost: Check) -> None:
    rig = Rig()
    rig.arm()
    rig.do(Kind.FACTS, checks=int(lost))
    rig.do(Kind.FACTS)
    assert rig.fire() is Verdict.WRONG_STATE
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, Cause.INTERLOCK)


def test_without_signs_of_life_the_lease_ends_and_with_it_the_shot() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(duration=2000)
    assert rig.tick(74) == 1
    assert rig.tick(1) == 0
    assert (rig.machine.cause, rig.machine.session) == (Cause.LEASE, 0)


def test_arming_runs_out_even_while_firing() -> None:
    rig = Rig()
    rig.arm()
    rig.keep(400)
    assert rig.fire(duration=2000) is Verdict.ACCEPTED
    assert rig.keep(98) == 1
    assert rig.keep(3) == 0
    assert rig.machine.cause is Cause.ARMING_TIMEOUT


def test_a_code_that_nobody_confirms_runs_out() -> None:
    rig = Rig()
    rig.prepare()
    rig.keep(126)
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, Cause.ARMING_TIMEOUT)


@pytest.mark.parametrize(
    ("wait", "code", "expected"), [(26, CODE + 1, Verdict.WRONG_CODE), (20, CODE, Verdict.TOO_EARLY)]
)
def test_a_wrong_code_or_haste_begins_anew(wait: int, code: int, expected: Verdict) -> None:
    rig = Rig()
    rig.prepare()
    rig.keep(wait)
    assert rig.do(Kind.ARM, secret=code, token=TOKEN) is expected
    assert rig.machine.mode is Mode.SAFE
    rig.keep(26)
    assert rig.do(Kind.ARM, secret=CODE, token=TOKEN) is Verdict.WRONG_STATE


def test_a_wrong_token_makes_safe() -> None:
    rig = Rig()
    rig.arm()
    assert rig.fire(secret=TOKEN + 1) is Verdict.WRONG_TOKEN
    assert rig.outputs == 0
    assert rig.machine.mode is Mode.SAFE


def test_old_repeated_and_foreign_commands_are_refused_and_change_nothing() -> None:
    rig = Rig()
    rig.arm()
    before = rig.sequence
    assert rig.fire(sequence=before) is Verdict.REPEATED
    assert rig.fire(stamp_ns=rig.now - 501 * MS) is Verdict.STALE
    assert rig.fire(stamp_ns=rig.now + 1) is Verdict.STALE
    assert rig.fire(session=5) is Verdict.NO_SESSION
    assert rig.do(Kind.OPEN, session=5) is Verdict.BUSY
    assert (rig.outputs, rig.machine.mode) == (0, Mode.ARMED)


def test_only_armed_channels_fire_and_only_for_an_allowed_time() -> None:
    rig = Rig()
    rig.arm(0b0101)
    assert rig.fire(0b0111) is Verdict.BAD_CHANNELS
    assert rig.fire(0) is Verdict.BAD_CHANNELS
    assert rig.fire(0b0001, 2001) is Verdict.BAD_WINDOW
    assert rig.outputs == 0
    assert rig.fire(0b0101, 2000) is Verdict.ACCEPTED
    assert rig.fire(0b0100) is Verdict.BAD_CHANNELS


def test_anybody_may_make_safe_without_a_session() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(duration=1000)
    assert rig.do(Kind.DISARM, session=0, sequence=0, stamp_ns=0) is Verdict.ACCEPTED
    assert (rig.outputs, rig.machine.mode) == (0, Mode.SAFE)


def test_closing_the_session_makes_safe() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(duration=1000)
    rig.do(Kind.CLOSE)
    assert (rig.outputs, rig.machine.mode, rig.machine.session) == (0, Mode.SAFE, 0)


def test_under_isolated_the_other_channels_burn_on() -> None:
    rig = Rig(policy=Policy.ISOLATED)
    rig.arm()
    rig.fire(0b0011, 1000)
    rig.keep(3)
    assert rig.tick(status=0b1110) == 0b0010
    assert rig.machine.mode is Mode.ARMED
    rig.do(Kind.DISARM)
    assert rig.prepare(0b0010) is Verdict.ACCEPTED, "the fault of a channel that is not selected hinders nobody"


@pytest.mark.parametrize("check", [c for c in Check if c not in checks.FORCEABLE])
def test_mandatory_checks_cannot_be_named_to_be_forced(check: Check) -> None:
    with pytest.raises(ValueError, match="cannot be forced"):
        checks.parse([str(check.name)])


def break_check(rig: Rig, check: Check) -> None:
    """Make exactly this check fail for channel 1."""
    rig.tick(10)
    if check is Check.LINES:
        rig.machine.bank.enabled = 0b1110
    elif check is Check.KILL_SWITCH:
        rig.tick(kill_closed=False)
    elif check is Check.WATCHDOGS:
        rig.tick(guard_ns=0)
    elif check is Check.OUTPUTS_OFF:
        rig.tick(outputs=1)
    elif check is Check.NO_FAULT:
        rig.machine.bank.latched = True
    elif check in checks.TOLD:
        rig.do(Kind.FACTS, checks=int(check))
    elif check is Check.CONTINUITY:
        rig.tick(10, status=0b1110)
    else:
        rig.tick(real_time=False)


@pytest.mark.parametrize("check", list(Check))
def test_every_check_refuses_with_a_text_and_some_can_be_forced(check: Check) -> None:
    for forced, expected in ((Check(0), Verdict.CHECKS), (checks.ALL, Verdict.ACCEPTED)):
        rig = Rig()
        rig.tick()
        assert rig.do(Kind.OPEN) is Verdict.ACCEPTED
        break_check(rig, check)
        assert rig.machine.failing(0b0001) == check
        answer = rig.do(Kind.PREPARE, mask=1, checks=int(forced), secret=CODE)
        assert answer is (expected if check & checks.FORCEABLE else Verdict.CHECKS)
    assert checks.explain(check).startswith(f"{check.name}: ")


def test_checks_are_looked_at_again_when_arming() -> None:
    rig = Rig()
    rig.prepare()
    rig.keep(26)
    rig.tick(10, status=0b1110)
    assert rig.do(Kind.ARM, secret=CODE, token=TOKEN) is Verdict.CHECKS
    assert rig.machine.mode is Mode.SAFE


def test_the_mailbox_way_arms_in_one_step_unless_a_session_has_the_igniter() -> None:
    rig = Rig()
    rig.tick(10)
    assert rig.do(Kind.BOX_FIRE, mask=1) is Verdict.WRONG_STATE
    assert rig.do(Kind.BOX_ARM) is Verdict.ACCEPTED
    assert rig.do(Kind.BOX_FIRE, mask=1, durations_ms=(100, 0, 0, 0)) is Verdict.ACCEPTED
    assert rig.tick(24) == 1
    assert rig.tick(2) == 0
    assert rig.do(Kind.OPEN) is Verdict.ACCEPTED
    assert rig.do(Kind.BOX_ARM) is Verdict.BUSY
    assert rig.do(Kind.BOX_CLEAR) is Verdict.BUSY


def test_mailbox_and_sessions_keep_each_other_out() -> None:
    rig = Rig(replace(LIMITS, stay_armed=True))
    rig.tick(10)
    assert rig.do(Kind.BOX_ARM) is Verdict.ACCEPTED
    assert rig.do(Kind.OPEN) is Verdict.BUSY, "nobody sees another fire within his session"
    assert rig.do(Kind.BOX_FIRE, mask=1, durations_ms=(20, 0, 0, 0)) is Verdict.ACCEPTED
    rig.tick(6)
    assert rig.do(Kind.OPEN) is Verdict.BUSY, "the mailbox is still armed"
    assert rig.do(Kind.DISARM) is Verdict.ACCEPTED
    rig.arm()
    assert rig.do(Kind.BOX_FIRE, mask=1) is Verdict.BUSY
    assert rig.do(Kind.BOX_ARM) is Verdict.BUSY
    assert (rig.outputs, rig.machine.mode) == (0, Mode.ARMED), "the session goes on undisturbed"
    assert rig.do(Kind.DISARM, session=0) is Verdict.ACCEPTED, "everybody may make safe"
    assert rig.machine.mode is Mode.SAFE


def test_a_box_arming_runs_out() -> None:
    rig = Rig()
    rig.tick(10)
    rig.do(Kind.BOX_ARM)
    rig.tick(501)
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, Cause.ARMING_TIMEOUT)


def test_faults_are_cleared_only_while_safe() -> None:
    rig = Rig()
    rig.arm()
    assert rig.do(Kind.CLEAR) is Verdict.WRONG_STATE
    rig.fire(0b0001, 1000)
    rig.keep(2)
    rig.tick(status=0b1110)
    assert rig.machine.bank.latched
    rig.tick(status=0b1111)
    assert rig.prepare() is Verdict.CHECKS
    assert rig.do(Kind.CLEAR) is Verdict.ACCEPTED
    assert not rig.machine.bank.latched


def test_no_arming_that_is_followed_at_once_by_firing_is_lost() -> None:
    rig = Rig(replace(LIMITS, countdown_ns=0))
    rig.tick(10)
    rig.do(Kind.OPEN)
    for _ in range(2000):
        assert rig.do(Kind.PREPARE, mask=1, checks=int(Check.CONTINUITY), secret=CODE) is Verdict.ACCEPTED
        assert rig.do(Kind.ARM, secret=CODE, token=TOKEN) is Verdict.ACCEPTED
        assert rig.fire(duration=1) is Verdict.ACCEPTED
        rig.tick()
    assert len(rig.shots) == 2000


def test_commands_are_counted_but_not_signs_of_life_and_questions() -> None:
    rig = Rig()
    machine = rig.machine
    rig.arm()
    rig.do(Kind.LOOK)
    rig.do(Kind.FACTS)
    assert rig.do(Kind.KEEP, sequence=1) is Verdict.REPEATED
    assert (machine.accepted, machine.refused) == (3, 0), "OPEN, PREPARE, ARM"
    assert rig.fire(secret=TOKEN + 1) is Verdict.WRONG_TOKEN
    assert rig.do(Kind.ARM, secret=CODE) is Verdict.WRONG_STATE
    assert (machine.accepted, machine.refused) == (3, 2)
    assert rig.do(Kind.DISARM) is Verdict.ACCEPTED
    assert rig.do(Kind.REFUSED) is Verdict.REFUSED
    assert (machine.accepted, machine.refused) == (4, 3)


@pytest.mark.parametrize(
    ("waited_ns", "closed", "cause"),
    [
        (MS, False, Cause.KILL_SWITCH),
        (MS, None, Cause.KILL_SWITCH),
        (12 * MS + 1, True, Cause.LATE),
        (-1, True, Cause.CLOCK_BACK),
        (12 * MS, True, None),
    ],
)
def test_what_has_changed_since_the_tick_began_keeps_an_output_from_being_switched_on(
    waited_ns: int, closed: bool | None, cause: Cause | None
) -> None:
    rig = Rig()
    rig.arm()
    fire = rig.command(Kind.FIRE, mask=1, secret=TOKEN, durations_ms=(100,) * 4)
    assert rig.machine.carry_out(fire) is Verdict.ACCEPTED
    assert rig.machine.outputs() == 1
    assert rig.machine.reconsider(rig.now + waited_ns, closed) == (1 if cause is None else 0)
    if cause is not None:
        assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, cause)
        assert rig.machine.settled(fire, Verdict.ACCEPTED) is Verdict.UNDONE


def test_a_channel_that_has_fired_is_not_armed_before_it_was_measured_again() -> None:
    rig = Rig(replace(LIMITS, countdown_ns=0))
    rig.arm()
    rig.fire(duration=8)
    rig.keep(2)
    assert rig.machine.mode is Mode.SAFE
    assert rig.do(Kind.PREPARE, mask=1, secret=CODE) is Verdict.CHECKS, "what is left of the match is not known yet"
    for status, expected in ((0b1110, Verdict.CHECKS), (0b1111, Verdict.ACCEPTED)):
        assert rig.prepare(0b0001, status=status) is expected, "the match burnt, and another one was connected"


@pytest.mark.parametrize("kind", [Kind.ARM, Kind.BOX_ARM])
def test_a_match_that_is_lost_while_armed_makes_safe_unless_its_check_was_forced(kind: Kind) -> None:
    for forced, cause in ((0, Cause.CONTINUITY), (int(Check.CONTINUITY), None)):
        rig = Rig()
        if kind is Kind.ARM:
            rig.arm(0b0011, forced)
        else:
            rig.tick(10)
            assert rig.do(kind, checks=forced) is Verdict.ACCEPTED
        rig.keep(3)
        rig.tick(4, status=0b1101)
        assert rig.machine.mode is Mode.ARMED, "a sample is no measurement"
        rig.tick(status=0b1101)
        expected = (Mode.ARMED, Cause.START) if cause is None else (Mode.SAFE, cause)
        assert (rig.machine.mode, rig.machine.cause) == expected


def test_a_match_that_has_fired_may_be_gone_and_the_others_stay_armed() -> None:
    rig = Rig(replace(LIMITS, stay_armed=True))
    rig.arm(0b0011)
    rig.fire(0b0001, 20)
    rig.keep(6)
    rig.inputs = replace(rig.inputs, status=0b1110)
    rig.keep(20)
    assert rig.machine.mode is Mode.ARMED
    rig.fire(0b0010, 200)
    rig.inputs = replace(rig.inputs, status=0b1010)
    rig.keep(20)
    assert rig.machine.mode is Mode.ARMED, "channel 3 was not selected"


def test_a_shot_that_is_over_before_status_means_anything_is_not_judged() -> None:
    rig = Rig(replace(LIMITS, stay_armed=True), rules=Rules(settle_ns=20 * MS, off_means_open=True))
    rig.arm()
    for window, end in ((16, End.UNJUDGED), (40, End.COMPLETED), (16, End.UNJUDGED)):
        assert rig.fire(duration=window) is Verdict.ACCEPTED
        rig.keep(12)
        assert rig.shots[-1].end is end
    assert verdict(rig.shots[0]) == "on for 16.0 ms, too short for STATUS: whether current flowed is not known"


def test_an_output_that_somebody_else_switches_off_makes_safe_and_is_recorded_from_then() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(0b0011, 1000)
    rig.keep(3)
    assert rig.tick(outputs=0b0001) == 0, "the other one goes off, too"
    off = rig.now
    assert (rig.machine.mode, rig.machine.cause) == (Mode.SAFE, Cause.SWITCHED_OFF)
    assert [(shot.channel, shot.end, shot.cause, shot.off_ns) for shot in rig.shots] == [
        (1, End.ABORTED, "SWITCHED_OFF", off + 1000), (2, End.ABORTED, "SWITCHED_OFF", off),
    ]  # fmt: skip


def test_what_is_fired_and_made_safe_in_one_tick_is_undone_and_has_a_record() -> None:
    rig = Rig()
    rig.arm(0b0011)
    fire = rig.command(Kind.FIRE, mask=0b0011, secret=TOKEN, durations_ms=(100,) * 4)
    machine, counts = rig.machine, (rig.machine.accepted, rig.machine.refused)
    assert machine.carry_out(fire) is Verdict.ACCEPTED
    assert machine.carry_out(Command(Kind.DISARM)) is Verdict.ACCEPTED
    rig.write()
    assert rig.outputs == 0
    assert machine.settled(fire, Verdict.ACCEPTED) is Verdict.UNDONE
    assert machine.settled(fire, Verdict.WRONG_STATE) is Verdict.WRONG_STATE
    assert (machine.accepted - counts[0], machine.refused - counts[1]) == (1, 1), "DISARM and FIRE"
    assert [(shot.channel, shot.end, shot.on_ns, shot.off_ns) for shot in rig.shots] == [
        (1, End.ABORTED, 0, 0), (2, End.ABORTED, 0, 0),
    ]  # fmt: skip
    assert verdict(rig.shots[0]) == "never on (COMMAND)"


def test_a_shot_that_follows_at_once_leaves_the_record_of_the_one_before() -> None:
    rig = Rig(replace(LIMITS, stay_armed=True))
    rig.arm()
    rig.fire(duration=20)
    begun = rig.now
    rig.keep(4)
    rig.now += 4 * MS
    rig.machine.tick(replace(rig.inputs, now_ns=rig.now, supervisor_ns=rig.now, guard_ns=rig.now, outputs=1))
    assert rig.fire(duration=20) is Verdict.ACCEPTED, "in the tick in which the window of the first is over"
    assert rig.outputs == 1
    rig.keep(6)
    assert [(shot.number, shot.commanded_ns, shot.end) for shot in rig.shots] == [
        (1, begun, End.COMPLETED), (2, begun + 20 * MS, End.COMPLETED),
    ]  # fmt: skip
    assert rig.shots[0].off_ns == begun + 20 * MS


def test_the_record_of_a_shot_whose_loop_ended_says_what_is_known() -> None:
    shot = Shot(7, 1, 100, 1000 * MS, 1001 * MS, 1031 * MS, 1031 * MS, End.LOOP_ENDED, "it was killed")
    assert verdict(shot) == "on for 30.0 ms at most (it was killed)"
    never = replace(shot, on_ns=0)
    assert verdict(never) == "whether it was on is not known, off by 31.0 ms after the command (it was killed)"
    assert verdict(replace(shot, off_ns=0)) == "whether it is off is not known: look at the lines (it was killed)"
    assert [found.on_ms for found in (shot, never, replace(shot, off_ns=0))] == [30.0, 0.0, 0.0]


def test_a_shot_says_what_happened() -> None:
    rig = Rig()
    rig.arm()
    rig.fire(0b0001, 1000)
    at = rig.now
    rig.keep(2)
    rig.tick(status=0b1110)
    (shot,) = rig.shots
    assert (shot.commanded_ns, shot.on_ns, shot.off_ns) == (at, at + 1000, at + 12 * MS + 1000)
    assert shot.trace == [-12000]
    assert verdict(shot) == "STATUS went low after 12.0 ms: open load, overload or overtemperature"
    assert Shot.decode(shot.encode()) == shot
    with pytest.raises(ValueError, match="bytes"):
        Shot.decode(b"")
