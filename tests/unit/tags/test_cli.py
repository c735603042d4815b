# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight tags`."""

import csv
import json
import os
import threading
import time
from pathlib import Path

import pytest
from pilotlight.tags import Flags, Quality, SegmentWriter, Tag, Type, now_ns
from pilotlight.tags.cli import main, segments_of, writer_state
from pilotlight.tags.follow import Follower
from pilotlight.tags.formats import Event, clock_text, event_csv, event_json, event_line, value_text

TAGS = [
    Tag("Line.lamp", Type.BOOL, flags=Flags.OUTPUT, description="the lamp over the door"),
    Tag("Scan.Count", Type.ULINT),
    Tag("Level", Type.REAL, unit="m"),
    Tag("Note", Type.STRING, 30),
]


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SegmentWriter:
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path))
    writer = SegmentWriter.create("plc", TAGS)
    SegmentWriter.create("net", [Tag("Up", Type.BOOL)])
    writer.set(0, True)
    writer.set(1, 7)
    writer.set(2, 1.25, Quality.UNCERTAIN)
    writer.set(3, 'says "no", twice')
    writer.publish()
    return writer


def test_the_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "pilotlight tags watch" in text
    assert "examples:" in text
    for verb in ("list", "read", "watch", "record"):
        assert main([verb, "--help"]) == 0


@pytest.mark.parametrize(
    "argv", [[], ["fly"], ["read"], ["watch"], ["watch", "a", "--count", "0"], ["record", "--for", "-1"]]
)
def test_a_wrong_command_line_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "usage:" in capsys.readouterr().err


