# SPDX-License-Identifier: Apache-2.0
"""The tool `rt-rocket-sim`: its files, its drawing, its exit codes."""

from __future__ import annotations

import csv
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.control.simnet import SimNet
from pilotlight.runtime.control.simulator import cli
from pilotlight.runtime.control.simulator.flight import Event, Flight
from pilotlight.runtime.control.simulator.plot import PANELS, svg, ticks
from pilotlight.runtime.control.simulator.scenario import Scenario
from pilotlight.runtime.control.simulator.trace import MOST_POINTS, Point, Trace

from tests.support.ports import free_port

SVG = "{http://www.w3.org/2000/svg}"


def point(time_s: float, value: float = 0.0) -> Point:
    return Point(time_s, value, *[0.0] * 10)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_few_and_around(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert 2 <= len(marks) <= 9
    assert marks[0] <= low + span * 1e-6 + 1e-9
    assert marks[-1] >= low + span * (1 - 1e-6) - 1e-9


def test_the_drawing_has_a_line_for_each_value_and_a_mark_for_each_event() -> None:
    points = [point(index / 10, index) for index in range(200)]
    text = svg("a <b> & c", points, [Event(1.0, "liftoff"), Event(1.1, "rail & left"), Event(1.2, "burnout")])
    root = ET.fromstring(text)
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == sum(len(panel.values) for panel in PANELS) == 7
    places = [tuple(map(float, place.split(","))) for place in lines[0].attrib["points"].split()]
    assert len(places) == 200
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert len([line for line in root.findall(f"{SVG}line") if line.attrib["class"] == "event"]) == 3
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert "a <b> & c" in texts
    assert "rail & left" in texts


def test_a_flight_without_a_step_has_no_drawing() -> None:
    with pytest.raises(ValueError, match="without a single step"):
        svg("x", [], [])


def test_a_trace_stays_small_and_even() -> None:
    flight, trace = Flight(Scenario()), Trace()
    for _ in range(3 * MOST_POINTS):
        flight._steps += 1
        trace.watch(flight, (0.0, 0.0, 0.0, 0.0))
    assert MOST_POINTS // 2 <= len(trace.points) <= MOST_POINTS
    gaps = {round(b.time_s - a.time_s, 6) for a, b in zip(trace.points, trace.points[1:], strict=False)}
    assert gaps == {0.016}


def test_alone_it_flies_writes_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "quick.yaml"
    scenario.write_text("launch: {ignition_s: 0.2}\n")
    files = ["--csv", str(tmp_path / "f.csv"), "--plot", str(tmp_path / "f.svg")]
    assert cli.main(["--alone", "--scenario", str(scenario), "--duration-sec", "1", "--headless", *files]) == 0
    out = capsys.readouterr().out
    assert "liftoff" in out
    assert "boost at the end" in out
    with (tmp_path / "f.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 250
    assert float(rows[-1]["height_m"]) > 10
    assert "Simulated flight: quick" in (tmp_path / "f.svg").read_text()


def test_the_seed_of_the_command_line_counts(tmp_path: Path) -> None:
    texts = []
    for seed in ("1", "2", "2"):
        assert cli.main(["--alone", "--seed", seed, "--duration-sec", "3", "--csv", str(tmp_path / "f.csv")]) == 0
        texts.append((tmp_path / "f.csv").read_text())
    assert texts[0] != texts[1] == texts[2]


@pytest.mark.parametrize("mode", [[], ["--lock-step"]])
def test_with_a_loop_it_flies_and_counts(mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    sensor_port, servo_port = free_port(), free_port()
    bridge = SimNet("127.0.0.1", sensor_port, "127.0.0.1", servo_port)
    done = threading.Event()

    def control() -> None:
        answered = 0
        while not done.is_set():
            bridge.wait(0.05)
            bridge.poll(time.monotonic_ns())
            latest = bridge.sensors.latest
            if latest is not None and latest.t_ns != answered:
                answered = latest.t_ns
                bridge.actuators.send(answered, True, (0.0, 0.0, 0.0, 0.0))

    thread = threading.Thread(target=control)
    thread.start()
    ports = ["--sensor-port", str(sensor_port), "--actuator-port", str(servo_port), "--connect-timeout-sec", "10"]
    code = cli.main([*mode, *ports, "--duration-sec", "0.5"])
    done.set()
    thread.join(5)
    bridge.close()
    assert code == 0
    out = capsys.readouterr().out
    assert " sensor_connections=1 " in out
    assert "sensor_frames=125 " in out
    assert "pad at the end" in out
    assert not mode or " servo_frames=125 " in out


@pytest.mark.parametrize("mode", [[], ["--lock-step"]])
def test_without_a_loop_it_gives_up(mode: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--sensor-port", "0", "--actuator-port", "1", "--connect-timeout-sec", "0.05"]
    assert cli.main([*mode, *arguments]) == 1
    assert "did not connect within 0.05 s" in capsys.readouterr().err


def test_a_wrong_scenario_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("wind: {sped_mps: 1}\n")
    assert cli.main(["--alone", "--scenario", str(path)]) == 1
    assert "did you mean `speed_mps`" in capsys.readouterr().err
    assert cli.main(["--alone", "--duration-sec", "0"]) == 1


@pytest.mark.parametrize("arguments", [["--sensor-port", "65536"], ["--alone", "--lock-step"]])
def test_wrong_command_lines_are_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
