# SPDX-License-Identifier: Apache-2.0
"""The command `pilotlight`: one door to the tools of the appliance."""

import importlib
import sys
from collections.abc import Sequence

from pilotlight import __version__

TOOLS = {
    "tags": ("pilotlight.tags.cli", "list, read, watch and record the tags of the appliance"),
    "plc": ("pilotlight.plc.cli", "run, test, draw and package PLC programs, on a laptop too"),
    "backup": ("pilotlight.orchestrator.backup.cli", "back up and restore settings, programs, users and keys"),
    "update": ("pilotlight.orchestrator.update.cli", "install updates, see slots and history, go back"),
    "control": ("pilotlight.runtime.control.cli", "the control loop: check, report, record, repeat and simulate it"),
    "igniter": ("pilotlight.igniter.cli", "show the igniter, make it safe, arm and fire"),
    "lines": ("pilotlight.io.cli", "show the pin map, read digital lines, set simulated inputs"),
}


def usage() -> str:
    """The help text: every tool with one line."""
    rows = "\n".join(f"  {name:<8} {purpose}" for name, (_, purpose) in TOOLS.items())
    return (
        "usage: pilotlight TOOL [ARGUMENTS]\n\n"
        f"The tools of a Pilotlight appliance (version {__version__}):\n{rows}\n\n"
        "`pilotlight TOOL --help` explains a tool with examples.\n"
        "Commands to the daemons go over D-Bus: `busctl introspect io.pilotlight.Runtime1 /io/pilotlight/Runtime1`.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool that the first argument names; returns its exit code, 2 for a usage error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"pilotlight {__version__}")
        return 0
    tool = TOOLS.get(arguments[0])
    if tool is None:
        print(f"pilotlight: there is no tool “{arguments[0]}”; one of: {', '.join(TOOLS)}", file=sys.stderr)
        return 2
    run = importlib.import_module(tool[0]).main
    return int(run(arguments[1:]))
