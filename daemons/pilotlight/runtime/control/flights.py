# SPDX-License-Identifier: Apache-2.0
"""The recordings of the control loop on the device: a numbered file for each start of its process, within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pilotlight.runtime.control.recording import FlightRecorder
from pilotlight.runtime.settings import RecordingSettings
from pilotlight.tags import CommandRing

PREFIX, SUFFIX = "flight-", ".rec"
MB = 1_000_000
SYNC_S = 1.0
"""How often what was written is brought to the disk: a loss of power costs no more."""
ENDS = "the recording of the control loop ends before the loop does"
"""How often a recording is brought to the disk; a loss of power costs this much of it. Oftener would wear the flash."""


class Recorded(Protocol):
    """A process that hands over its steps."""

    recording: CommandRing | None


def numbered(names: list[str]) -> dict[int, str]:
    """The recordings among the names of files, by their numbers."""
    found = ((name.removeprefix(PREFIX).removesuffix(SUFFIX), name) for name in names)
    return {int(digits): name for digits, name in found if digits.isdecimal() and name == name_of(int(digits))}


def name_of(number: int) -> str:
    """The file of a recording."""
    return f"{PREFIX}{number:06}{SUFFIX}"


class Flights:
    """Writes what the process hands over.

    `write` and `sync` belong to threads beside the asyncio loop, each to one of its own: a disk that stalls does not
    keep steps from being taken. The rest belongs to that loop. `say` gets a level and a text, from all of them.
    """

    def __init__(self, folder: Path, settings: RecordingSettings, say: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._settings = settings
        self._say = say
        self._disk = threading.Lock()  # while the disk is waited for
        self._taking = threading.Lock()  # while steps are taken: never for long
        self._process: Recorded | None = None
        self._recorder: FlightRecorder | None = None

    @property
    def wanted(self) -> bool:
        """Whether the settings ask for recordings."""
        return self._settings.enabled

    def follow(self, process: Recorded, config: str) -> None:
        """Begin a file for a process that is not being recorded yet; the oldest files make room."""
        if process is self._process or process.recording is None:
            return
        self.end()
        self._process = process
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files = numbered([path.name for path in self._folder.iterdir()])
            for number in sorted(files)[: max(0, len(files) + 1 - self._settings.keep)]:
                (self._folder / files.pop(number)).unlink()
            path = self._folder / name_of(max(files, default=0) + 1)
            self._recorder = FlightRecorder(path, config, process.recording)
        except OSError as error:
            self._say("WARNING", f"the control loop is not recorded, it goes on: {error}")
        else:
            self._say("INFO", f"the control loop is recorded in {path}")

    def write(self) -> None:
        """Take what has come; it does not wait for the disk. At its bound the recording ends."""
        with self._taking:
            recorder = self._recorder
            problem = _take(recorder)
            if recorder is None:
                return
            if not problem and recorder.size >= self._settings.most_mb * MB:
                problem = f"it has {self._settings.most_mb} MB"
            if problem:
                self._recorder = None
        if problem:
            with self._disk:
                _close(recorder)
            self._say("WARNING", f"{ENDS}: {problem}")

    def sync(self) -> None:
        """Bring what was written to the disk; when that refuses, the recording ends."""
        with self._disk:
            recorder = self._recorder
            try:
                if recorder is not None:
                    recorder.sync()
                return
            except OSError as error:
                problem = str(error)
            with self._taking:
                if self._recorder is not recorder or recorder is None:
                    return  # its end was taken meanwhile, and it is closed there
                self._recorder = None
            _close(recorder)
        self._say("WARNING", f"{ENDS}: {problem}")

    def end(self) -> None:
        """The process has ended: take the rest of its steps; the file is closed beside. Call it before the process is
        closed."""
        with self._taking:
            recorder, self._recorder = self._recorder, None
            problem = _take(recorder)
        self._process = None
        if problem:
            self._say("WARNING", f"the end of the control loop's recording is lost: {problem}")
        if recorder is not None:
            asyncio.get_running_loop().run_in_executor(None, self._close_in_turn, recorder)

    def _close_in_turn(self, recorder: FlightRecorder) -> None:
        with self._disk:
            problem = _close(recorder)
        if problem:
            self._say("WARNING", f"the end of the control loop's recording may be lost: {problem}")


def _take(recorder: FlightRecorder | None) -> str:
    """Take the steps that wait; why that did not succeed."""
    try:
        if recorder is not None:
            recorder.drain()
    except OSError as error:
        return str(error)
    return ""


def _close(recorder: FlightRecorder) -> str:
    """Close the file; why that did not succeed."""
    try:
        recorder.close()
    except OSError as error:
        return str(error)
    return ""
