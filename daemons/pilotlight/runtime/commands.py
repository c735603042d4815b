# SPDX-License-Identifier: Apache-2.0
"""What passes between the supervisor and its scan process: commands on the ring, reports on a pipe.

Every command has a number, and the scan process reports the result of each: nothing is fire-and-forget. Both
directions are fixed records, so that the scan process parses nothing at run time and the supervisor can check every
byte that comes from a process which runs foreign code.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

SLOT = 256
"""Bytes of a command at most: the slot size of the ring."""
VALUE_MAX = SLOT - 12
REPORT = 256
"""Bytes of every report; a pipe takes that many at once or not at all."""
TEXT_MAX = REPORT - 16

_COMMAND = struct.Struct("<BxHII")
_REPORT = struct.Struct("<BxHIq")


class Command(enum.IntEnum):
    """What the supervisor asks for."""

    ENTER = 1
    """Go to the state `argument`, RUNNING or another, in which outputs are safe and the logic rests. The first ENTER
    gives the process the lines; its value is the time of the first slot (`slot_value`), or empty."""
    FINISH = 2
    """End the process with the lines as they are: another one takes over. What the program remembers is saved."""
    WRITE = 3
    FORCE = 4
    UNFORCE = 5
    RESET_STATISTICS = 6
    RESTORE = 7
    """Take over what the process before has saved; only on standby."""


class Report(enum.IntEnum):
    """What the scan process tells."""

    READY = 1
    """The program is loaded and initialised."""
    FAILED = 2
    """It could not be; the text says why. The process ends."""
    DONE = 3
    """Command number `command` has been carried out with result `value`, 0 or a negative error code."""
    FINISHED = 4
    """The last scan is over; `value` is the time of the next slot, which belongs to the successor."""
    NOTICE = 5
    """Something a person should read, in the text: for instance that real-time scheduling was refused."""
    ENDED = 6
    """The process drives outputs safe and ends by itself; the text says why."""
    STOPPED = 7
    """The program has asked to be stopped: it has been, and outputs are safe."""


@dataclass(frozen=True)
class Request:
    """A decoded command. `argument` is a variable's number, or a state, by kind."""

    kind: Command
    number: int
    argument: int
    value: bytes


def encode(kind: Command, number: int, argument: int = 0, value: bytes = b"") -> bytes:
    """The bytes of a command. ValueError when `value` is longer than VALUE_MAX."""
    if len(value) > VALUE_MAX:
        raise ValueError(f"a value of {len(value)} bytes is too long for a command: at most {VALUE_MAX}")
    return _COMMAND.pack(kind, len(value), number & 0xFFFFFFFF, argument) + value


def decode(data: bytes) -> Request:
    """The command in `data`. ValueError when it is none."""
    if len(data) < _COMMAND.size:
        raise ValueError("the command is truncated")
    kind, size, number, argument = _COMMAND.unpack_from(data)
    value = bytes(data[_COMMAND.size : _COMMAND.size + size])
    if len(value) != size:
        raise ValueError("the command's value is truncated")
    return Request(Command(kind), number, argument, value)


def slot_value(first_ns: int) -> bytes:
    """The value of ENTER for a first slot at `first_ns` (CLOCK_MONOTONIC)."""
    return first_ns.to_bytes(8, "little")


def first_slot(value: bytes) -> int | None:
    """The first slot that the value of ENTER names, None when it names none."""
    return int.from_bytes(value, "little") if value else None


@dataclass(frozen=True)
class Message:
    """A decoded report."""

    kind: Report
    command: int
    value: int
    text: str


def report(kind: Report, command: int = 0, value: int = 0, text: str = "") -> bytes:
    """The bytes of a report; a text that is too long is cut."""
    data = text.encode("utf-8", "replace")[:TEXT_MAX]
    return (_REPORT.pack(kind, len(data), command, value) + data).ljust(REPORT, b"\0")


def parse(data: bytes) -> Message:
    """The report in `data`. ValueError when it is none: then the sender has lost its mind."""
    if len(data) != REPORT:
        raise ValueError(f"a report has {REPORT} bytes, not {len(data)}")
    kind, size, command, value = _REPORT.unpack_from(data)
    if size > TEXT_MAX:
        raise ValueError("the report's text is longer than the report")
    return Message(Report(kind), command, value, data[_REPORT.size : _REPORT.size + size].decode("utf-8", "replace"))
