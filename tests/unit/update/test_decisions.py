# SPDX-License-Identifier: Apache-2.0
"""What is decided without I/O: versions, windows, sources, and the state machine of an update."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import InvalidArgument
from pilotlight.orchestrator.update import explain, policy, sources
from pilotlight.orchestrator.update.attempts import HISTORY_MAX, Attempt, Facts, History, Outcome, end, settle
from pilotlight.orchestrator.update.bootfiles import BootFiles
from pilotlight.orchestrator.update.versions import Step, step

ORDER = "0.9 1.0.0-alpha 1.0.0-alpha.1 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.10 2.0.dev1 2".split()


@pytest.mark.parametrize("low", range(len(ORDER)))
def test_versions_have_an_order(low: int) -> None:
    for high in range(len(ORDER)):
        wanted = Step.SAME if low == high else Step.NEWER if high > low else Step.OLDER
        assert step(ORDER[high], ORDER[low]) is wanted, (ORDER[high], ORDER[low])


def test_versions_that_mean_the_same_and_such_that_mean_nothing() -> None:
    assert step("1.2", "1.2.0+build7") is Step.SAME
    assert step("v1.2", "1.2") is Step.SAME
    for text in ("", "latest", "1.2.x y", "1" * 200, "-1"):
        assert step(text, "1.0") is Step.UNKNOWN
        assert step("1.0", text) is Step.UNKNOWN
    assert step("main", "main") is Step.SAME


@given(st.text(max_size=30), st.text(max_size=30))
def test_comparing_never_fails_and_is_antisymmetric(a: str, b: str) -> None:
    opposite = {Step.NEWER: Step.OLDER, Step.OLDER: Step.NEWER}
    assert step(b, a) is opposite.get(step(a, b), step(a, b))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("02:00-04:00", ["Mon 02:00", "Sun 03:59"], ["Mon 01:59", "Mon 04:00"]),
        ("Sat,Sun 02:00-04:00", ["Sat 02:30", "Sun 02:30"], ["Mon 02:30", "Fri 02:30"]),
        ("Mon-Fri 22:00-05:00", ["Mon 22:00", "Fri 23:59", "Sat 04:59", "Tue 00:00"], ["Mon 04:00", "Sat 05:00"]),
        ("Sat-Mon 00:00-00:00", ["Sat 00:00", "Mon 23:59"], ["Tue 00:00", "Fri 12:00"]),
    ],
)  # fmt: skip
def test_windows(text: str, inside: list[str], outside: list[str]) -> None:
    window = policy.window(text)
    for moments, wanted in ((inside, True), (outside, False)):
        for moment in moments:
            day, time = moment.split()
            now = datetime.fromisoformat(f"2026-11-{16 + policy.DAYS.index(day)} {time}")
            assert now.strftime("%a") == day
            assert window.contains(now) is wanted, moment


@pytest.mark.parametrize(
    "text", ["", "2-4", "02:00", "24:00-01:00", "02:60-03:00", "Son 02:00-03:00", "Sat- 02:00-03:00"]
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (window|day|time)"):
        policy.window(text)


@given(st.text(max_size=40))
def test_any_text_is_a_window_or_refused(text: str) -> None:
    try:
        window = policy.window(text)
    except ValueError:
        return
    assert window.days


@pytest.mark.parametrize(
    "url", ["http://a/b", "ftp://a/b", "file:///etc/shadow", "/etc/shadow", "https://", "https://a b/", "https://a:x/b",
            "https://é/", "https://a/" + "b" * 3000, "javascript:1", "https://[::1/x"]
)  # fmt: skip
def test_what_is_no_source(url: str) -> None:
    with pytest.raises(InvalidArgument, match="nothing was installed"):
        sources.checked_url(url, insecure=False)


def test_sources() -> None:
    assert sources.checked_url("https://a:8443/b.raucb?x=1", insecure=False)
    assert sources.checked_url("http://a/b", insecure=True)
    assert sources.shown("https://ada:secret@[::1]:8443/b.raucb?token=secret#x") == "https://[::1]:8443/b.raucb"
    assert len(sources.shown("https://a/" + "b" * 1000)) <= sources.NAME_MAX
    assert sources.checked_headers(["A: b", "X-Y:z"]) == ["A: b", "X-Y:z"]
    for headers in (["A"], ["A: b\r\nC: d"], ["A: b"] * 9, ["A: " + "x" * 2000]):
        with pytest.raises(InvalidArgument) as refusal:
            sources.checked_headers(headers)
        assert "x" * 10 not in str(refusal.value)


@given(st.text(max_size=2000))
def test_any_words_of_rauc_become_one_line_of_bounded_length(words: str) -> None:
    sentence = explain.failure(words)
    assert sentence.isprintable() and len(sentence) < 1000 and "untouched" in sentence


slots = st.sampled_from(["", "A", "B"])
facts = st.builds(
    Facts,
    boot=st.sampled_from(["1", "2", "3"]),
    booted=slots,
    committed=st.sampled_from(["A", "B"]),
    pending=slots,
    installing=st.booleans(),
    reason=st.sampled_from(["", "gate"]),
)
attempts = st.builds(
    Attempt,
    id=st.just(1),
    source=st.just("file"),
    name=st.just("x"),
    user=st.just("ada"),
    started=st.just(1.0),
    slot=slots,
    outcome=st.sampled_from(Outcome),
    boot=st.sampled_from(["1", "2"]),
)


@given(attempts, facts)
def test_settling_is_final_and_stable(attempt: Attempt, seen: Facts) -> None:
    after = settle(attempt, seen, 5.0)
    assert settle(after, seen, 9.0) == after
    if not attempt.open:
        assert after is attempt
    if not after.open:
        assert after.ended == 5.0 or not attempt.open
        assert after.reason or after.outcome is Outcome.DONE or not attempt.open
    if after.outcome is Outcome.DONE and attempt.open:
        assert seen.booted == seen.committed == attempt.slot != ""
    if after.outcome is Outcome.PENDING and attempt.open:
        assert not seen.booted or seen.pending == attempt.slot


def test_a_note_tells_a_failed_trial_from_one_that_was_taken_back() -> None:
    attempt = Attempt(
        id=1, source="file", name="x", user="ada", started=1.0, slot="B", outcome=Outcome.PENDING, boot="1"
    )
    assert settle(attempt, Facts("1", "A", "A", ""), 5.0).outcome is Outcome.WITHDRAWN
    gate = settle(attempt, Facts("1", "A", "A", "", reason="gate"), 5.0)
    assert (gate.outcome, gate.reason) == (Outcome.ROLLED_BACK, "gate")


def test_notes_of_other_trials_are_not_taken(tmp_path: Path) -> None:
    trials = [("failed", 100, "old"), ("committed", 200, "none"), ("retry", 300, "again"), ("failed", 400, "gate")]
    path = tmp_path / "outcomes.json"
    files = BootFiles(tmp_path / "none", path)
    assert files.note("B", 0.0) == "" and files.state() is None
    for count, wanted in ((1, "old"), (2, ""), (3, "again"), (4, "gate")):
        entries = [{"slot": "B", "outcome": o, "time": t, "reasons": [r]} for o, t, r in trials[:count]]
        path.write_text(json.dumps(entries))
        assert files.note("B", 50.0) == wanted
        assert files.note("A", 50.0) == files.note("B", 500.0) == ""
    path.write_text("[{")
    assert files.note("B", 0.0) == ""


@given(attempts.filter(lambda a: a.open and a.slot == "B"), st.sampled_from(["A", "B"]))
def test_after_any_restart_the_committed_slot_settles_it(attempt: Attempt, runs: str) -> None:
    """Nothing is under way for ever: with nothing pending, the slot that any reset starts is the end of the story."""
    after = settle(attempt, Facts("9", runs, runs, ""), 5.0)
    assert not after.open
    assert (after.outcome is Outcome.DONE) == (runs == "B")


@given(st.lists(st.sampled_from([Outcome.DONE, Outcome.PENDING, Outcome.FAILED]), max_size=120))
def test_history_is_bounded_and_numbers_go_on(outcomes: list[Outcome]) -> None:
    history = History()
    for outcome in outcomes:
        new = Attempt(id=history.next_id, source="file", name="x", user="ada", started=1.0, slot="B")
        history = history.writing(new, 2.0)
        history = history.with_attempt(end(new, outcome, "x", 3.0))
    assert len(history.attempts) == min(len(outcomes), HISTORY_MAX)
    assert [a.id for a in history.attempts] == list(range(1, len(outcomes) + 1))[-HISTORY_MAX:]
    assert sum(a.open for a in history.attempts) <= 1
    assert history.next_id == len(outcomes) + 1
