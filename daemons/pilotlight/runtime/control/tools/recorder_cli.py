# SPDX-License-Identifier: Apache-2.0
"""`rt-csv-recorder`: every message of the control loop as a row of a CSV file."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pilotlight.tags import SegmentError, wall_ns

from ..loading import ControlSettingsError, load
from .boxes import KINDS, Box, Message
from .recorder import HEADER, PREFIXES, Journal, Rows
from .stopping import Stop

_EXAMPLES = """\
examples:
  rt-csv-recorder --config control.toml --output run.csv --duration-sec 60
  rt-csv-recorder --output run.csv --append          add to a file, until Ctrl-C
  rt-csv-recorder --output run.csv --source boxes    from mailboxes, also of another program's loop

The journal has every message of the loop. Mailboxes have the latest one only: what is overwritten before it is looked
at is not in the file. Without --source the journal is read when there is one.

exit code: 0 done, 1 nothing to record, rows lost, or the file cannot be written, 2 the command line is wrong
"""


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=program,
        description="Record sensors, estimates and servo commands of the control loop as CSV.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--config", type=Path, help="the loop's TOML file: the names of its mailboxes")
    top.add_argument("--output", type=Path, required=True, help="the file to write")
    top.add_argument("--append", action="store_true", help="add to the file; the header only when it is empty")
    top.add_argument("--duration-sec", type=_seconds, default=0.0, help="end after so long (0: at Ctrl-C)")
    top.add_argument("--interval", type=_interval, default=0.01, help="seconds between two looks (0.01)")
    top.add_argument(
        "--source", choices=("journal", "boxes"), help="where to read (default: the journal if it is there)"
    )
    for name in PREFIXES:
        top.add_argument(f"--{name}-name", default="", metavar="/NAME", help=f"the {name}'s mailbox")
    return top


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1e9:
        raise argparse.ArgumentTypeError("give a number of seconds, 0 or more")
    return number


def _interval(text: str) -> float:
    number = float(text)
    if not 0.0001 <= number <= 10:
        raise argparse.ArgumentTypeError("give a number of seconds from 0.0001 to 10")
    return number


def main(argv: Sequence[str] | None = None, program: str = "rt-csv-recorder") -> int:
    """Run the tool; returns its exit code."""
    options = parser(program).parse_args(argv)
    try:
        source = _source(options, program)
        with Stop() as stop:
            return _record(options, source, stop, program)
    except (SegmentError, ControlSettingsError, ValueError) as error:
        print(f"{program}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{program}: {options.output}: {error.strerror}; what was written stays", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{program}: ended by the second Ctrl-C; what was written stays", file=sys.stderr)
    return 1


class _Boxes:
    """Rows from the mailboxes."""

    lost = 0

    def __init__(self, names: dict[str, str], interval_s: float) -> None:
        self._boxes = {name: Box(KINDS[name], box) for name, box in names.items()}
        self._rows = Rows()
        self._interval_s = interval_s

    def wait(self, timeout_s: float) -> None:
        """Wait for the next look."""
        time.sleep(min(timeout_s, self._interval_s))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """One row when a message is new."""
        messages: dict[str, Message] = {}
        for name, box in self._boxes.items():
            message = box.take()
            if message is not None:
                messages[name] = message
        now = time.monotonic_ns()
        row = self._rows.row(now, wall_ns(now), messages)
        if row is not None:
            yield row

    def close(self) -> None:
        """Let go of the mailboxes; say which were never there."""
        for box in self._boxes.values():
            box.close()
            if box.trouble:
                print(box.trouble, file=sys.stderr)


def _source(options: argparse.Namespace, program: str) -> Journal | _Boxes:
    names = {name: str(getattr(options, f"{name}_name")) for name in PREFIXES}
    if options.source != "boxes" and not any(names.values()):
        try:
            journal = Journal()
            if options.source == "journal" or journal.alive():
                return journal
            journal.close()
            said = "the loop of the journal does not run"
        except (SegmentError, KeyError) as error:
            if options.source == "journal":
                reason = "it has no messages" if isinstance(error, KeyError) else str(error)
                raise ValueError(f"segment control cannot be recorded: {reason}; start the loop first") from None
            said = "there is no journal of the loop"
        print(f"{program}: {said}; mailboxes are read, rows can be missing", file=sys.stderr)
    if options.config is not None:
        settings, _ = load(options.config)
        ipc = settings.ipc
        configured = (ipc.sensor_snapshot_shm, ipc.estimator_state_shm, ipc.controller_command_shm)
        names = {name: given or box for (name, given), box in zip(names.items(), configured, strict=True)}
    return _Boxes(names, options.interval)


def _record(options: argparse.Namespace, source: Journal | _Boxes, stop: Stop, program: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if options.append else os.O_TRUNC)
    count = 0
    with os.fdopen(os.open(options.output, flags, 0o644), "w", newline="") as file:
        out = csv.writer(file)
        if os.fstat(file.fileno()).st_size == 0:
            out.writerow(HEADER)
        end = time.monotonic() + (options.duration_sec or 1e10)
        while True:
            last = stop.wanted or time.monotonic() >= end
            for row in source.rows():
                out.writerow(row)
                count += 1
            if last:
                break
            source.wait(max(0.0, min(0.1, end - time.monotonic())))
    source.close()
    print(f"Wrote {count} rows to {options.output}")
    if source.lost:
        print(f"{program}: {source.lost} changes came faster than they were read and are missing", file=sys.stderr)
    if not count:
        print(f"{program}: there was nothing to record", file=sys.stderr)
    return 1 if source.lost or not count else 0