def test_list_shows_segments(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    writer.heartbeat(now_ns() + 10**12)
    assert main(["list"]) == 0
    head, net, plc = capsys.readouterr().out.splitlines()
    assert head.split() == ["SEGMENT", "EPOCH", "TAGS", "PUBLISHES", "WRITER"]
    assert net.split(maxsplit=4) == ["net", "1", "1", "0", "gives no heartbeat"]
    assert plc.split() == ["plc", "1", "4", "1", "alive"]
    assert main(["list", "--json"]) == 0
    assert [json.loads(line)["segment"] for line in capsys.readouterr().out.splitlines()] == ["net", "plc"]


def test_list_survives_a_damaged_segment(
    writer: SegmentWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "segments" / "net" / "segment").write_bytes(b"nothing")
    assert main(["list"]) == 0
    _, net, plc = capsys.readouterr().out.splitlines()
    assert "less than the header" in net
    assert plc.startswith("plc")


def test_list_shows_tags(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "plc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split(maxsplit=3) == ["plc.Line.lamp", "BOOL", "output", "the lamp over the door"]
    assert lines[4].split() == ["plc.Note", "STRING[30]"]
    assert main(["list", "plc.L*", "--json"]) == 0
    assert [json.loads(line)["tag"] for line in capsys.readouterr().out.splitlines()] == ["plc.Line.lamp", "plc.Level"]


def test_read_shows_values(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "plc.Line.*", "plc.Level"]) == 0
    lamp, level = capsys.readouterr().out.splitlines()
    assert lamp.split() == ["plc.Line.lamp", "TRUE"]
    assert level.split() == ["plc.Level", "1.25", "m", "UNCERTAIN"]
    assert main(["read", "*.Scan.Count", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["value"], shown["quality"]) == ("plc.Scan.Count", 7, "GOOD")


@pytest.mark.parametrize("argv", [["read", "plc.None"], ["list", "x.*"], ["watch", "x.y"], ["record", "plc.None"]])
def test_what_matches_nothing_is_1(writer: SegmentWriter, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 1
    assert "the segments are: net, plc" in capsys.readouterr().err


def test_without_daemons_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path))
    assert main(["list"]) == 0
    assert main(["read", "plc.A"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "There are no segments: no daemon is running.\n"
    assert "no daemon is running" in captured.err


class Counting:
    """Publishes rising counts in a thread until it is left; a new epoch now and then if asked."""

    def __init__(self, writer: SegmentWriter, renew: bool = False) -> None:
        self._writer = writer
        self._renew = renew
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        count = 100
        while not self._stop.wait(0.001):
            count += 1
            if self._renew and count % 20 == 0:
                self._writer = SegmentWriter.create("plc", TAGS)
            self._writer.set(1, count)
            self._writer.publish()

    def __enter__(self) -> "Counting":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_watch_shows_values_then_changes(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    with Counting(writer):
        assert main(["watch", "plc.Scan.Count", "plc.Line.*", "net.*", "--count", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + 5
    counts = [int(line.split(" = ")[1]) for line in lines[3:]]
    assert counts == list(range(counts[0], counts[0] + 5))
    assert "plc.Line.lamp = TRUE" in "\n".join(lines[:3])


def test_watch_ends_in_time(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    assert main(["watch", "plc.Level", "--for", "0.05", "--json"]) == 0
    assert 0.05 <= time.monotonic() - start < 5
    assert json.loads(capsys.readouterr().out)["value"] == 1.25


def test_watch_goes_over_to_new_epochs(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    with Counting(writer, renew=True):
        assert main(["watch", "plc.Scan.Count", "--count", "100"]) == 0
    captured = capsys.readouterr()
    assert "a new epoch began" in captured.err
    assert len(captured.out.splitlines()) == 101


def test_record_writes_csv(writer: SegmentWriter, tmp_path: Path) -> None:
    out = tmp_path / "run.csv"
    with Counting(writer):
        assert main(["record", "--output", str(out), "--count", "10"]) == 0
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows[:5]] == ["net.Up", *(f"plc.{tag.name}" for tag in TAGS)]
    assert rows[4]["value"] == 'says "no", twice'
    counts = [int(row["value"]) for row in rows[5:]]
    assert counts == list(range(counts[0], counts[0] + 10))
    times = [row["time"] for row in rows[5:]]
    assert times == sorted(times)


def test_record_writes_json_to_standard_output(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "plc.*", "--format", "json", "--for", "0.01"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["value"] for event in shown] == [True, 7, 1.25, 'says "no", twice']


def test_record_says_when_a_file_cannot_be_written(
    writer: SegmentWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--output", str(tmp_path / "none" / "x.csv"), "--for", "0.01"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_losses_are_told_and_made_good(writer: SegmentWriter, capsys: pytest.CaptureFixture[str]) -> None:
    small = SegmentWriter.create("plc", TAGS, journal=64)
    warnings: list[str] = []
    follower = Follower("plc", lambda name: name == "plc.Scan.Count", warnings.append)
    assert [event.value for event in follower.look()] == [0]
    for count in range(1, 101):
        small.set(1, count)
        small.publish()
    assert [event.value for event in follower.look()] == [100]
    assert warnings == ["plc: 36 changes came faster than they were read and are lost"]
    small.set(1, 101)
    small.publish()
    assert [event.value for event in follower.look()] == [101]
    follower.close()


def test_a_segment_that_cannot_be_read_is_told_once_and_waited_for(writer: SegmentWriter, tmp_path: Path) -> None:
    warnings: list[str] = []
    follower = Follower("plc", lambda name: name == "plc.Scan.Count", warnings.append)
    assert [event.value for event in follower.look()] == [7]
    os.truncate(tmp_path / "segments" / "plc" / "segment", 0)
    for _ in range(3):
        follower.wait(0.001)
        assert list(follower.look()) == []
    assert len(warnings) == 1
    assert "less than the header" in warnings[0]
    SegmentWriter.create("plc", TAGS)
    (tmp_path / "segments" / "plc" / "segment").rename(tmp_path / "later")
    assert list(follower.look()) == []
    assert "not started yet" in warnings[1]
    (tmp_path / "later").rename(tmp_path / "segments" / "plc" / "segment")
    assert [event.value for event in follower.look()] == [0]
    follower.close()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Type.BOOL, False, "FALSE"),
        (Type.DINT, -5, "-5"),
        (Type.REAL, 0.10000000149011612, "0.100000001"),
        (Type.LREAL, 0.1, "0.1"),
        (Type.TIME, 1_500_000_000, "T#1.5s"),
        (Type.TIME, -1, "T#-0.000000001s"),
        (Type.TOD, 3_600_000_000_000 + 5_000_000, "TOD#01:00:00.005"),
        (Type.DATE, 86_400_000_000_000, "D#1970-01-02"),
        (Type.DT, 1_000_000_000, "DT#1970-01-01-00:00:01"),
        (Type.DT, 2**63 - 1, "DT#2262-04-11-23:47:16.854775807"),
        (Type.STRING, "a'b", '"a\'b"'),
        (Type.CHAR, "x", "'x'"),
    ],
)
def test_values_are_written_as_the_standard_does(kind: Type, value: bool | int | float | str, text: str) -> None:
    assert value_text(kind, value) == text


def test_an_event_in_all_formats() -> None:
    event = Event(1_000_000_001, "plc.Level", Tag("Level", Type.LREAL, unit="m"), float("nan"), Quality.BAD)
    assert clock_text(event.time_ns) == "1970-01-01T00:00:01.000000001Z"
    assert event_line(event) == "1970-01-01T00:00:01.000000001Z  plc.Level = nan m  [BAD]"
    assert json.loads(event_json(event))["value"] == "NaN"
    assert event_csv(event) == "1970-01-01T00:00:01.000000001Z,plc.Level,nan,m,BAD"


def test_only_segments_that_can_match_are_opened() -> None:
    names = ["net", "plc", "system"]
    assert segments_of(["plc.*"], names) == ["plc"]
    assert segments_of(["*.Scan", "p?c.x"], names) == names
    assert segments_of(["s*.x"], names) == ["system"]


def test_a_heartbeat_in_words() -> None:
    assert writer_state(0, 0, 0, 10) == "gives no heartbeat"
    assert writer_state(3, 10, 20, 20) == "alive"
    assert writer_state(3, 10**9, 2 * 10**9, 4 * 10**9) == "silent for 3.0 s"
