# SPDX-License-Identifier: Apache-2.0
"""The flight recording: every step of the loop in a file, and its replay.

The control process pushes its steps into a ring; its parent writes them. The file begins with the configuration, so
that a replay needs nothing else. Every record has a CRC: what a loss of power cuts off is noticed, and all before it is
sound.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.steps import LARGEST, Step
from pilotlight.runtime.control.tick import ControlLoop
from pilotlight.runtime.control.toml import LARGEST_FILE
from pilotlight.tags import CommandRing

MAGIC: Final = b"PLCTLREC"
VERSION: Final = 1
RING_CAPACITY: Final = 4096
"""Steps between the process and its parent: almost 4 s at the usual rates."""
_HEAD: Final = struct.Struct("<8sII")
_RECORD: Final = struct.Struct("<HI")


class RecordingError(Exception):
    """A file that is no recording."""


class FlightRecorder:
    """Writes a recording: what the ring holds is taken by `drain`, and safe from a loss of power after `sync`."""

    def __init__(self, path: Path, config: str, ring: CommandRing) -> None:
        """Begin a new file; FileExistsError when it is there."""
        text = config.encode()
        self._ring = ring
        self._file = path.open("xb")
        self._file.write(_HEAD.pack(MAGIC, VERSION, len(text)) + text)
        self.steps = 0

    def drain(self) -> int:
        """Write every step that waits; returns how many. Call it several times a second. Raises OSError."""
        count = 0
        while count < RING_CAPACITY and (data := self._ring.pop()) is not None:
            self._file.write(_RECORD.pack(len(data), crc32(data)) + data)
            count += 1
        self.steps += count
        return count

    def sync(self) -> None:
        """Bring everything that was drained to the disk. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._file.tell()

    def close(self) -> None:
        """Bring what was drained to the disk and close the file. Raises OSError; the file is closed then too."""
        with self._file:
            self.sync()


@dataclass(frozen=True)
class Replay:
    """What a replay found. `problem` is empty when every step had the same results, to the bit."""

    steps: int
    seconds: float
    problem: str = ""


def replay(path: Path) -> Replay:
    """Repeat the steps of a recording until the first that differs. Raises RecordingError, ControlSettingsError."""
    with path.open("rb") as file:
        loop = ControlLoop(read(_config(file, path), f"{path} (configuration)")[0])
        count, first_ns, last_ns = 0, 0, 0
        for data in _records(file):
            if data is None:
                return _found(count, first_ns, last_ns, "the file ends, or is damaged, in the middle of a step")
            step = Step(data)
            if step.number != count & 0xFFFFFFFF:
                text = f"step {count} is missing: the recorder could not keep up"
                return _found(count, first_ns, last_ns, text)
            first_ns, last_ns = first_ns or step.now_ns, step.now_ns
            outputs = step.repeat(loop)
            if outputs != step.outputs:
                text = f"step {count} ({step.kind.name}) gives {outputs.hex()}, recorded is {step.outputs.hex()}"
                return _found(count, first_ns, last_ns, text)
            count += 1
    return _found(count, first_ns, last_ns, "")


def _found(count: int, first_ns: int, last_ns: int, problem: str) -> Replay:
    return Replay(count, (last_ns - first_ns) * 1e-9, problem)


def _config(file: BinaryIO, path: Path) -> str:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise RecordingError(f"{path} is no flight recording")
    magic, version, length = _HEAD.unpack(head)
    if magic != MAGIC or version != VERSION or length > LARGEST_FILE:
        raise RecordingError(f"{path} is no flight recording of this version")
    return file.read(length).decode(errors="replace")


def _records(file: BinaryIO) -> Iterator[bytes | None]:
    """The steps in a file; None, as the last, for one that is cut off or damaged."""
    while head := file.read(_RECORD.size):
        length, check = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0)
        data = file.read(length) if 0 < length <= LARGEST else b""
        if len(data) != length or not data or crc32(data) != check:
            yield None
            return
        yield data
