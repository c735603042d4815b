# SPDX-License-Identifier: Apache-2.0
"""Recordings on the device: a file for each process, none too large, not too many, and a full disk harms nobody."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pilotlight.runtime.control.flights import Flights, name_of, numbered
from pilotlight.runtime.control.recording import RING_CAPACITY, replay
from pilotlight.runtime.control.steps import LARGEST
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.runtime.settings import RecordingSettings
from pilotlight.tags import CommandRing

from tests.unit.control.configs import settings
from tests.unit.control.test_recording import CONFIG, START, made


@dataclass
class Process:
    """What a process hands over."""

    recording: CommandRing | None


class Rig:
    """Recordings in a folder, and what is said."""

    def __init__(self, folder: Path, **options: int) -> None:
        self.folder = folder / "flights"
        self.said: list[tuple[str, str]] = []
        options_read = RecordingSettings(enabled=True, **options)
        self.flights = Flights(self.folder, options_read, lambda level, text: self.said.append((level, text)))
        self.ring = CommandRing.create(RING_CAPACITY, LARGEST)
        self.process = Process(self.ring)
        self.loop = ControlLoop(settings(base=CONFIG))
        self.steps = 0

    def push(self, count: int) -> None:
        """Do so many steps of each of the five kinds."""
        for _ in range(count):
            for data in made(self.loop, self.steps, START + self.steps * 200_000):
                assert self.ring.push(data)
                self.steps += 1

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def warnings(self) -> list[str]:
        return [text for level, text in self.said if level == "WARNING"]


def in_loop(work: Callable[[], None]) -> None:
    """Run what needs a running loop, and wait until files are closed beside it."""

    async def run() -> None:
        work()
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(run())


def test_what_a_process_did_is_in_its_file_to_the_last_step(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.flights.follow(rig.process, CONFIG)
    rig.push(20)
    rig.flights.write()
    rig.flights.follow(rig.process, CONFIG)  # it is recorded already
    in_loop(rig.flights.end)
    assert rig.names() == ["flight-000001.rec"]
    found = replay(rig.folder / "flight-000001.rec")
    assert (found.steps, found.problem) == (100, "")
    assert rig.warnings() == []


def test_steps_are_taken_while_the_disk_stalls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    stalls, goes_on = threading.Event(), threading.Event()

    def fsync(fd: int) -> None:
        stalls.set()
        assert goes_on.wait(20)

    rig.flights.follow(rig.process, CONFIG)
    rig.push(1)
    rig.flights.write()
    monkeypatch.setattr(os, "fsync", fsync)
    disk = threading.Thread(target=rig.flights.sync)
    disk.start()
    assert stalls.wait(20)
    for _ in range(10):
        rig.push(RING_CAPACITY // 10)
        rig.flights.write()
    goes_on.set()
    disk.join()
    monkeypatch.undo()
    in_loop(rig.flights.end)
    found = replay(rig.folder / "flight-000001.rec")
    assert (found.steps, found.problem) == (5 + 50 * (RING_CAPACITY // 10), "")


def test_a_disk_that_refuses_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    rig = Rig(tmp_path)
    rig.flights.follow(rig.process, CONFIG)
    rig.push(1)
    rig.flights.write()
    monkeypatch.setattr(os, "fsync", refuse)
    rig.flights.sync()
    rig.flights.sync()
    assert rig.warnings() == [
        "the recording of the control loop ends before the loop does: [Errno 5] Input/output error"
    ]
    monkeypatch.undo()
    in_loop(rig.flights.end)


def test_steps_that_nobody_wrote_are_taken_at_the_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.flights.follow(rig.process, CONFIG)
    rig.push(20)
    in_loop(rig.flights.end)
    assert replay(rig.folder / "flight-000001.rec").steps == 100


def test_the_oldest_files_make_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path, keep=2)
    rig.folder.mkdir()
    for name in (name_of(3), name_of(7), name_of(8), "flight-9.rec", "notes.txt"):
        (rig.folder / name).write_text("")
    rig.flights.follow(rig.process, CONFIG)
    in_loop(rig.flights.end)
    assert rig.names() == ["flight-000008.rec", "flight-000009.rec", "flight-9.rec", "notes.txt"]


def test_a_file_ends_at_its_bound_and_the_loop_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotlight.runtime.control.flights.MB", 1000)
    rig = Rig(tmp_path, most_mb=30)
    rig.flights.follow(rig.process, CONFIG)
    rig.push(10)
    rig.flights.write()
    assert rig.warnings() == []
    for _ in range(20):
        rig.push(10)
        rig.flights.write()
    assert ["has 30 MB" in text for text in rig.warnings()] == [True]
    assert 30_000 <= (rig.folder / "flight-000001.rec").stat().st_size < 40_000
    rig.flights.follow(rig.process, CONFIG)
    assert rig.names() == ["flight-000001.rec"]


def test_a_disk_that_is_full_ends_the_recording(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.flights.follow(rig.process, CONFIG)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        for _ in range(10):
            rig.push(10)
            rig.flights.write()
        in_loop(rig.flights.end)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "ends before the loop does: [Errno 27]" in rig.warnings()[0]
    found = replay(rig.folder / "flight-000001.rec")
    assert found.steps > 50
    assert "damaged" in found.problem


def test_a_folder_that_cannot_be_made_leaves_the_loop_unrecorded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rig = Rig(tmp_path / "file")
    rig.flights.follow(rig.process, CONFIG)
    rig.push(10)
    rig.flights.write()
    in_loop(rig.flights.end)
    assert ["it goes on" in text for text in rig.warnings()] == [True]


def test_a_process_that_hands_over_nothing_has_no_file(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.flights.follow(Process(None), CONFIG)
    assert not rig.folder.exists()


def test_only_our_own_names_count() -> None:
    assert numbered(["flight-000012.rec", "flight-12.rec", "flight-.rec", "flight-00001x.rec", "x"]) == {
        12: "flight-000012.rec"
    }
