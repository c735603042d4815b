# SPDX-License-Identifier: Apache-2.0
"""`igniter_cli`: the reference's tool for the ``_v1`` mailboxes, with a verdict as its exit code.

It is root's, or the igniter's own user's, and works only while ``mailboxes`` are in igniter.yaml. For people there is
`pilotlight igniter`, which arms in two steps.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pilotlight.daemon import Client, DaemonError
from pilotlight.tags import now_ns
from pilotlight.tags.mailbox import ClientMailbox, MailboxError
from pilotlight.tags.messages import (
    IGNITER_COMMAND,
    IGNITER_STATUS,
    Action,
    FourInts,
    IgniterCommand,
    IgniterStatus,
    MessageError,
)

VERDICT_S = 3.0
"""How long the verdict may take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when it was accepted, 1 when not or when nobody said so, 2 for a usage error."""
    options = _parser().parse_args(arguments)
    try:
        igniter = tomllib.loads(options.config.read_text()).get("igniter", {})
        if options.verb == "status":
            return _status(str(igniter.get("status_shm", "/rt_igniter_status_v1")), options.timeout_s)
        return _tell(str(igniter.get("command_shm", "/rt_igniter_command_v1")), options)
    except (OSError, ValueError, MailboxError) as error:
        print(f"igniter_cli: {error}", file=sys.stderr)
        return 1


def message_of(options: argparse.Namespace, now: int) -> IgniterCommand:
    """The message that the options mean. Its sequence number is the time, so that no two are alike."""
    every: FourInts = (options.duration_ms,) * 4
    action, mask, windows = {
        "arm": (Action.ARM, 0, (0, 0, 0, 0)),
        "disarm": (Action.DISARM, 0, (0, 0, 0, 0)),
        "clear-fault": (Action.CLEAR_FAULT, 0, (0, 0, 0, 0)),
        "fire-all": (Action.FIRE_MASK, 15, every),
        "fire-one": (Action.FIRE_MASK, 1 << options.channel, every),
        "fire-mask": (Action.FIRE_MASK, options.mask, (options.d0, options.d1, options.d2, options.d3)),
    }[options.verb]
    return IgniterCommand(now, now, action, mask, windows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="igniter_cli", description="Command the igniter through its _v1 mailboxes.")
    parser.add_argument("--config", type=Path, required=True, help="TOML file with [igniter] command_shm, status_shm")
    window = argparse.ArgumentParser(add_help=False)
    window.add_argument("--duration-ms", type=_window, default=0)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("arm", "disarm", "clear-fault"):
        verbs.add_parser(verb)
    verbs.add_parser("fire-all", parents=[window])
    verbs.add_parser("fire-one", parents=[window]).add_argument("--channel", type=int, choices=range(4), required=True)
    masked = verbs.add_parser("fire-mask")
    masked.add_argument("--mask", type=lambda text: int(text, 0), choices=range(16), required=True, metavar="0x0..0xF")
    for channel in range(4):
        masked.add_argument(f"--d{channel}", type=_window, default=0, metavar="MS")
    verbs.add_parser("status").add_argument("--timeout-s", type=float, default=0.5)
    parser.set_defaults(channel=0, mask=0, duration_ms=0, d0=0, d1=0, d2=0, d3=0)
    return parser


def _window(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 0xFFFFFFFF:
        raise argparse.ArgumentTypeError("a duration is 0 to 4294967295 ms")
    return value


def _tell(name: str, options: argparse.Namespace) -> int:
    message = message_of(options, now_ns())
    box = ClientMailbox.attach(name, IGNITER_COMMAND, writable=True)
    try:
        box.write(message.pack())
    finally:
        box.close()
    try:
        return _verdict(message.seq)
    except DaemonError as error:
        text = f"the command is in the mailbox and may be carried out, but nobody says so: {error}; look at status"
        print(f"igniter_cli: {text}", file=sys.stderr)
    return 1


def _verdict(number: int) -> int:
    """Print what became of the command; 0 when it was accepted. Raises DaemonError without the igniter's bus."""
    client = Client("io.pilotlight.Igniter1")
    end = time.monotonic() + VERDICT_S
    while time.monotonic() < end:
        status = client.call("Status")
        if status.get("MailboxSequence") == number:
            print(status["MailboxVerdict"])
            return 0 if status["MailboxVerdict"] == "ACCEPTED" else 1
        time.sleep(0.01)
    print("igniter_cli: no verdict came: another command may have replaced it; look at status", file=sys.stderr)
    return 1


def _status(name: str, timeout_s: float) -> int:
    """Print the next status that can be read, or `status: none`."""
    box = ClientMailbox.attach(name, IGNITER_STATUS)
    end = time.monotonic() + timeout_s
    try:
        while True:
            data = box.latest()
            if data is not None:
                try:
                    print(IgniterStatus.unpack(data))
                    return 0
                except MessageError as error:
                    if time.monotonic() >= end:
                        raise ValueError(f"the status is damaged: {error}") from None
            if time.monotonic() >= end:
                print("status: none")
                return 1
            time.sleep(0.005)
    finally:
        box.close()
