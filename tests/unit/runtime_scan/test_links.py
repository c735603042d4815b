# SPDX-License-Identifier: Apache-2.0
"""Tags of other daemons reach the variables of a program, which is told when they can no longer be believed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pilotlight.runtime.launcher import LoadedProgram
from pilotlight.runtime.links import LinkError, judge, place
from pilotlight.runtime.settings import LinkSettings
from pilotlight.tags import Quality, Reading, SegmentReader, SegmentWriter, Tag, Type, Value, now_ns

from tests.programs.make import zip_of
from tests.unit.runtime_scan.support import VARIABLES
from tests.unit.runtime_scan.test_service import Daemon, until

RUNTIME_YAML = """
scan: {priority: 0, limit_ms: 500}
links:
  tags:
    plc.INSTANCE0.A_INT: weather.Wind
    plc.INSTANCE0.A_REAL: weather.Pressure
    plc.INSTANCE0.A_STRING: weather.Note
  good: plc.INSTANCE0.A_BOOL
"""
WIND, PRESSURE, NOTE = range(3)
TAGS = [Tag("Wind", Type.DINT), Tag("Pressure", Type.LREAL), Tag("Note", Type.STRING, 20)]
LONG_NS = 3600 * 10**9


class Weather:
    """The writer of another segment."""

    def __init__(self) -> None:
        self.writer = SegmentWriter.create("weather", TAGS)
        self.beat(LONG_NS)

    def beat(self, until_ns: int) -> None:
        self.writer.heartbeat(now_ns() + until_ns)

    def tell(self, index: int, value: Value, quality: Quality = Quality.GOOD) -> None:
        self.writer.set(index, value, quality)
        self.writer.publish()


class Linked(Daemon):
    """A runtime with links."""

    def start(self) -> None:
        (Path(os.environ["PILOTLIGHT_ETC"]) / "runtime.yaml").write_text(RUNTIME_YAML)
        super().start()

    def values(self) -> list[Value]:
        """A_INT, A_REAL, A_BOOL as the program has them."""
        reader = SegmentReader.open("plc")
        try:
            return [reading.value for reading in reader.read("INSTANCE0.A_INT", "INSTANCE0.A_REAL", "INSTANCE0.A_BOOL")]
        finally:
            reader.close()

    def problem(self) -> str:
        return "; ".join(problem for problem in self.call("Status")["Problems"] if "links" in problem)


@pytest.fixture
def runtime(bus: str) -> Iterator[Linked]:
    daemon = Linked()
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.end()


def test_a_program_reads_what_another_daemon_publishes(runtime: Linked) -> None:
    assert runtime.problem() == ""
    assert runtime.upload(zip_of("types"))["Status"] == "SUCCESS"
    # There is no such segment: the program is told, and keeps what it has.
    until(lambda: runtime.values() == [1, 1.0, False])
    until(lambda: "segment weather cannot be read" in runtime.problem())

    weather = Weather()
    weather.tell(WIND, -7)
    weather.tell(PRESSURE, 2.5)
    weather.tell(NOTE, "north")
    until(lambda: runtime.values() == [-7, 2.5, True])
    assert runtime.problem() == ""
    reader = SegmentReader.open("plc")
    assert reader.read("INSTANCE0.A_STRING")[0].value == "north"
    reader.close()

    # Too large for the variable: nothing of it is written, and what it had stays.
    weather.tell(WIND, 40_000)
    until(lambda: runtime.values() == [-7, 2.5, False])
    assert "weather.Wind does not fit" in runtime.problem()
    weather.tell(WIND, 8)
    until(lambda: runtime.values() == [8, 2.5, True])

    weather.tell(PRESSURE, 2.5, Quality.UNCERTAIN)
    until(lambda: runtime.values() == [8, 2.5, False])
    assert "weather.Pressure is UNCERTAIN" in runtime.problem()
    weather.tell(PRESSURE, 3.5)
    until(lambda: runtime.values() == [8, 3.5, True])

    # A writer that is late, and another one in its place.
    weather.beat(-1)
    until(lambda: runtime.values() == [8, 3.5, False])
    assert "not being written" in runtime.problem()
    weather = Weather()
    until(lambda: runtime.values() == [0, 0.0, True])

    # What is forced stays forced.
    runtime.call("Force", "INSTANCE0.A_INT", 99)
    weather.tell(WIND, 5)
    weather.tell(PRESSURE, 1.0)
    until(lambda: runtime.values() == [99, 1.0, True])
    runtime.call("Unforce", "INSTANCE0.A_INT")
    until(lambda: runtime.values() == [5, 1.0, True])

    # A program without the variables is told of once, and runs.
    assert runtime.upload(zip_of("follow"))["Status"] == "SUCCESS"
    until(lambda: "has no tag INSTANCE0.A_INT" in runtime.problem())
    assert runtime.client.get("State") == "RUNNING"


@pytest.mark.parametrize("quality", [Quality.UNCERTAIN, Quality.BAD, Quality.STALE])
def test_a_value_that_is_not_good_is_not_taken(quality: Quality) -> None:
    with pytest.raises(LinkError, match=f"the quality of a.B is {quality.name}"):
        judge("a.B", Reading("B", 1, quality, 0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_taken(value: float) -> None:
    with pytest.raises(LinkError, match=r"a\.B is no number"):
        judge("a.B", Reading("B", value, Quality.GOOD, 0))


def test_every_variable_of_the_settings_has_to_be_there() -> None:
    program = LoadedProgram("p", "p", "0" * 32, Path("nowhere"), VARIABLES)
    assert place(program, {"plc.REPORT": "a.B"}, "plc.FLAG") == {0: "a.B", 1: ""}
    assert place(program, {"plc.FLAG": "a.B"}, "") == {1: "a.B"}
    for links, good, text in (
        ({"plc.REPORTS": "a.B"}, "", "did you mean REPORT"),
        ({"plc.REPORT": "a.B"}, "plc.Good", "has no tag Good"),
        ({"plc.FLAG": "a.B"}, "plc.REPORT", "True is not an integer"),
        ({"plc.Scan.State": "a.B"}, "", "written by the runtime itself"),
    ):
        with pytest.raises(LinkError, match=text):
            place(program, links, good)


@pytest.mark.parametrize(
    "settings",
    [
        {"tags": {"Speed": "control.Mode"}},
        {"tags": {"plc.Speed": "plc.Other"}},
        {"tags": {"plc.Speed": "control"}},
        {"tags": {f"plc.T{number}": "control.Mode" for number in range(65)}},
        {"good": "control.Mode"},
        {"period_ms": 4},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, LinkSettings)
