# SPDX-License-Identifier: Apache-2.0
"""Interlocks: tags of others that have to be true, good and written."""

from __future__ import annotations

import time

import pytest
from pilotlight.igniter import facts
from pilotlight.igniter.checks import Check
from pilotlight.igniter.facts import Interlocks
from pilotlight.tags import Quality, SegmentWriter, Tag, Type, now_ns

SECOND = 1_000_000_000


def segment() -> SegmentWriter:
    writer = SegmentWriter.create("plc", [Tag("Clear", Type.BOOL), Tag("Count", Type.INT)], journal=16)
    writer.set(0, True)
    writer.publish()
    writer.heartbeat(now_ns() + 60 * SECOND)
    return writer


def test_an_interlock_holds_only_while_it_is_true_good_and_written() -> None:
    interlocks = Interlocks(("plc.Clear",))
    assert "cannot be read" in interlocks.failing()[0]
    writer = segment()
    assert interlocks.failing() == []
    writer.set(0, True, Quality.STALE)
    writer.publish()
    assert interlocks.failing() == ["plc.Clear: its quality is STALE"]
    writer.set(0, False)
    writer.publish()
    assert interlocks.failing() == ["plc.Clear: it is not true"]
    writer.set(0, True)
    writer.publish()
    writer.heartbeat(now_ns() - 1)
    assert interlocks.failing() == ["plc.Clear: its segment is not being written"]
    writer.close()
    again = segment()
    assert interlocks.failing() == [], "a new epoch is found"
    interlocks.close()
    again.close()


def test_what_is_no_tag_or_no_bit_does_not_hold() -> None:
    writer = segment()
    first, second = Interlocks(("plc.Clera", "plc.Count")).failing()
    assert first.startswith("plc.Clera: it cannot be read")
    assert second == "plc.Count: it is not true"
    assert Interlocks(()).failing() == []
    writer.close()


def test_facts_become_failing_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert facts.failing([]) == Check(0)
    monkeypatch.setattr(facts, "persistent", lambda: True)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert facts.failing(["plc.Clear: it is not true"]) == Check.INTERLOCKS | Check.PERSISTENCE | Check.CLOCK
