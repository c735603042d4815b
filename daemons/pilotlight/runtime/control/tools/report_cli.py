# SPDX-License-Identifier: Apache-2.0
"""`rt-status-report`: the status file of the control loop as tables, as a live monitor, as a token to share."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import share
from .monitor import Monitor
from .report import Paint, report_text, share_page
from .status import DEFAULT_PATH, read_status, usual_path

EVENT_LOG = "RT_STATUS_REPORT_EVENT_LOG"
DEFAULT_EVENT_LOG = "/tmp/rt_status_report_events.jsonl"  # noqa: S108 - where other tools look for it, too
CLEAR = "\x1b[2J\x1b[H"

_EXAMPLES = """\
examples:
  rt-status-report --once                    one report of the runtime's loop, or of /tmp/rt_status.txt
  rt-status-report run/status.txt            a report twice a second, until Ctrl-C
  rt-status-report --monitor                 the simulator link: frames, rates, health
  rt-status-report --once --share            the report and a token that says the same elsewhere
  rt-status-report --open-share rtshare1_…   what such a token says

exit code: 0 done, 1 no status file or no such token, 2 the command line is wrong
"""


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=program,
        description="What the control loop says about itself in its status file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = f"the status file (the runtime's own; without one {DEFAULT_PATH})"
    top.add_argument("path", nargs="?", type=Path, default=usual_path(), help=text)
    top.add_argument("--once", action="store_true", help="print once and end")
    top.add_argument("--no-color", action="store_true", help="no colours; so does the variable NO_COLOR")
    top.add_argument("--no-clear", action="store_true", help="print one after the other, do not clear the screen")
    top.add_argument("--systemd", action="store_true", help="for a log: --no-color and --no-clear")
    top.add_argument("--interval", type=_seconds, default=0.5, help="seconds between two looks (0.5)")
    top.add_argument("--monitor", action="store_true", help="watch the simulator link in place of the report")
    top.add_argument("--warn-sec", type=_seconds, default=1.5, help="a stream so long silent is SLOW (1.5)")
    top.add_argument("--stall-sec", type=_seconds, default=3.0, help="a stream so long silent is STALLED (3.0)")
    top.add_argument("--share", action="store_true", help="print a share token, too; needs --once")
    top.add_argument("--share-url-base", default="", metavar="URL", help="print the token as an address under URL")
    top.add_argument("--open-share", metavar="TOKEN", help="show what a share token says")
    return top


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= 86400:
        raise argparse.ArgumentTypeError("give a number of seconds greater than 0, at most a day")
    return number


def main(argv: Sequence[str] | None = None, program: str = "rt-status-report") -> int:
    """Run the tool; returns its exit code."""
    top = parser(program)
    options = top.parse_args(argv)
    if options.share and options.open_share is not None:
        top.error("--share and --open-share exclude each other")
    if options.share and not options.once:
        top.error("--share needs --once")
    if not options.warn_sec < options.stall_sec:
        top.error("needs 0 < --warn-sec < --stall-sec")
    plain = options.no_color or options.systemd or bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    paint = Paint(not plain)
    try:
        if options.open_share is not None:
            return _open(options.open_share, paint)
        return _print(options, paint)
    except share.ShareError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 0
        print(f"{program}: {options.path}: {error.strerror}; is the loop running?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _open(token: str, paint: Paint) -> int:
    snapshot = share.decode(token)
    print(share_page(snapshot, paint), end="")
    log_event("share_snapshot_opened", health=snapshot.health, source=snapshot.source)
    return 0


def _print(options: argparse.Namespace, paint: Paint) -> int:
    monitor = Monitor(options.warn_sec, options.stall_sec)
    page = _monitor_page(monitor, options.path, paint) if options.monitor else _report_page(options.path, paint)
    if options.once:
        print(page(), end="")
        if options.share:
            _share(options.path, options.share_url_base)
        return 0
    clear = "" if options.no_clear or options.systemd or not sys.stdout.isatty() else CLEAR
    while True:
        try:
            text = page()
        except FileNotFoundError:
            text = f"waiting for {options.path}: is the loop running?\n"
        print(clear + text, end="", flush=True)
        time.sleep(options.interval)


def _report_page(path: Path, paint: Paint) -> Callable[[], str]:
    return lambda: report_text(read_status(path), paint)


def _monitor_page(monitor: Monitor, path: Path, paint: Paint) -> Callable[[], str]:
    def page() -> str:
        age = max(0.0, time.time() - path.stat().st_mtime)
        now = time.monotonic()
        monitor.look(read_status(path), now)
        return monitor.text(now, age, paint)

    return page


def _share(path: Path, base: str) -> None:
    status = read_status(path)
    snapshot = share.snapshot_of(status, path.name, int(time.time()))
    token = share.encode(snapshot)
    print(f"share token: {token}")
    print(f"share url: {base.rstrip('/') + '/' if base else share.SCHEME}{token}")
    log_event(
        "share_snapshot_created",
        health=snapshot.health,
        sim_mode=snapshot.metrics["sim_mode"],
        failsafe_enters=snapshot.metrics["failsafe_enter_count"],
    )


def log_event(event: str, **fields: str) -> None:
    """Append a line to the event log; that it cannot be written stops nobody. Links are not followed."""
    path = os.environ.get(EVENT_LOG, DEFAULT_EVENT_LOG)
    line = json.dumps({"event": event, "ts_unix": int(time.time()), **fields}, sort_keys=True, separators=(",", ":"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with contextlib.suppress(OSError):
        descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
