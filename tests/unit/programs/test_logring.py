# SPDX-License-Identifier: Apache-2.0
"""The ring of log records."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pilotlight.runtime.logring import MESSAGE_MAX, LogRing, Record


def ring(capacity: int = 3) -> LogRing:
    return LogRing(capacity, lambda: datetime(2026, 11, 21, 9, 23, 58, tzinfo=UTC))


def test_a_record_has_the_shape_clients_read() -> None:
    log = ring()
    assert log.add("INFO", "started") == 1
    assert log.since() == [Record(1, "INFO", "started", "2026-11-21T09:23:58+0000")]


def test_only_the_newest_are_kept_and_ids_go_on() -> None:
    log = ring()
    for n in range(5):
        log.add("INFO", str(n))
    assert [(r.id, r.message) for r in log.since()] == [(3, "2"), (4, "3"), (5, "4")]


def test_since_includes_its_id_and_selects_one_level() -> None:
    log = ring(10)
    for level in ("INFO", "ERROR", "INFO", "ERROR"):
        log.add(level, "x")
    assert [r.id for r in log.since(3)] == [3, 4]
    assert [r.id for r in log.since(0, "ERROR")] == [2, 4]
    assert log.since(5) == []


def test_long_messages_are_cut() -> None:
    log = ring()
    log.add("INFO", "x" * 10_000)
    assert len(log.since()[0].message) == MESSAGE_MAX
    assert log.since()[0].message.endswith("…")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="WARN"):
        ring().add("WARN", "x")
