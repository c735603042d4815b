# SPDX-License-Identifier: Apache-2.0
"""`pilotlight igniter`: shows the igniter, makes it safe, and takes a person through arming and firing."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from pilotlight.daemon import Client, DaemonError
from pilotlight.tags import now_ns

_EXAMPLES = """\
examples:
  pilotlight igniter status
  pilotlight igniter checks 1 3                  what stands against arming channels 1 and 3
  pilotlight igniter fire 1 3:500                channel 1 for the default time, channel 3 for 500 ms
  pilotlight igniter fire 1 --force CONTINUITY
  pilotlight igniter disarm                      all off, at once, for everybody who may read
  pilotlight igniter shots
"""
KEEP_S = 0.3
"""How often the session is kept alive, at least: four times within its lease."""
SHOT_S = 5.0
"""How long after the windows the records may take to come."""


class Session:
    """A session that is kept alive by a thread of its own until it is closed, which makes safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._number, lease_ms = client.call("OpenSession")
        self._pause_s = min(KEEP_S, lease_ms / 4000)
        self._sequence = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def call(self, method: str, *arguments: Any) -> Any:
        """A command of the session, numbered and stamped."""
        with self._lock:
            self._sequence += 1
            return self._client.call(method, self._number, self._sequence, now_ns(), *arguments)

    def close(self) -> None:
        """End it: all off and safe. A session that has ended is closed already."""
        self._closed.set()
        self._thread.join()
        try:
            self.call("CloseSession")
        except DaemonError as error:
            print(f"pilotlight igniter: the session was not closed: {error}", file=sys.stderr)

    def _keep(self) -> None:
        while not self._closed.wait(self._pause_s):
            try:
                self.call("KeepAlive")
            except DaemonError:
                # It has ended; the next command says so.
                return


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when everything was accepted, 1 with a sentence on stderr, 2 for a usage error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options, Client("io.pilotlight.Igniter1")))
    except DaemonError as error:
        print(f"pilotlight igniter: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\npilotlight igniter: given up, everything is safe", file=sys.stderr)
        return 1


def target(text: str) -> tuple[int, int]:
    """`3` or `3:500`: channel and milliseconds, 0 for the default. ArgumentTypeError when it is neither."""
    channel, _, duration = text.partition(":")
    if not channel.isdigit() or (duration and not duration.isdigit()) or (":" in text and not duration):
        raise argparse.ArgumentTypeError(f"{text!r} is no CHANNEL or CHANNEL:MILLISECONDS")
    return int(channel), int(duration or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotlight igniter",
        description="The four firing channels. Read docs/igniter.md before you connect anything.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="status|checks|fire|disarm|clear|shots")
    verbs.add_parser("status", help="mode, kill switch and channels").set_defaults(run=_status)
    looked = verbs.add_parser("checks", help="every arming check for these channels; exit code 1 when one fails")
    looked.add_argument("channels", type=int, nargs="+", metavar="CHANNEL")
    looked.set_defaults(run=_checks)
    fired = verbs.add_parser("fire", help="arm in two steps and fire")
    fired.add_argument("targets", type=target, nargs="+", metavar="CHANNEL[:MS]")
    fired.add_argument("--force", action="append", default=[], metavar="CHECK", help="override a check that can be")
    fired.add_argument("--without-asking", action="store_true", help="repeat the code and fire by itself: for scripts")
    fired.set_defaults(run=_fire)
    verbs.add_parser("disarm", help="all off and safe, at once").set_defaults(run=_disarm)
    verbs.add_parser("clear", help="forget the faults").set_defaults(run=_clear)
    verbs.add_parser("shots", help="the records of the last shots").set_defaults(run=_shots)
    return parser


def _status(_: argparse.Namespace, client: Client) -> int:
    status = client.call("Status")
    closed = {True: "closed", False: "OPEN"}.get(status.get("KillSwitchClosed"), "unknown")
    print(f"mode {status['Mode']}  kill switch {closed}  last safe by {status.get('Cause', 'START')}")
    for channel in client.call("Channels"):
        notes = [channel.get("Continuity", ""), channel["Reason"]]
        told = "  ".join(note for note in notes if note)
        print(f"channel {channel['Channel']}  {channel['State']:<12}  {told}".rstrip())
    for problem in status["Problems"]:
        print(f"problem: {problem}")
    return 0


def _checks(options: argparse.Namespace, client: Client) -> int:
    return _show_checks(client, options.channels)


def _show_checks(client: Client, channels: list[int]) -> int:
    failed = 0
    for check in client.call("Checks", channels):
        word = "ok" if check["Passed"] else "FAILS (can be forced)" if check["Forceable"] else "FAILS"
        print(f"{check['Check']:<12} {word}{': ' if check['Text'] else ''}{check['Text']}")
        failed += not check["Passed"]
    return 1 if failed else 0


def _fire(options: argparse.Namespace, client: Client) -> int:
    channels = [channel for channel, _ in options.targets]
    _show_checks(client, channels)
    start = now_ns()
    session = Session(client)
    try:
        code, countdown_ms, _ = session.call("Prepare", channels, options.force)
        for left in range(countdown_ms // 1000, 0, -1):
            print(f"arming in {left} s")
            time.sleep(1)
        time.sleep(countdown_ms % 1000 / 1000 + 0.01)
        said = code if options.without_asking else input(f"Type the code {code} to arm channels {channels}: ").strip()
        token = session.call("Arm", said)
        print("ARMED")
        if not options.without_asking and input("Type FIRE to fire, anything else to make safe: ").strip() != "FIRE":
            print("not fired, safe again")
            return 1
        session.call("Fire", token, channels, [duration for _, duration in options.targets])
        print("FIRED")
        return _wait_for_shots(client, start, len(channels))
    finally:
        session.close()


def _wait_for_shots(client: Client, start: int, count: int) -> int:
    """Show the records of `count` shots since `start`; 1 when one did not end in good order, or did not come."""
    end = time.monotonic() + SHOT_S
    while time.monotonic() < end:
        fresh = [shot for shot in client.call("Shots") if shot["Commanded"] > start]
        if len(fresh) >= count:
            for shot in fresh:
                _show(shot)
            return 0 if all(shot["End"] in ("COMPLETED", "OPENED") for shot in fresh) else 1
        if any(channel["State"] == "FIRING" for channel in client.call("Channels")):
            end = time.monotonic() + SHOT_S
        time.sleep(0.05)
    print("pilotlight igniter: no record of the shots came; look at the journal", file=sys.stderr)
    return 1


def _disarm(_: argparse.Namespace, client: Client) -> int:
    client.call("Disarm")
    print("all off, safe")
    return 0


def _clear(_: argparse.Namespace, client: Client) -> int:
    session = Session(client)
    try:
        session.call("ClearFaults")
    finally:
        session.close()
    print("faults are cleared")
    return 0


def _shots(_: argparse.Namespace, client: Client) -> int:
    for shot in client.call("Shots"):
        _show(shot)
    return 0


def _show(shot: dict[str, Any]) -> None:
    print(f"shot {shot['Number']}  channel {shot['Channel']}  {shot['Window']} ms  {shot['Verdict']}")
