# SPDX-License-Identifier: Apache-2.0
"""`pilotlight plc`: run, test, debug, draw and package PLC programs, on a laptop with nothing but Python."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pilotlight.plc import ir
from pilotlight.plc.debugger import main as debug
from pilotlight.plc.ladder import flow_of_image, ladder_svg, ladder_text
from pilotlight.plc.loading import LoadError, load_program
from pilotlight.plc.package import PackageError, read_package, write_package
from pilotlight.plc.running import Session, Setting, SettingError, parse_setting, shown
from pilotlight.plc.zipfiles import LIMITS

DEFAULT_SCANS = 10
MOST_SCANS = 10**9

DESCRIPTION = """\
PLC programs in Python: run them, test them, draw them as ladders, package them for the appliance.
A program is a Python file with a ladder in it:

  from pilotlight.plc import Bool, Program, Rung, out
  Button, Lamp = Bool("Button"), Bool("Lamp")
  with Program() as logic:
      with Rung(Button):
          out(Lamp)
  PERIOD_MS = 10                                      optional: the time of a scan (10 unless given)
  LINES = {Button: "%IX0.0", Lamp: "%QX0.0"}          optional: tags that are inputs and outputs of the appliance
"""
EXAMPLES = """\
examples:
  pilotlight plc run lamp.py --set Button=on          10 scans with the button pressed; prints what changes
  pilotlight plc run lamp.py --set Button=on@3 --set Button=off@8 --scans 20
                                                      pressed in scan 3, let go in scan 8
  pilotlight plc run lamp.py --realtime --for 60      a minute, a scan every PERIOD_MS
  pilotlight plc run lamp.py --force Lamp=on --ladder a forced tag; at the end the ladder with its power flow
  pilotlight plc test .                               every test_*.py of a folder, by pytest
  pilotlight plc ladder lamp.py                       the ladder in the terminal
  pilotlight plc ladder lamp.py --svg -o lamp.svg     the ladder as a picture
  pilotlight plc build lamp.py -o lamp.plz            the package to upload to the appliance

exit code: 0 done, 1 the program or the package is wrong (or a test failed), 2 the command line is wrong
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="pilotlight plc",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="build|run|test|ladder|debug")
    build = verbs.add_parser("build", help="make a package (.plz) that the appliance takes")
    build.add_argument("-o", "--output", type=Path, help="the package (default: beside the program, with .plz)")
    build.add_argument("--name", help="what the program is called on the appliance (default: the file's name)")
    run = verbs.add_parser("run", help="scan a program and print every tag that changes")
    run.add_argument("--scans", type=_count, help=f"end after so many scans (default: {DEFAULT_SCANS})")
    run.add_argument("--for", dest="seconds", type=_seconds, help="end after so many seconds of the program's time")
    run.add_argument("--realtime", action="store_true", help="scan by the clock, until Ctrl-C unless told otherwise")
    run.add_argument("--period", type=_seconds, metavar="MS", help="milliseconds of a scan (default: PERIOD_MS)")
    run.add_argument("--set", action="append", default=[], type=_setting, metavar="TAG=VALUE[@SCAN]",
                     help="give a tag a value before a scan (default: the first), once")  # fmt: skip
    run.add_argument("--force", action="append", default=[], type=_setting, metavar="TAG=VALUE[@SCAN]",
                     help="hold a tag at a value from a scan on")  # fmt: skip
    run.add_argument("--tags", action="append", default=[], metavar="PATTERN",
                     help="print these only, with * and ? (default: all but system points)")  # fmt: skip
    run.add_argument("--ladder", action="store_true", help="print the ladder at the end, with values and power flow")
    ladder = verbs.add_parser("ladder", help="draw a program (or a package) as a ladder")
    ladder.add_argument("--svg", action="store_true", help="as a picture instead of text")
    ladder.add_argument("--title", default="", help="title of the picture (default: the file's name)")
    ladder.add_argument("-o", "--output", type=Path, help="the file to write (default: standard output)")
    for verb in (build, run, ladder):
        verb.add_argument("program", type=Path, help="the Python file with the program")
        verb.add_argument("--program", dest="wanted", default="", metavar="NAME",
                          help="which program, when the file has several")  # fmt: skip
    test = verbs.add_parser("test", help="run the tests of a folder with pytest")
    test.add_argument("folder", type=Path, nargs="?", default=Path(), help="default: the current folder")
    test.add_argument("arguments", nargs=argparse.REMAINDER, help="what else pytest is told, such as -k motor")
    verbs.add_parser("debug", help="serve an editor's debugger (Debug Adapter Protocol on standard input and output)")
    return top


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MOST_SCANS:
        raise argparse.ArgumentTypeError(f"give a number from 1 to {MOST_SCANS}")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1e9:
        raise argparse.ArgumentTypeError("give a number greater than 0")
    return number


