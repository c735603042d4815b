# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight update`: install bundles, see slots and history, go back, choose when to restart."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pilotlight.daemon import Client, DaemonError, Fd, NotPermitted, Timeout, Unavailable

from .policy import RebootPolicy

INTERFACE = "io.pilotlight.Orchestrator1"
CALL_S = 90.0
POLL_S = 0.25
AWAY_S = 60.0
"""How long the orchestrator may be away in the middle of an installation."""
PIECE = 1 << 20
BAR = 30
DONE, FAILED, USAGE, AWAY = 0, 1, 2, 3

_EXAMPLES = """\
examples:
  pilotlight update install /media/usb/pilotlight-cm5-1.3.0.raucb
  pilotlight update install https://updates.example.com/pilotlight-cm5-1.3.0.raucb
  pilotlight update                      where things stand (the same as `status`)
  pilotlight update slots                which version is in which slot, and which starts next
  pilotlight update history              the last updates and why they ended as they did
  pilotlight update rollback             go back to the version before
  pilotlight update policy stopped       restart into an update once the machine is stopped
  pilotlight update policy window "Sat,Sun 02:00-04:00"

An installation writes the slot that does not run. The next restart tries it once; it is kept when the device shows that
it works, and any reset before that goes back by itself. `reboot` restarts now, whatever the policy says.

exit codes:
  0  done    1  refused or failed, with the reason on stderr    2  wrong call    3  the orchestrator does not answer
"""
_RIGHTS = (
    "permission denied; nothing was done. Seeing is for group pilotlight, updating for pilotlight-operator, marking a "
    "slot for pilotlight-admin, --force for who is in both; root may do all of it"
)


class RefusedError(Exception):
    """An update that was not installed; shown without a traceback."""


