# SPDX-License-Identifier: Apache-2.0
"""Live values: read from a real segment, listed, streamed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pilotlight.tags import Quality, SegmentWriter, Tag, Type
from pilotlight.web import routes_tags
from pilotlight.web.live import LiveTags, Watch, json_value

from tests.unit.web.conftest import Site

TAGS = [
    Tag("INSTANCE0.START", Type.BOOL),
    Tag("INSTANCE0.LAMP", Type.BOOL, description="the lamp"),
    Tag("COUNT", Type.LINT),
    Tag("LEVEL", Type.LREAL, unit="mm"),
]


@pytest.fixture
def writer() -> Iterator[SegmentWriter]:
    made = SegmentWriter.create("plc", TAGS)
    made.publish()
    yield made
    made.close()


def test_search_and_values(writer: SegmentWriter) -> None:
    writer.set(2, 2**62)
    writer.set(3, float("inf"), Quality.UNCERTAIN)
    writer.publish()
    live = LiveTags()
    assert live.segments() == ["plc"]
    assert live.find("plc", "instance0 lamp", 10) == ([1], 1)
    assert live.find("plc", "", 2) == ([0, 1], 4)
    assert live.find("plc", "nothing", 2) == ([], 0)
    live.close()


def test_json_values() -> None:
    assert json_value(Type.LINT, 2**62) == str(2**62)
    assert json_value(Type.DINT, 5) == 5
    assert json_value(Type.BOOL, True) is True
    assert [json_value(Type.LREAL, float(x)) for x in ("nan", "inf", "-inf", "1.5")] == [
        "NaN",
        "Infinity",
        "-Infinity",
        1.5,
    ]


def test_watch_follows_changes_epochs_and_absence(writer: SegmentWriter) -> None:
    live = LiveTags()
    watch = Watch(live, "plc", "lamp", 10)
    ((event, content),) = watch.poll()
    assert (event, content["total"]) == ("tags", 1)
    assert content["tags"][0]["name"] == "INSTANCE0.LAMP"
    assert list(watch.poll()) == []
    writer.set(0, True)
    writer.publish()
    assert list(watch.poll()) == []
    writer.set(1, True)
    writer.publish()
    ((event, content),) = watch.poll()
    assert (event, content["changes"][0]["value"]) == ("changes", True)
    writer.set_quality(1, Quality.BAD)
    writer.publish()
    ((_, content),) = watch.poll()
    assert content["changes"][0]["quality"] == "BAD"
    renewed = SegmentWriter.create("plc", [Tag("LAMP2", Type.INT), Tag("OTHER", Type.INT)])
    renewed.publish()
    ((event, content),) = watch.poll()
    assert (event, [tag["name"] for tag in content["tags"]]) == ("tags", ["LAMP2"])
    renewed.close()
    live.close()


def test_watch_of_a_segment_that_comes_later() -> None:
    live = LiveTags()
    watch = Watch(live, "later", "", 10)
    ((event, content),) = watch.poll()
    assert event == "missing"
    assert "not running" in content["message"]
    assert list(watch.poll()) == []
    with_tags = SegmentWriter.create("later", TAGS[:1])
    with_tags.publish()
    assert [event for event, _ in watch.poll()] == ["tags"]
    with_tags.close()
    live.close()


def test_over_https(site: Site, writer: SegmentWriter) -> None:
    token = site.claim()
    assert site.call("GET", "/api/segments", token).json() == {"segments": ["plc"]}
    answer = site.call("GET", "/api/tags?search=lamp", token).json()
    assert answer["total"] == 1
    assert answer["tags"][0]["description"] == "the lamp"
    assert site.call("GET", "/api/tags?segment=nothing", token).status_code == 404
    for query in ("segment=../etc", "segment=", "limit=0", "limit=100000", "limit=x", "search=" + "x" * 300):
        assert site.call("GET", f"/api/tags?{query}", token).status_code == 400, query


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_stream_ends_with_the_session(site: Site, writer: SegmentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_tags, "PERIOD_S", 0.02)
    token = site.claim()
    headers = {"Authorization": f"Bearer {token}"}
    with site.http.stream("GET", "/api/tags/stream?search=lamp", headers=headers) as response:
        events = _events(response.iter_lines())
        assert next(events)[0] == "tags"
        writer.set(1, True)
        writer.publish()
        name, content = next(events)
        assert (name, content["changes"][0]["value"]) == ("changes", True)
        assert site.call("POST", "/api/logout", token).status_code == 200
        assert list(events) == []
    assert site.backend.streams == 0


def test_streams_are_counted(site: Site, writer: SegmentWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_tags, "MOST_STREAMS", 1)
    headers = {"Authorization": f"Bearer {site.claim()}"}
    with site.http.stream("GET", "/api/tags/stream", headers=headers) as response:
        lines = response.iter_lines()
        next(lines)
        refused = site.http.get("/api/tags/stream", headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
