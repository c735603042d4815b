# SPDX-License-Identifier: Apache-2.0
"""`igniter-gpiochip-check`: whether the lines of the igniter in a configuration can be what they are to be."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pilotlight.io.undriven import RP1, persist_parameter, rests_high

from ..toml import LARGEST_FILE, Section, TomlError, parse

DRIVER: Final = "pinctrl_rp1"
GPIO_GET_CHIPINFO: Final = 0x8044B401
GPIO_V2_GET_LINEINFO: Final = 0xC100B405
_CHIP: Final = struct.Struct("<32s32sI")
_LINE: Final = struct.Struct("<32s32sIIQ")
_LINE_SIZE: Final = 256
_USED: Final = 1

_EXAMPLES = """\
examples:
  igniter-gpiochip-check control.toml                    on the appliance
  igniter-gpiochip-check control.toml --no-require-rp1   where the lines are those of another or a simulated chip

exit code: 0 PASS, 1 FAIL, 2 the command line is wrong
"""


class Channel(NamedTuple):
    """The two lines of a channel; chips as they are written."""

    name: str
    input_chip: str
    input_line: int
    status_chip: str
    status_line: int


class Chip(NamedTuple):
    """What a GPIO chip says about itself; `users` has the consumer of each line that is in use."""

    name: str
    label: str
    lines: int
    users: Mapping[int, str]


class ChipError(Exception):
    """A chip cannot be asked."""


Ioctl = Callable[[int, int, bytearray], object]


def read_chip(path: str, ioctl: Ioctl = fcntl.ioctl) -> Chip:
    """Ask the chip with this device file. Raises ChipError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise ChipError(f"{path}: {error.strerror}") from error
    try:
        data = bytearray(_CHIP.size)
        ioctl(descriptor, GPIO_GET_CHIPINFO, data)
        name, label, lines = _CHIP.unpack(data)
        users = {}
        for offset in range(min(lines, 1024)):
            info = bytearray(_LINE_SIZE)
            struct.pack_into("<I", info, 64, offset)
            ioctl(descriptor, GPIO_V2_GET_LINEINFO, info)
            _, consumer, _, _, flags = _LINE.unpack_from(info)
            if flags & _USED:
                users[offset] = _text(consumer) or "the kernel"
        return Chip(_text(name), _text(label), lines, users)
    except OSError as error:
        kind = "is no GPIO chip" if error.errno in (errno.ENOTTY, errno.EINVAL) else error.strerror
        raise ChipError(f"{path} {kind}") from error
    finally:
        os.close(descriptor)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def channels_of(sections: Mapping[str, Section], prefix: str, count: int) -> tuple[list[Channel], list[str]]:
    """The channels of a configuration, and what is wrong with how they are written."""
    channels, problems = [], []
    for number in range(count):
        name = f"{prefix}{number}"
        if name not in sections:
            problems.append(f"[{name}] is missing")
            continue
        entries = {key: entry.value for key, entry in sections[name].entries.items()}
        line = sections[name].line
        wrong = [f"{key} must be {what}" for key, what, right in _WANTED if not right(entries.get(key))]
        problems += [f"line {line}: [{name}] {text}" for text in wrong]
        if not wrong:
            values = (entries[key] for key, _, _ in _WANTED[1:])
            a, b, c, d = values
            channels.append(Channel(name, str(a), int(b), str(c), int(d)))
    return channels, problems


