# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight control`: what concerns the control loop, from the console."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pilotlight.runtime.control import pins, printing, recording
from pilotlight.runtime.control.loading import ControlSettingsError, load
from pilotlight.runtime.control.steps import StepError

TOOLS = {
    "report": ("tools.report_cli", "rt-status-report", "the status file as tables, a monitor, a token to share"),
    "record": ("tools.recorder_cli", "rt-csv-recorder", "every message of the loop as CSV"),
    "dump": ("tools.dump_cli", "rt-ipc-dump", "the messages of a mailbox as lines"),
    "lines": ("tools.gpiochip", "igniter-gpiochip-check", "check the igniter's lines against the GPIO chips"),
    "simulate": ("simulator.cli", "rt-rocket-sim", "fly a simulated rocket with the loop, or alone"),
}
"""Tools with a command line of their own: module, name as a command, purpose."""

_EXAMPLES = """\
examples:
  pilotlight control check control.toml                  what is wrong with it, and its pin map
  pilotlight control check control.toml --print-config   all settings with their defaults filled in
  pilotlight control replay flight.rec                   repeat every step of a recording and compare to the bit

tools, each with a --help of its own:
""" + "".join(
    f"  pilotlight control {name:<10}{purpose} ({command})\n" for name, (_, command, purpose) in TOOLS.items()
)


def main(argv: Sequence[str]) -> int:
    """Run the tool; returns 0, 1 when a configuration is refused or a replay differs, 2 for a usage error."""
    if argv and argv[0] in TOOLS:
        module = importlib.import_module(f"{__package__}.{TOOLS[argv[0]][0]}")
        return int(module.main(argv[1:], program=f"pilotlight control {argv[0]}"))
    parser = argparse.ArgumentParser(
        prog="pilotlight control",
        description="The control loop: check its configuration, watch, record, repeat and simulate it.",
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