def main(argv: Sequence[str]) -> int:
    """Run the tool; the exit codes are in its help."""
    options = _parser().parse_args(argv)
    client = Client(INTERFACE, CALL_S)
    try:
        action: Callable[[argparse.Namespace, Client], None] = options.action
        action(options, client)
    except (Unavailable, Timeout) as error:
        print(f"pilotlight update: {error} (systemctl status pilotlight-orchestrator)", file=sys.stderr)
        return AWAY
    except NotPermitted as error:
        ours = error.dbus_name.startswith("io.pilotlight.")
        print(f"pilotlight update: {error if ours else _RIGHTS}", file=sys.stderr)
        return FAILED
    except (RefusedError, DaemonError) as error:
        print(f"pilotlight update: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"pilotlight update: {error.filename or 'the bundle'}: {error.strerror}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\nThe installation goes on without this command; `pilotlight update status` shows it.", file=sys.stderr)
        return FAILED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotlight update",
        description="Install signed update bundles, and see and choose what starts.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.set_defaults(action=_status, json=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, action: Callable[[argparse.Namespace, Client], None], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=text, description=text[0].upper() + text[1:] + ".")
        made.set_defaults(action=action)
        return made

    install = command("install", _install, "install a bundle from a file or an https address, and follow it to its end")
    install.add_argument("source", metavar="FILE|URL", help="a .raucb file, or where one is")
    install.add_argument(
        "--force",
        action="store_true",
        help="also an older version (root, or groups pilotlight-operator and pilotlight-admin both)",
    )
    install.add_argument("--no-wait", action="store_true", help="return as soon as the installation has begun")
    command("status", _status, "where updates stand (the default)")
    command("slots", _slots, "what is in each slot")
    history = command("history", _history, "the last updates, newest first")
    history.add_argument("--count", type=int, default=10, metavar="N", help="so many of them (10)")
    command("rollback", _rollback, "go back to the version before")
    mark = command("mark", _mark, "mark a slot by hand, past the health gate (root, or group pilotlight-admin)")
    mark.add_argument("state", choices=["good", "bad"], help="good confirms a version on trial")
    mark.add_argument("slot", help="A, B, booted or other")
    policy = command("policy", _policy, "show or choose when the device restarts by itself after an installation")
    policy.add_argument("policy", nargs="?", choices=[str(p) for p in RebootPolicy], help="when")
    policy.add_argument("window", nargs="?", default="", help='for window: "02:00-04:00" or "Sat,Sun 02:00-04:00"')
    command("reboot", _reboot, "restart the device in order, now")
    return parser


def _install(options: argparse.Namespace, client: Client) -> None:
    how = {"Force": True} if options.force else {}
    show = _Progress(quiet=options.json)
    if "://" in options.source:
        number = client.call("InstallUrl", options.source, how, signature="sa{sv}")
    else:
        number = _hand_over(Path(options.source), how, client, show)
    last = {"Id": number} if options.no_wait else _follow(number, client, show)
    show.end()
    if options.json:
        print(json.dumps(last))
    elif options.no_wait:
        print(f"Update {number} has begun; `pilotlight update status` shows it.")
    if last.get("Outcome") in ("refused", "failed", "withdrawn"):
        raise RefusedError(last["Reason"])
    if not options.json and not options.no_wait:
        status = client.call("UpdateStatus", signature="")
        print(f"Installed {last['Version']} in slot {last['Slot']}. {status['Text']}.")


def _hand_over(path: Path, how: dict[str, Any], client: Client, show: _Progress) -> int:
    with path.open("rb") as bundle:
        size = os.fstat(bundle.fileno()).st_size
        file = client.call("Upload", size, {"Name": path.name}, signature="ta{sv}")
        try:
            done = 0
            while piece := bundle.read(PIECE):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(file, rest) :]
                done += len(piece)
                show(100 * done // max(size, 1), "Copying the bundle")
            return int(client.call("Install", Fd(file), {"Name": path.name, **how}, signature="ha{sv}"))
        finally:
            os.close(file)


def _follow(number: int, client: Client, show: _Progress) -> dict[str, Any]:
    """The update's entry in the history once it is installed or has failed."""
    away_since: float | None = None
    while True:
        try:
            status = client.call("UpdateStatus", signature="")
            away_since = None
        except (Unavailable, Timeout):
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > AWAY_S:
                raise
            time.sleep(POLL_S)
            continue
        last: dict[str, Any] = status.get("Last", {})
        if last.get("Id") != number:
            return next(dict(u) for u in client.call("Updates", signature="") if u["Id"] == number)
        if last["Outcome"] != "installing":
            return last
        show(status["Progress"], status["Text"])
        time.sleep(POLL_S)


class _Progress:
    """A bar on a terminal; elsewhere a line whenever the step is another one."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()
        self._seen = ""

    def __call__(self, percent: int, text: str) -> None:
        if self._quiet:
            return
        if self._terminal:
            full = BAR * percent // 100
            print(f"\r\x1b[K[{'#' * full}{'.' * (BAR - full)}] {percent:3} % {text}"[:120], end="", flush=True)
        elif text != self._seen:
            print(f"{percent:3} % {text}", flush=True)
        self._seen = text

    def end(self) -> None:
        """Go on below the bar."""
        if self._terminal and self._seen and not self._quiet:
            print()


def _status(options: argparse.Namespace, client: Client) -> None:
    status = client.call("UpdateStatus", signature="")
    if options.json:
        print(json.dumps(status))
        return
    busy = status["State"] in ("receiving", "checking", "installing")
    percent = f" ({status['Progress']} %)" if busy else ""
    rows = [
        ("State", status["State"] + percent),
        ("", status["Text"]),
        ("Version", status["Version"]),
        ("Slot", f"{status['Booted'] or '-'}{', on trial' if status['Trial'] else ''}"),
        ("Next try", status["Pending"] if status["Pending"] != status["Booted"] else ""),
        ("Restart", " ".join((status["RebootPolicy"], status["RebootWindow"])).strip()),
    ]
    print("\n".join(f"{name:<9} {value}" for name, value in rows if value))


def _slots(options: argparse.Namespace, client: Client) -> None:
    slots = client.call("Slots", signature="")
    if options.json:
        print(json.dumps(slots))
        return
    print(f"{'SLOT':<5} {'VERSION':<20} {'INSTALLED':<21} STATE")
    for slot in slots:
        states = [name.lower() for name in ("Booted", "Committed", "Pending", "Good") if slot[name]]
        states += [] if slot["Complete"] else ["incomplete"]
        print(
            f"{slot['Name']:<5} {slot['Version'] or '-':<20} {slot['Installed'] or '-':<21} {', '.join(states) or '-'}"
        )


def _history(options: argparse.Namespace, client: Client) -> None:
    updates = client.call("Updates", signature="")[: max(0, options.count)]
    if options.json:
        print(json.dumps(updates))
        return
    if not updates:
        print("No update yet.")
    for update in updates:
        when = datetime.fromtimestamp(update["Started"]).astimezone().strftime("%Y-%m-%d %H:%M")
        forced = ", forced" if update["Forced"] else ""
        print(
            f"{when}  {update['Version'] or '-':<14} {update['Outcome']}{forced}  ({update['Name']}, {update['User']})"
        )
        if update["Reason"]:
            print(f"{'':18}{update['Reason']}")


def _rollback(options: argparse.Namespace, client: Client) -> None:
    _say(options, client.call("Rollback", signature=""))


def _mark(options: argparse.Namespace, client: Client) -> None:
    _say(options, client.call("Mark", options.state, options.slot, signature="ss"))


def _policy(options: argparse.Namespace, client: Client) -> None:
    if options.policy is not None:
        client.call("SetRebootPolicy", options.policy, options.window, signature="ss")
    status = client.call("UpdateStatus", signature="")
    chosen = {"policy": status["RebootPolicy"], "window": status["RebootWindow"]}
    print(json.dumps(chosen) if options.json else " ".join(chosen.values()).strip())


def _reboot(options: argparse.Namespace, client: Client) -> None:
    client.call("Reboot", signature="")
    _say(options, "The device restarts.")


def _say(options: argparse.Namespace, sentence: str) -> None:
    print(json.dumps({"done": sentence}) if options.json else sentence)