def _setting(text: str) -> Setting:
    try:
        return parse_setting(text)
    except SettingError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(argv: Sequence[str]) -> int:
    """Run the tool; returns its exit code."""
    try:
        options = parser().parse_args(argv)
    except SystemExit as ending:
        return int(ending.code or 0)
    work: dict[str, Callable[[argparse.Namespace], int]] = {
        "build": build, "run": scan, "test": test, "ladder": draw, "debug": lambda _options: debug([]),
    }  # fmt: skip
    run = work[options.verb]
    try:
        return run(options)
    except (LoadError, PackageError, SettingError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 0
        print(f"pilotlight plc: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def build(options: argparse.Namespace) -> int:
    """Write the package of a program."""
    loaded = load_program(options.program, options.wanted)
    package = loaded.package(options.name or options.program.stem)
    output: Path = options.output or options.program.with_suffix(".plz")
    data = write_package(package)
    _write(output, data)
    rungs = sum(len(each) for each in ir.sections(package.program).values())
    tags = sum(not cell.internal for cell in package.program.cells)
    print(f"{output}: {package.name}, {rungs} rungs, {tags} tags, a scan every {package.period_ns / 1e6:g} ms,")
    print(f"  {len(package.lines)} points, {len(package.sources)} sources, {len(data)} bytes, {package.identity[:32]}")
    return 0


def scan(options: argparse.Namespace) -> int:
    """Scan a program and print what changes."""
    loaded = load_program(options.program, options.wanted)
    period = loaded.period_ns if options.period is None else max(1, round(options.period * 1e6))
    count: int | None = options.scans
    if options.seconds is not None:
        enough = max(1, round(options.seconds * 1e9) // period)
        count = enough if count is None else min(count, enough)
    elif count is None and not options.realtime:
        count = DEFAULT_SCANS
    session = Session(
        loaded.program, period_ns=period, realtime=options.realtime, sets=options.set, forces=options.force
    )
    try:
        for _state, changes in session.scans(count):
            for change in changes:
                if shown(change.name, options.tags):
                    print(change.text(), flush=options.realtime)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    if options.ladder:
        program = loaded.program
        print(ladder_text(program.ir, flow_of_image(program.ir, session.image(), program.functions)), end="")
    return 0


def test(options: argparse.Namespace) -> int:
    """Run pytest on a folder, so that a test imports the program beside it by name."""
    if importlib.util.find_spec("pytest") is None:
        print("pilotlight plc: the tests need pytest: python3 -m pip install pytest", file=sys.stderr)
        return 1
    if not options.folder.exists():
        print(f"pilotlight plc: there is no {options.folder}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "pytest", "--import-mode=prepend", str(options.folder), *options.arguments]
    paths = [path for path in sys.path if path and Path(path).is_dir()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, env=environment, check=False).returncode


def draw(options: argparse.Namespace) -> int:
    """Draw a program as a ladder."""
    program = _ir_of(options.program, options.wanted)
    text = ladder_svg(program, title=options.title or options.program.stem) if options.svg else ladder_text(program)
    if options.output is None:
        print(text, end="")
    else:
        _write(options.output, text.encode())
    return 0


def _ir_of(path: Path, wanted: str) -> ir.Program:
    if path.suffix != ".plz":
        return load_program(path, wanted).program.ir
    with path.open("rb") as file:
        return read_package(file.read(LIMITS.archive + 1)).program


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)
