# SPDX-License-Identifier: Apache-2.0
"""What is read of a PLC program: each request once, with what stood beside it, and all that makes it untrusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pilotlight.daemon import DaemonError
from pilotlight.igniter.program import Ask, Reply, Request
from pilotlight.igniter.program_tags import ProgramTags
from pilotlight.igniter.settings import ProgramSettings
from pilotlight.tags import Quality, SegmentReader, SegmentWriter, Tag, Type, now_ns

from tests.support.daemons import Daemons
from tests.unit.igniter import test_firing
from tests.unit.igniter.test_firing import Site

OWN = ("IgniterNumber", "IgniterRequest", "IgniterSelect", "IgniterWindow", "IgniterLife")
SECOND = 1_000_000_000


class Scan:
    """A PLC program's segment, written as the scan writes it."""

    def __init__(self, journal: int = 4096, kind: Type = Type.DINT) -> None:
        tags = [*(Tag(name, kind) for name in OWN), Tag("Scan.State", Type.USINT), Tag("Scan.Forces", Type.UDINT)]
        self.writer = SegmentWriter.create("plc", tags, journal=journal)
        self.number = self.life = 0
        self.scan(**{"Scan.State": 2})

    def scan(self, **values: Any) -> int:
        """One scan with these values; when it was."""
        self.life += 1
        for name, value in {"IgniterLife": self.life, **values}.items():
            self.writer.set(self.writer.directory.index(name), value)
        now = now_ns()
        self.writer.publish(now)
        self.writer.heartbeat(now + 60 * SECOND)
        return now

    def ask(self, ask: int, mask: int = 0, window: int = 0) -> int:
        self.number += 1
        own = (self.number, ask, mask, window)
        return self.scan(**dict(zip(OWN, own, strict=False)))


@pytest.fixture
def scan() -> Iterator[Scan]:
    made = Scan()
    yield made
    made.writer.close()


@pytest.fixture
def tags() -> Iterator[ProgramTags]:
    made = ProgramTags(ProgramSettings(channels=(1,)))
    yield made
    made.close()


def test_each_request_is_seen_once_however_fast_they_come(scan: Scan, tags: ProgramTags) -> None:
    scan.ask(Ask.FIRE, 1)
    first = tags.look()
    assert (first.first, first.requests, first.trouble) == (1, (), ""), "what stood there is not carried out"
    stamps = [scan.ask(ask, ask, 10 * ask) for ask in (1, 2, 3)]
    scan.scan()
    expected = [Request(n + 1, n, n, 10 * n, stamp) for n, stamp in zip((1, 2, 3), stamps, strict=True)]
    look = tags.look()
    assert list(look.requests) == expected
    assert (look.first, look.trouble) == (None, "")
    assert tags.look().requests == ()
    life = scan.scan()
    assert tags.look().life_ns == life


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"Scan.State": 3}, "the PLC does not run"),
        ({"Scan.Forces": 1}, "variables of the PLC are forced"),
        ({"IgniterNumber": -1}, "not from 0 to"),
    ],
)
def test_what_makes_a_program_untrusted_is_told(
    scan: Scan, tags: ProgramTags, changes: dict[str, int], trouble: str
) -> None:
    assert tags.look().trouble == ""
    scan.scan(**changes)
    assert trouble in tags.look().trouble


def test_a_segment_that_is_stale_bad_new_or_too_fast_is_told(tags: ProgramTags) -> None:
    assert "no segment" in tags.look().trouble
    scan = Scan(journal=16)
    assert tags.look().trouble == ""
    for _ in range(1000):
        scan.ask(Ask.OPEN)
    assert "are lost" in tags.look().trouble
    assert (tags.look().trouble, tags.look().requests) == ("", ())
    scan.writer.heartbeat(now_ns() - 1)
    assert tags.look().trouble == "its segment is not being written"
    scan.scan()
    scan.writer.set_quality(0, Quality.STALE)
    scan.scan()
    assert "IgniterNumber is STALE" in tags.look().trouble
    scan.writer.close()
    again = Scan()
    assert tags.look().first == 0, "a new program is found anew"
    again.writer.close()


def test_tags_that_are_no_whole_numbers_are_told(tags: ProgramTags) -> None:
    scan = Scan(kind=Type.REAL)
    assert "no whole number" in tags.look().trouble
    scan.writer.close()


def test_a_plc_program_arms_measures_fires_and_stops(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scan: Scan
) -> None:
    program = "  program: {channels: [1, 3], forced: [REAL_TIME], silent_ms: 5000}\nsimulated:"
    monkeypatch.setattr(test_firing, "_YAML", test_firing._YAML.replace("simulated:", program))
    site = Site(daemons)
    answers = SegmentReader.open("igniter")

    def answered() -> Reply | None:
        nonlocal answers
        if not answers.current():
            answers.close()
            answers = SegmentReader.open("igniter")
        number, reply = (reading.value for reading in answers.read("Program.Number", "Program.Reply"))
        assert isinstance(reply, int)
        return Reply(reply) if number == scan.number else None

    def ask(what: Ask, mask: int = 0b0101, window: int = 0) -> Reply | None:
        scan.ask(what, mask, window)

        def there() -> bool:
            scan.scan()
            return answered() not in (None, Reply.NONE)

        site.wait_until(there)
        return answered()

    def arm() -> None:
        """Both steps; on a busy machine a watchdog may come between."""
        for _ in range(test_firing.TRIES):
            site.wait_until(lambda: site.failing(1, 3) == {"REAL_TIME"})
            ask(Ask.DISARM)
            ask(Ask.OPEN)
            if [ask(step) for step in (Ask.PREPARE, Ask.ARM)] == [Reply.ACCEPTED] * 2:
                return
        raise AssertionError(site.client.call("Status")["Program"])

    site.wait_until(lambda: scan.scan() and "NONE" in site.client.call("Status")["Program"])
    arm()
    with pytest.raises(DaemonError, match="another session holds the lease"):
        site.client.call("OpenSession")
    assert ask(Ask.FIRE, 0b0101, 60) is Reply.ACCEPTED
    site.wait_until(lambda: scan.scan() and len(site.client.call("Shots")) == 2)
    assert {shot["End"] for shot in site.client.call("Shots")} == {"COMPLETED"}
    assert "holds the session" in site.client.call("Status")["Program"]
    arm()
    assert ask(Ask.FIRE, 0b0001, 25_000) is Reply.ACCEPTED
    assert site.levels() == (True, False)
    scan.scan(**{"Scan.State": 3})
    site.until_off()
    site.wait_until(lambda: "has no session" in site.client.call("Status")["Program"])
    status = site.client.call("Status")
    assert (status["Mode"], status["Session"]) == ("SAFE", False)
    assert "the PLC does not run" in status["Program"]
    entries = [json.loads(line) for line in (tmp_path / "state/igniter/audit.jsonl").read_text().splitlines()]
    done = [e["command"] for e in entries if (e["event"], e.get("by")) == ("command", "the PLC program")]
    assert done[-2:] == ["DISARM", "CLOSE"]
    assert any(entry["event"] == "program" and entry["why"] == "the PLC does not run" for entry in entries)
    answers.close()
    site.map.close()
    site.chip.close()
