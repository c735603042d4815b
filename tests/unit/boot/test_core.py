# SPDX-License-Identifier: Apache-2.0
"""What the boot handler's verbs decide, one by one."""

import pytest
from pilotlight.orchestrator.boot import core
from pilotlight.orchestrator.boot.core import (
    Bad,
    Commit,
    Configuration,
    Facts,
    Forget,
    Good,
    Keep,
    Pending,
    Record,
    Refused,
)

RUNS_A = Facts(2, False, "A")
TRIES_B = Facts(3, True, "B")
WISH = Pending("B", "1.1.0", 1000)
ARMED = WISH._replace(attempts=1, armed=True)


def after(configuration: Configuration, changes: core.Changes) -> Configuration:
    for change in changes:
        configuration = core.apply(configuration, change)
    return configuration


def test_current_needs_firmware_and_command_line_to_agree() -> None:
    assert core.current(RUNS_A) == "A"
    assert core.current(Facts(None, False, "B")) == "B"
    for facts in (Facts(3, False, "A"), Facts(2, False, ""), Facts(1, False, "A"), Facts(None, False, "C")):
        with pytest.raises(Refused):
            core.current(facts)


def test_installing_marks_writes_and_asks() -> None:
    before = Configuration("A", None, frozenset("AB"))
    marked = after(before, core.set_bad(before, "B"))
    assert core.state(marked, "B") == "bad"
    asked = after(marked, core.set_primary(marked, RUNS_A, "B", "1.1.0", 1000))
    assert asked.pending == WISH
    assert (core.primary(asked), asked.committed) == ("B", "A")


def test_writing_takes_the_wish_back_first() -> None:
    assert core.set_bad(Configuration("A", WISH, frozenset("B")), "B") == [Forget(), Bad("B")]


@pytest.mark.parametrize("facts", [RUNS_A, TRIES_B])
def test_the_committed_slot_is_never_given_away(facts: Facts) -> None:
    with pytest.raises(Refused, match="every reset starts"):
        core.set_bad(Configuration("A", ARMED), "A")
    assert core.state(Configuration("A"), "A") == "good"


def test_commit_comes_before_everything_that_it_makes_superfluous() -> None:
    changes = core.set_good(Configuration("A", ARMED), TRIES_B, "B")
    assert changes == [Good("A"), Commit("B"), Good("B"), Record(ARMED, "committed"), Forget()]


def test_a_slot_that_is_good_already_costs_no_write() -> None:
    assert core.set_good(Configuration("A", None, frozenset("A")), RUNS_A, "A") == []
    assert core.set_good(Configuration("A"), RUNS_A, "A") == [Good("A")]


def test_only_the_running_slot_can_prove_itself() -> None:
    with pytest.raises(Refused, match="does not run"):
        core.set_good(Configuration("A", ARMED), RUNS_A, "B")
    with pytest.raises(Refused, match="without having been asked"):
        core.set_good(Configuration("A"), Facts(3, False, "B"), "B")
    with pytest.raises(Refused, match="has failed"):
        core.set_good(Configuration("A", ARMED._replace(reasons=("no web",))), TRIES_B, "B")


def test_a_lost_wish_does_not_lose_the_trial() -> None:
    """FAT may forget the file; the firmware still says that it was a trial."""
    assert core.on_trial(Configuration("A"), TRIES_B)
    assert Commit("B") in core.set_good(Configuration("A"), TRIES_B, "B")
    (keep,) = core.fail(Configuration("A"), TRIES_B, ("x",))
    assert isinstance(keep, Keep) and keep.pending.reasons == ("x",)


def test_a_trial_in_which_nothing_fits_can_only_fail() -> None:
    """For instance a firmware that does not know the filter by which config.txt names the command line."""
    mixed = Facts(3, True, "A")
    assert core.on_trial(Configuration("A", ARMED), mixed)
    with pytest.raises(Refused, match="nothing is committed"):
        core.set_good(Configuration("A", ARMED), mixed, "A")
    (keep,) = core.fail(Configuration("A", ARMED), mixed, ("x",))
    assert isinstance(keep, Keep) and (keep.pending.slot, keep.pending.reasons) == ("B", ("x",))


