# SPDX-License-Identifier: Apache-2.0
"""`pilotlight tags`: list, read, watch and record the tags of all segments."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TextIO

from pilotlight.tags.clock import now_ns
from pilotlight.tags.errors import SegmentError
from pilotlight.tags.files import segment_names
from pilotlight.tags.follow import Follower
from pilotlight.tags.formats import (
    CSV_HEAD,
    Event,
    columns,
    csv_line,
    event_csv,
    event_json,
    event_line,
    flags_text,
    type_text,
    value_text,
)
from pilotlight.tags.reader import SegmentReader

LONGEST_LOOK_S = 0.1
"""A segment is looked at again after so long even when nothing woke us: it may have been replaced or removed."""

DESCRIPTION = """\
The tags of the appliance: every input, output, program variable and measurement, as it is now.
A tag is named SEGMENT.TAG (plc.INSTANCE0.LAMP); in patterns * stands for anything and ? for one character.
"""
EXAMPLES = """\
examples:
  pilotlight tags list                        the segments, and whether their writers live
  pilotlight tags list 'plc.*'                the tags of segment plc: type, unit, flags, description
  pilotlight tags read plc.Scan.Count         one value
  pilotlight tags read 'plc.Scan.*' --json    several, for a program
  pilotlight tags watch 'plc.Line.*'          every change, until Ctrl-C
  pilotlight tags watch plc.INSTANCE0.LAMP --count 1 --for 10
                                              wait at most 10 s for the next change
  pilotlight tags record --for 60 --output run.csv
                                              all changes of a minute into a file

exit code: 0 done, 1 no such segment or tag (or it cannot be read), 2 the command line is wrong
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="pilotlight tags",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="list|read|watch|record")
    lists = verbs.add_parser("list", help="the segments, or the tags that match")
    lists.add_argument("pattern", nargs="*", help="SEGMENT.TAG, with * and ?; without any the segments are listed")
    lists.add_argument("--json", action="store_true", help="one JSON object a line")
    reads = verbs.add_parser("read", help="the values of tags, now")
    reads.add_argument("pattern", nargs="+", help="SEGMENT.TAG, with * and ?")
    reads.add_argument("--json", action="store_true", help="one JSON object a line")
    watch = verbs.add_parser("watch", help="the values of tags, then every change")
    watch.add_argument("pattern", nargs="+", help="SEGMENT.TAG, with * and ?")
    watch.add_argument("--json", action="store_true", help="one JSON object a line")
    record = verbs.add_parser("record", help="values and changes as CSV or JSON lines")
    record.add_argument("pattern", nargs="*", default=["*"], help="SEGMENT.TAG, with * and ? (default: all)")
    record.add_argument("--format", choices=("csv", "json"), default="csv", help="default: csv")
    record.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    for verb in (watch, record):
        verb.add_argument("--for", dest="seconds", type=_positive, help="end after so many seconds")
        verb.add_argument("--count", type=_count, help="end after so many changes")
    return top


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1e9:
        raise argparse.ArgumentTypeError("give a number of seconds greater than 0")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a number of at least 1")
    return number


