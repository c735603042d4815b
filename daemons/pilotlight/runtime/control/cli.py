# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight control`: what concerns the control loop, from the console."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pilotlight.runtime.control import pins, printing, recording
from pilotlight.runtime.control.loading import ControlSettingsError, load
from pilotlight.runtime.control.steps import StepError

_EXAMPLES = """\
examples:
  pilotlight control check control.toml                  what is wrong with it, and its pin map
  pilotlight control check control.toml --print-config   all settings with their defaults filled in
  pilotlight control replay flight.rec                   repeat every step of a recording and compare to the bit
"""


def main(argv: Sequence[str]) -> int:
    """Run the tool; returns 0, 1 when a configuration is refused or a replay differs, 2 for a usage error."""
    parser = argparse.ArgumentParser(
        prog="pilotlight control",
        description="Check the configuration of the control loop, and repeat recordings of it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="say what is wrong with a configuration, and show its pin map")
    check.add_argument("config", type=Path, help="the TOML file")
    check.add_argument("--print-config", action="store_true", help="print all settings instead of the pin map")
    check.set_defaults(action=_check)
    again = commands.add_parser("replay", help="repeat the steps of a flight recording and compare the results")
    again.add_argument("recording", type=Path, help="the file of the flight recorder")
    again.set_defaults(action=_replay)
    options = parser.parse_args(argv)
    code: int = options.action(options)
    return code


def _check(options: argparse.Namespace) -> int:
    try:
        settings, warnings = load(options.config)
    except ControlSettingsError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    for warning in warnings:
        print(warning.at(str(options.config)), file=sys.stderr)
    if options.print_config:
        print(printing.text(settings), end="")
    else:
        print(pins.table(settings))
        print(f"{options.config} is sound" if not warnings else f"{options.config} works; see the warnings")
    return 0


def _replay(options: argparse.Namespace) -> int:
    try:
        found = recording.replay(options.recording)
    except (recording.RecordingError, ControlSettingsError, StepError, OSError) as refusal:
        print(f"pilotlight control: {refusal}", file=sys.stderr)
        return 1
    print(f"{found.steps} steps, {found.seconds:.3f} s, were repeated with results equal to the bit")
    if found.problem:
        print(f"pilotlight control: {found.problem}", file=sys.stderr)
    return 1 if found.problem else 0