def test_every_restart_into_a_slot_is_counted_before_it_happens() -> None:
    (keep,) = core.arm(Configuration("A", WISH), RUNS_A, ran=True)
    assert isinstance(keep, Keep)
    assert keep.pending == WISH._replace(attempts=1, armed=True, ran=True)
    assert core.arm(Configuration("A"), RUNS_A, ran=True) == []
    assert core.arm(Configuration("A", WISH._replace(attempts=core.ATTEMPTS)), RUNS_A, ran=True) == []
    assert core.arm(Configuration("A", ARMED._replace(reasons=("no web",))), TRIES_B, ran=True) == []


def test_a_restart_during_the_trial_remembers_what_ran_before_it() -> None:
    (keep,) = core.arm(Configuration("A", ARMED._replace(ran=True)), TRIES_B, ran=False)
    assert isinstance(keep, Keep) and keep.pending.ran and keep.pending.attempts == 2


def test_a_missed_restart_costs_no_attempt() -> None:
    assert core.account(Configuration("A", WISH), RUNS_A) == []
    assert core.primary(Configuration("A", WISH)) == "B"


def test_silent_failures_are_tried_again_and_then_given_up() -> None:
    configuration = Configuration("A", WISH)
    outcomes = []
    for _ in range(core.ATTEMPTS):
        configuration = after(configuration, core.arm(configuration, RUNS_A, ran=False))
        changes = core.account(configuration, RUNS_A)
        outcomes += [change.outcome for change in changes if isinstance(change, Record)]
        configuration = after(configuration, changes)
        assert core.account(configuration, RUNS_A) == []  # counted once, however often it starts now
    assert outcomes == ["retry"] * (core.ATTEMPTS - 1) + ["failed"]
    assert configuration == Configuration("A")


def test_what_a_silent_trial_says_about_itself() -> None:
    def told(pending: Pending) -> str:
        (record,) = [c for c in core.account(Configuration("A", pending), RUNS_A) if isinstance(c, Record)]
        return record.reasons[0]

    assert "did not start" in told(ARMED)
    assert "before its health gate" in told(ARMED._replace(started=True))


def test_a_failed_gate_is_final() -> None:
    (keep,) = core.fail(Configuration("A", ARMED), TRIES_B, ("the web does not answer",))
    assert isinstance(keep, Keep)
    failed = Configuration("A", keep.pending, frozenset("B"))
    assert core.primary(failed) == "A"
    assert core.account(failed, RUNS_A) == [
        Bad("B"), Record(keep.pending, "failed", ("the web does not answer",)), Forget(),
    ]  # fmt: skip
    with pytest.raises(Refused):
        core.fail(Configuration("A"), RUNS_A, ("x",))


def test_reasons_are_bounded() -> None:
    (keep,) = core.fail(Configuration("A", ARMED), TRIES_B, ("x" * 10_000,) * 100)
    assert isinstance(keep, Keep)
    assert len(keep.pending.reasons) == core.REASONS
    assert len(keep.pending.reasons[0]) == core.REASON_LENGTH


def test_a_trial_can_be_called_off() -> None:
    (keep,) = core.set_primary(Configuration("A", ARMED), TRIES_B, "A", "", 0)
    assert isinstance(keep, Keep) and "called off" in keep.pending.reasons[0]
    assert core.set_primary(Configuration("A", WISH), RUNS_A, "A", "", 0) == [Forget()]
    assert core.set_primary(Configuration("A"), RUNS_A, "A", "", 0) == []


def test_power_between_commit_and_tidying_up() -> None:
    assert core.account(Configuration("B", ARMED, frozenset("AB")), Facts(3, True, "B")) == [
        Record(ARMED, "committed"), Forget(),
    ]  # fmt: skip


def test_unknown_slots_are_refused() -> None:
    with pytest.raises(Refused, match="say A or B"):
        core.set_primary(Configuration("A"), RUNS_A, "C", "", 0)