def main(argv: list[str]) -> int:
    """Run the tool; returns its exit code."""
    try:
        options = parser().parse_args(argv)
    except SystemExit as ending:
        return int(ending.code or 0)
    try:
        return _run(options)
    except (SegmentError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 0
        print(f"pilotlight tags: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _run(options: argparse.Namespace) -> int:
    if options.verb == "list" and not options.pattern:
        return list_segments(options.json)
    if options.verb == "list":
        return list_tags(options.pattern, options.json)
    if options.verb == "read":
        return read(options.pattern, options.json)
    bounds = (options.seconds, options.count)
    if options.verb == "watch":
        return follow(options.pattern, event_json if options.json else event_line, sys.stdout, *bounds)
    write = event_csv if options.format == "csv" else event_json
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(options.output.open("w")) if options.output else sys.stdout
        if options.format == "csv":
            print(csv_line(CSV_HEAD), file=out)
        return follow(options.pattern, write, out, *bounds)


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Tells whether a full name matches one of the patterns."""
    return lambda name: any(fnmatchcase(name, pattern) for pattern in patterns)


def segments_of(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The segments in which tags that match a pattern can be."""
    heads = {pattern.split(".")[0] for pattern in patterns}
    return [name for name in names if any(fnmatchcase(name, head) for head in heads)]


def _nothing(patterns: Sequence[str]) -> int:
    names = segment_names()
    known = f"the segments are: {', '.join(names)}" if names else "there are no segments: no daemon is running"
    print(f"pilotlight tags: no tag matches {' '.join(patterns)}; {known}", file=sys.stderr)
    return 1


def list_segments(as_json: bool) -> int:
    """Print every segment with its epoch, its size and its writer's heartbeat."""
    rows: list[tuple[str, ...]] = [("SEGMENT", "EPOCH", "TAGS", "PUBLISHES", "WRITER")]
    for name in segment_names():
        try:
            reader = SegmentReader.open(name)
            beat, snapshot = reader.beat(), reader.snapshot()
        except SegmentError as error:
            rows.append((name, "", "", "", str(error)))
            continue
        state = writer_state(beat.count, beat.time_ns, beat.deadline_ns, now_ns())
        if as_json:
            facts = {"segment": name, "epoch": reader.epoch, "tags": len(reader.directory)}
            print(json.dumps({**facts, "publishes": snapshot.sequence, "writer": state}))
        rows.append((name, str(reader.epoch), str(len(reader.directory)), str(snapshot.sequence), state))
        reader.close()
    if not as_json:
        print(columns(rows) if len(rows) > 1 else "There are no segments: no daemon is running.")
    return 0


def writer_state(count: int, time_ns: int, deadline_ns: int, now: int) -> str:
    """What a heartbeat says about its writer, in words."""
    if count == 0:
        return "gives no heartbeat"
    if now <= deadline_ns:
        return "alive"
    return f"silent for {(now - time_ns) / 1e9:.1f} s"


def list_tags(patterns: Sequence[str], as_json: bool) -> int:
    """Print what the matching tags are."""
    chosen = matcher([*patterns, *(f"{pattern}.*" for pattern in patterns if "." not in pattern)])
    rows: list[tuple[str, ...]] = [("TAG", "TYPE", "UNIT", "FLAGS", "DESCRIPTION")]
    for segment in segments_of(patterns, segment_names()):
        reader = SegmentReader.open(segment)
        for tag in reader.directory:
            name = f"{segment}.{tag.name}"
            if chosen(name):
                rows.append((name, type_text(tag), tag.unit, flags_text(tag.flags), tag.description))
        reader.close()
    if len(rows) == 1:
        return _nothing(patterns)
    if as_json:
        heads = [head.lower() for head in rows[0]]
        for row in rows[1:]:
            print(json.dumps(dict(zip(heads, row, strict=True)), ensure_ascii=False))
    else:
        print(columns(rows))
    return 0


def read(patterns: Sequence[str], as_json: bool) -> int:
    """Print the values of the matching tags; a segment's values are from one publish."""
    rows: list[tuple[str, ...]] = []
    chosen = matcher(patterns)
    for segment in segments_of(patterns, segment_names()):
        reader = SegmentReader.open(segment)
        snapshot = reader.snapshot()
        for index, tag in enumerate(reader.directory):
            name = f"{segment}.{tag.name}"
            if not chosen(name):
                continue
            reading = snapshot.reading(index)
            quality = reading.quality.name
            if as_json:
                event = Event(snapshot.wall_ns(reading.stamp_ns), name, tag, reading.value, reading.quality)
                print(event_json(event))
            rows.append((name, value_text(tag.type, reading.value), tag.unit, "" if quality == "GOOD" else quality))
        reader.close()
    if not rows:
        return _nothing(patterns)
    if not as_json:
        print(columns(rows))
    return 0


def follow(
    patterns: Sequence[str],
    write: Callable[[Event], str],
    out: TextIO,
    seconds: float | None,
    count: int | None,
) -> int:
    """Write the values of the matching tags, then every change, until `seconds` or `count` changes are over."""
    chosen = matcher(patterns)
    followers = [Follower(name, chosen, _warn) for name in segments_of(patterns, segment_names())]
    followers = [follower for follower in followers if follower.wanted]
    if not followers:
        return _nothing(patterns)
    end = None if seconds is None else now_ns() + int(seconds * 1e9)
    for follower in followers:
        for event in follower.look():
            print(write(event), file=out)
    for event in islice(_changes(followers, end), count):
        print(write(event), file=out, flush=True)
    for follower in followers:
        follower.close()
    return 0


def _changes(followers: Sequence[Follower], end: int | None) -> Iterator[Event]:
    """The changes of all followers until the end; one is waited for, several are looked at in turn."""
    while end is None or now_ns() < end:
        for follower in followers:
            left = LONGEST_LOOK_S if end is None else max(0.0, min(LONGEST_LOOK_S, (end - now_ns()) / 1e9))
            follower.wait(left / len(followers))
            yield from follower.look()


def _warn(message: str) -> None:
    print(f"pilotlight tags: {message}", file=sys.stderr)
