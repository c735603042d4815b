# SPDX-License-Identifier: Apache-2.0
"""Watched lines: edges of a simulated chip, and what the kernel says of a real one."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from gpiod.line import Clock, Direction, Edge
from pilotlight.io import gpio
from pilotlight.io.drivers import simulated_path, watch
from pilotlight.io.edges import MAX_EDGES, GpioEdges, SimulatedEdges
from pilotlight.io.inherit import edge_input
from pilotlight.io.lines import Address, LineConfig, LineError
from pilotlight.io.simulated import SimulatedChip
from pilotlight.io.uapi import GET_VALUES

PACKAGES = str(Path(__file__).parents[3] / "daemons")
SWITCH = LineConfig("kill", "sim0", 3, Address.parse("%IX0.0"), "pull-up", True)


@pytest.fixture
def chip() -> SimulatedChip:
    path = simulated_path("sim0")
    path.parent.mkdir(parents=True)
    return SimulatedChip.create(path, 8)


def readable(fd: int, milliseconds: int = 0) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(milliseconds))


def event(time_ns: int, rising: bool, number: int) -> bytes:
    return struct.pack("=QIIII24x", time_ns, 1 if rising else 2, 3, number, number)


def test_a_simulated_line_wakes_its_reader(chip: SimulatedChip) -> None:
    line = watch(SWITCH, "sim0")
    assert line.level() is True, "active-low at 0 V"
    assert not readable(line.fileno()) and line.edges() == []
    chip.drive(3, True)
    assert readable(line.fileno(), 1000)
    (edge,) = line.edges()
    assert edge.level is False and line.level() is False and edge.time_ns > 0
    assert not readable(line.fileno())
    chip.drive(4, True)
    assert readable(line.fileno(), 1000) and line.edges() == [], "another line of the chip is no edge of this one"
    chip.drive(3, False)
    assert [edge.level for edge in line.edges()] == [True]
    line.close()
    line.close()


def test_a_child_takes_a_watched_line_over(chip: SimulatedChip) -> None:
    line = watch(SWITCH, "sim0")
    chip.drive(3, True)
    script = (
        "import sys; from pilotlight.io.inherit import edge_input\n"
        "line = edge_input(sys.argv[1]); print(line.level(), line.handle == sys.argv[1], line.descriptors()[1] >= 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, line.handle],
        pass_fds=line.descriptors(),
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stdout.split() == ["False", "True", "True"]


def test_a_simulated_line_that_is_not_there(tmp_path: Path, chip: SimulatedChip) -> None:
    with pytest.raises(LineError, match="cannot be opened"):
        SimulatedEdges.open(tmp_path / "none.lines", 0)
    with pytest.raises(LineError, match="with a line 8"):
        SimulatedEdges.open(chip.path, 8)
    line = SimulatedEdges.open(chip.path, 7)
    os.truncate(chip.path, 8)
    with pytest.raises(OSError, match="no line 7 any more"):
        line.edges()
    line.close()


def test_edges_of_a_real_line_carry_the_kernels_time_and_gaps_are_counted() -> None:
    reading, writing = os.pipe()
    line = GpioEdges(reading)
    assert line.edges() == []
    os.write(writing, event(100, True, 1) + event(200, False, 2))
    assert readable(line.fileno())
    assert [(edge.time_ns, edge.level) for edge in line.edges()] == [(100, True), (200, False)]
    assert line.lost == 0
    os.write(writing, event(900, True, 7))
    assert len(line.edges()) == 1 and line.lost == 4
    os.write(writing, event(950, False, 9))
    assert len(line.edges()) == 1 and line.lost == 5
    os.write(writing, b"".join(event(number, True, number) for number in range(10, 42)))
    assert len(line.edges()) == MAX_EDGES, "one call is bounded"
    assert edge_input(line.handle).descriptors() == (reading,)
    os.close(writing)
    line.close()
    line.close()


def test_the_level_of_a_real_line_is_asked_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    asked = []

    def ioctl(fd: int, number: int, words: bytearray) -> int:
        asked.append((fd, number, bytes(words)))
        words[0] = 1
        return 0

    line = GpioEdges(reading)
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert line.level() is True
    assert asked == [(reading, GET_VALUES, struct.pack("=QQ", 0, 1))]
    monkeypatch.undo()
    line.close()
    os.close(writing)


def test_what_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    requests: list[dict[str, object]] = []

    class Chip:
        def get_info(self) -> SimpleNamespace:
            return SimpleNamespace(num_lines=8)

        def get_line_info(self, line: int) -> SimpleNamespace:
            return SimpleNamespace(used=line == 5, consumer="fan")

        def request_lines(self, **asked: object) -> SimpleNamespace:
            requests.append(asked)
            return SimpleNamespace(fd=reading, release=lambda: None)

    held = gpio.GpioChip("sim0", Chip()).watch(SWITCH)
    (asked,) = requests
    assert asked["event_buffer_size"] == MAX_EDGES
    config = asked["config"]
    assert isinstance(config, dict)
    settings = config[3]
    assert (settings.direction, settings.edge_detection, settings.event_clock, settings.active_low) == (
        Direction.INPUT,
        Edge.BOTH,
        Clock.MONOTONIC,
        True,
    )
    held.close()
    taken = LineConfig("kill", "sim0", 5, Address.parse("%IX0.0"))
    with pytest.raises(LineError, match="in use by fan"):
        gpio.GpioChip("sim0", Chip()).watch(taken)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("handle", ["", "other:1", "gpio:x", "simulated:1"])
def test_a_handle_that_is_none(handle: str) -> None:
    with pytest.raises(ValueError):
        edge_input(handle)
