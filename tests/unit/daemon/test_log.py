# SPDX-License-Identifier: Apache-2.0
"""Log records: fields, levels, and the limit on their rate."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import log as log_module
from pilotlight.daemon.log import BURST, EVENTS_LIMIT, WINDOW_S, Logger, RateLimit, is_journal


def test_a_burst_goes_out_and_the_rest_is_counted() -> None:
    limit = RateLimit(burst=3, window_s=10)
    assert [limit.admit("a", t) for t in (0, 1, 2, 3, 4)] == [0, 0, 0, None, None]
    assert limit.admit("b", 5) == 0
    assert limit.admit("a", 10) == 2
    assert limit.admit("a", 11) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=300))
def test_no_event_comes_more_often_than_allowed_and_none_is_lost_count_of(steps: list[tuple[str, float]]) -> None:
    limit, now = RateLimit(burst=2, window_s=10), 0.0
    out: dict[str, list[float]] = {}
    counted: dict[str, int] = {}
    for event, pause in steps:
        now += pause
        held = limit.admit(event, now)
        if held is not None:
            out.setdefault(event, []).append(now)
            counted[event] = counted.get(event, 0) + 1 + held
    for event, times in out.items():
        for start in times:
            assert sum(start <= t < start + 10 for t in times) <= 4
        assert counted[event] <= sum(name == event for name, _ in steps)


def test_memory_of_events_is_bounded() -> None:
    limit = RateLimit()
    for number in range(10 * EVENTS_LIMIT):
        limit.admit(f"event {number}", 0.0)
    assert len(limit._events) == EVENTS_LIMIT


def test_a_flood_is_cut_and_says_so(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(log_module.time, "monotonic", lambda: now)
    log = Logger("flood")
    for number in range(100):
        log.warning(f"number {number}", event="flood", number=number)
    assert len(capfd.readouterr().err.splitlines()) == BURST
    now = WINDOW_S
    log.warning("again", event="flood")
    assert f"again ({100 - BURST} more like this were held back)" in capfd.readouterr().err


def test_journal_records_carry_their_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, object]]] = []
    sink = log_module._to_journal(lambda message, **fields: sent.append((message, fields)))
    monkeypatch.setattr(log_module, "_sink", lambda: sink)
    Logger("netmon").error("down", event="link-down", interface="eth0", exc=ValueError("why"))
    message, fields = sent[0]
    assert message == "down"
    assert fields["PRIORITY"] == 3
    assert fields["SYSLOG_IDENTIFIER"] == "pilotlight-netmon"
    assert fields["PILOTLIGHT_DAEMON"] == "netmon"
    assert fields["PILOTLIGHT_EVENT"] == "link-down"
    assert fields["PILOTLIGHT_INTERFACE"] == "eth0"
    assert "ValueError: why" in str(fields["PILOTLIGHT_TRACEBACK"])


def test_a_journal_that_is_gone_leaves_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(message: str, **fields: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(log_module, "_sink", lambda: log_module._to_journal(refuse))
    Logger("x").info("hello", event="e", number=3)
    assert capfd.readouterr().err == "info    x: hello number=3\n"


def test_the_journal_is_recognised_by_its_stream() -> None:
    assert is_journal("8:1234", 8, 1234)
    assert not is_journal("8:1234", 8, 1235)
    assert not is_journal("", 8, 1234)


def test_records_of_libraries_come_in(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "_sink", lambda: log_module._to_stderr)
    handler = log_module.StandardLogs()
    handler.handle(logging.LogRecord("lib", logging.ERROR, "lib.py", 3, "broken %s", ("pipe",), None))
    assert capfd.readouterr().err.startswith("error   lib: broken pipe")
