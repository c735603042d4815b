# SPDX-License-Identifier: Apache-2.0
"""`rt-ipc-dump`: the messages of one mailbox as lines of text."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from pilotlight.tags.mailbox import check_name
from pilotlight.tags.messages import Action, ChannelFault, ChannelState

from .boxes import KINDS, Box, Message, Value

_EXAMPLES = """\
examples:
  rt-ipc-dump --type sensor                       every new message, until Ctrl-C
  rt-ipc-dump --type igniter-status --count 1     the first one that is there
  rt-ipc-dump --type controller --name /rt_controller_command_test_v1 --duration-sec 5

A message is printed once. crc=bad: its bytes are not what the writer wrote; a loop refuses it.

exit code: 0 printed what was asked for, 1 not so much came, 2 the command line is wrong
"""
_NAMES = {"action": Action, "state": ChannelState, "fault": ChannelFault}


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=program,
        description="Print the messages of a mailbox of the control loop or the igniter.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--type", choices=tuple(KINDS), required=True, help="the kind of message")
    top.add_argument("--name", type=_name, metavar="/NAME", help="the mailbox (default: that of the kind)")
    top.add_argument("--interval", type=_interval, default=0.05, help="seconds between two looks (0.05)")
    top.add_argument("--count", type=_count, default=0, help="end after so many messages (0: at Ctrl-C)")
    top.add_argument("--duration-sec", type=float, default=0.0, help="end after so long (0: never)")
    return top


def _name(text: str) -> str:
    try:
        check_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _interval(text: str) -> float:
    number = float(text)
    if not 0.0001 <= number <= 10:
        raise argparse.ArgumentTypeError("give a number of seconds from 0.0001 to 10")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("give a number of messages, 0 or more")
    return number


def line(kind: str, message: Message) -> str:
    """A message as a line: the kind, then every field by its name, then whether the CRC is right."""
    pairs = zip(KINDS[kind].fields, message.values, strict=True)
    fields = " ".join(f"{name}={_text(name, value)}" for name, value in pairs)
    return f"{kind} {fields} crc={'ok' if message.crc_ok else 'bad'}"


def _text(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(int(value))
    names = _NAMES.get(name.rstrip("0123"))
    if names is not None and value in {int(member) for member in names}:
        return names(int(value)).name.lower()
    if name.endswith("mask"):
        return f"0x{int(value):x}"
    return repr(value)


def main(argv: Sequence[str] | None = None, program: str = "rt-ipc-dump") -> int:
    """Run the tool; returns its exit code."""
    options = parser(program).parse_args(argv)
    box = Box(KINDS[options.type], options.name or "")
    end = time.monotonic() + options.duration_sec if options.duration_sec > 0 else float("inf")
    printed, told = 0, ""
    try:
        while not options.count or printed < options.count:
            message = box.take()
            if message is not None:
                print(line(options.type, message), flush=True)
                printed += 1
                continue
            if box.trouble != told:
                told = box.trouble
                print(f"{program}: {told or 'attached'}", file=sys.stderr)
            if time.monotonic() >= end:
                break
            time.sleep(options.interval)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    finally:
        box.close()
    return 0 if printed >= max(1, options.count) else 1
