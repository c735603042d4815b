# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight control`: what concerns the control loop, from the console."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pilotlight.runtime.control import pins, printing
from pilotlight.runtime.control.loading import ControlSettingsError, load

_EXAMPLES = """\
examples:
  pilotlight control check control.toml                  what is wrong with it, and its pin map
  pilotlight control check control.toml --print-config   all settings with their defaults filled in
"""


def main(argv: Sequence[str]) -> int:
    """Run the tool; returns 0, 1 when the configuration is refused, 2 for a usage error."""
    parser = argparse.ArgumentParser(
        prog="pilotlight control",
        description="Check the configuration of the control loop.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="say what is wrong with a configuration, and show its pin map")
    check.add_argument("config", type=Path, help="the TOML file")
    check.add_argument("--print-config", action="store_true", help="print all settings instead of the pin map")
    check.set_defaults(action=_check)
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
