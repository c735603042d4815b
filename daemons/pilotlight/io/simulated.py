# SPDX-License-Identifier: Apache-2.0
"""A simulated chip: lines in a small shared file, behind the same protocol as real ones.

The file is an eight-byte header (`PLLINES1`) and one byte a line: bit 0 the electrical level, bit 1 set for an
output, bit 2 set while a process holds the line, bit 3 set once somebody has driven the input. People and tests drive
inputs with `pilotlight lines set`; a pull-up shows as a high level until then.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from pilotlight.io.lines import MAX_LINES, Direction, LineConfig, LineError

MAGIC = b"PLLINES1"
LEVEL, OUTPUT, HELD, DRIVEN = 1, 2, 4, 8


class SimulatedRequest:
    """Lines of a simulated chip, held in one direction; `inverted` has a bit set for each active-low line."""

    def __init__(self, fd: int, offsets: Sequence[int], inverted: int, output: bool) -> None:
        self._fd = fd
        self._offsets = tuple(offsets)
        self._places = tuple(len(MAGIC) + offset for offset in offsets)
        self._inverted = inverted
        self._output = output
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self.count = len(self._offsets)

    @classmethod
    def take_over(cls, text: str) -> SimulatedRequest:
        """The request that `handle` described, after its `simulated:`."""
        fd, output, inverted, offsets = text.split(":")
        return cls(int(fd), [int(offset) for offset in offsets.split(",")], int(inverted, 16), output == "out")

    @property
    def handle(self) -> str:
        """`simulated:<descriptor>:<in|out>:<inverted, hexadecimal>:<offset>,…`"""
        way = "out" if self._output else "in"
        return f"simulated:{self._fd}:{way}:{self._inverted:x}:{','.join(map(str, self._offsets))}"

    def descriptors(self) -> tuple[int, ...]:
        """The descriptor of the chip's file."""
        return (self._fd,)

    def read(self) -> int:
        """The logical levels."""
        bits = 0
        for position, place in enumerate(self._places):
            bits |= (self._map[place] & LEVEL) << position
        return bits ^ self._inverted

    def write(self, bits: int) -> None:
        """Set the logical levels of an output request; OSError on an input request."""
        if not self._output:
            raise PermissionError("the lines are inputs of the controller")
        bits ^= self._inverted
        for position, place in enumerate(self._places):
            self._map[place] = OUTPUT | HELD | (bits >> position & LEVEL)

    def close(self) -> None:
        """Give the lines back; their levels stay."""
        if self._fd < 0:
            return
        for place in self._places:
            self._map[place] &= ~HELD
        self._map.close()
        os.close(self._fd)
        self._fd = -1


class SimulatedChip:
    """A simulated chip in an open file; see `create` and `existing`."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self.line_count = os.fstat(fd).st_size - len(MAGIC)
        if not 1 <= self.line_count <= MAX_LINES or os.pread(fd, len(MAGIC), 0) != MAGIC:
            os.close(fd)
            raise LineError(f"{path} is not the file of a simulated chip")

    @classmethod
    def create(cls, path: Path, lines: int) -> SimulatedChip:
        """The chip in `path` with `lines` lines (1 to 64); a missing file or one of another size is made anew."""
        if not 1 <= lines <= MAX_LINES:
            raise LineError(f"the simulated chip {path.stem} has {lines} lines; 1 to {MAX_LINES} are possible")
        content = path.read_bytes() if path.is_file() else b""
        if len(content) != len(MAGIC) + lines or not content.startswith(MAGIC):
            fresh = path.with_name(path.name + ".new")
            fresh.write_bytes(MAGIC + bytes(lines))
            fresh.chmod(0o660)
            fresh.rename(path)
        return cls.existing(path)

    @classmethod
    def existing(cls, path: Path) -> SimulatedChip:
        """The chip in `path`, which the runtime has made. LineError when there is none."""
        try:
            return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        except OSError as error:
            raise LineError(
                f"the simulated chip {path.stem} cannot be opened ({error.strerror}): it exists while the runtime is "
                "up and io.yaml has a 'simulated' entry, and group pilotlight-operator may use it"
            ) from error

    def request(self, lines: Sequence[LineConfig], values: int = 0) -> SimulatedRequest:
        """Hold `lines`, outputs at `values`; LineError when one is unknown."""
        output = lines[0].direction is Direction.OUTPUT
        inverted = 0
        with mmap.mmap(self._fd, len(MAGIC) + self.line_count) as chip:
            for position, line in enumerate(lines):
                if line.line >= self.line_count:
                    raise LineError(f"{line.name}: the simulated chip {line.chip} has no line {line.line}")
                inverted |= line.active_low << position
            for line in lines:
                _claim(chip, line)
        request = SimulatedRequest(os.dup(self._fd), [line.line for line in lines], inverted, output)
        if output:
            request.write(values)
        return request

    def level(self, line: int) -> tuple[bool, Direction | None]:
        """The electrical level of a line and its direction (None while nobody holds it)."""
        state = os.pread(self._fd, 1, len(MAGIC) + self._known(line))[0]
        direction = (Direction.OUTPUT if state & OUTPUT else Direction.INPUT) if state & HELD else None
        return bool(state & LEVEL), direction

    def drive(self, line: int, level: bool) -> None:
        """Drive a line from outside, as a switch would. LineError when the controller drives it as an output."""
        place = len(MAGIC) + self._known(line)
        state = os.pread(self._fd, 1, place)[0]
        if state & HELD and state & OUTPUT:
            raise LineError(
                f"line {line} of {self.path.stem} is an output of the controller: it cannot be driven from outside"
            )
        os.pwrite(self._fd, bytes([(state & HELD) | DRIVEN | level]), place)

    def close(self) -> None:
        """Close the file; requests stay usable."""
        os.close(self._fd)

    def _known(self, line: int) -> int:
        if not 0 <= line < self.line_count:
            raise LineError(f"the simulated chip {self.path.stem} has lines 0 to {self.line_count - 1}, not {line}")
        return line


def _claim(chip: mmap.mmap, line: LineConfig) -> None:
    place = len(MAGIC) + line.line
    state = chip[place]
    if line.direction is Direction.OUTPUT:
        chip[place] = OUTPUT | HELD | (state & LEVEL)
    elif state & DRIVEN:
        chip[place] = HELD | DRIVEN | (state & LEVEL)
    else:
        chip[place] = HELD | (line.bias == "pull-up")