def _is_line(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1024


def _is_chip(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w./-]+", value) is not None


_WANTED: Final = (
    ("enabled", "true", lambda value: value is True),
    ("input_chip", "the name of a chip", _is_chip),
    ("input_line", "a line from 0 to 1023", _is_line),
    ("status_chip", "the name of a chip", _is_chip),
    ("status_line", "a line from 0 to 1023", _is_line),
)


def examine(channels: Sequence[Channel], chips: Mapping[str, Chip], require_rp1: bool) -> Iterator[str]:
    """What makes the lines unfit, a sentence each."""
    used = [channel.input_chip for channel in channels] + [channel.status_chip for channel in channels]
    if len(set(used)) > 1:
        yield f"all lines must be on one chip, not on {', '.join(sorted(set(used)))}: one request must hold them all"
    first: dict[tuple[str, int], str] = {}
    for channel in channels:
        for purpose, chip, line in _lines(channel):
            place = f"{channel.name}.{purpose}_line"
            other = first.setdefault((chip, line), place)
            if other != place:
                yield f"{place} is line {line} of {chip}, which is {other} already"
            known = chips.get(chip)
            if known is not None and line >= known.lines:
                yield f"{place} is line {line}, but {chip} has {known.lines} lines"
    for path, known in chips.items():
        if require_rp1 and known.label != RP1:
            yield f"{path} is {known.label}, not {RP1}: on another kernel the chips have other numbers"


def notes(channels: Sequence[Channel], chips: Mapping[str, Chip], persists: bool) -> Iterator[str]:
    """What to know about the lines, although they can be used."""
    for channel in channels:
        for purpose, path, line in _lines(channel):
            chip = chips.get(path)
            if chip is None:
                continue
            if line in chip.users:
                yield f"{channel.name}.{purpose}_line: line {line} is in use by {chip.users[line]}"
            # An output stage there is on until the igniter holds the line.
            if purpose == "input" and rests_high(chip.label, line):
                yield f"{channel.name}.input_line: line {line} is pulled up at a reset; lines 9 to 27 are pulled down"
    if persists:
        yield "outputs stay as they are when their process dies: set dtparam=strict_gpiod"


def _lines(channel: Channel) -> tuple[tuple[str, str, int], ...]:
    return (
        ("input", channel.input_chip, channel.input_line),
        ("status", channel.status_chip, channel.status_line),
    )


def device(chip: str) -> str:
    """The device file of a chip: `gpiochip4` and `4` are short for `/dev/gpiochip4`."""
    if chip.startswith("/"):
        return chip
    return f"/dev/gpiochip{chip}" if chip.isdecimal() else f"/dev/{chip}"


def main(argv: Sequence[str] | None = None, program: str = "igniter-gpiochip-check") -> int:
    """Run the tool; returns its exit code."""
    top = argparse.ArgumentParser(
        prog=program,
        description="Check the igniter's lines in a configuration against the GPIO chips of this machine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument(
        "config", type=Path, metavar="TOML", help="the loop's configuration, or its igniter sections alone"
    )
    top.add_argument("--channel-prefix", default="igniter", help="sections are called PREFIX0, PREFIX1, … (igniter)")
    top.add_argument("--channels", type=int, choices=range(1, 33), default=4, metavar="N", help="how many (4)")
    top.add_argument(
        "--require-rp1", action=argparse.BooleanOptionalAction, default=True, help=f"the chip must be {RP1}"
    )
    options = top.parse_args(argv)
    try:
        with options.config.open("rb") as file:
            sections = parse(file.read(LARGEST_FILE).decode())
    except (OSError, TomlError, UnicodeDecodeError) as error:
        place = f"{options.config}:{error.line}" if isinstance(error, TomlError) else str(options.config)
        reason = error.strerror if isinstance(error, OSError) else error
        return _verdict([f"{place}: {reason}"], [])
    channels, problems = channels_of(sections, options.channel_prefix, options.channels)
    chips = {}
    for path in sorted({chip for channel in channels for _, chip, _ in _lines(channel)}):
        try:
            chips[path] = read_chip(device(path))
            print(f"{path}: {chips[path].label}, {chips[path].lines} lines")
        except ChipError as error:
            problems.append(str(error))
    problems += examine(channels, chips, options.require_rp1)
    return _verdict(problems, list(notes(channels, chips, bool(persist_parameter(DRIVER)))))


def _verdict(problems: Sequence[str], remarks: Sequence[str]) -> int:
    for remark in remarks:
        print(f"note: {remark}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"IGNITER CONFIG CHECK: {'FAIL' if problems else 'PASS'}")
    return 1 if problems else 0
