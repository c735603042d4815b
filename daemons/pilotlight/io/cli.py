# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight lines`: the pin map, the levels, and the inputs of a simulated chip."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import yaml

from pilotlight.io import config, drivers
from pilotlight.io.lines import Direction, LineConfig, LineError, PinMap, describe
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import SegmentMissing, SegmentReader

_EXAMPLES = """\
examples:
  pilotlight lines                     the pin map of io.yaml with the level of every line
  pilotlight lines get start           the level of one line: 0 or 1
  pilotlight lines set start 1         drive the simulated input 'start' to TRUE
  pilotlight lines watch               print every change of a line until Ctrl-C
  pilotlight lines check               say what is wrong with io.yaml, if anything

Levels are logical: an active-low input whose pin is at 0 V reads 1. `set` works on lines of the simulated chip only;
an output belongs to the program: force it over D-Bus (Runtime1.Force).
"""


class RefusedError(Exception):
    """Something the user can mend; shown without a traceback."""


def main(argv: Sequence[str]) -> int:
    """Run the tool; returns 0, 1 when refused (reason on stderr), 2 for a usage error."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        settings = _settings()
        action: Callable[[argparse.Namespace, config.IoSettings], None] = options.action
        action(options, settings)
    except (RefusedError, LineError, config.PinMapError) as refusal:
        print(f"pilotlight lines: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotlight lines",
        description="Show the digital lines of io.yaml, read them, and drive inputs of the simulated chip.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(action=_list)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("list", help="the pin map with levels (the default)").set_defaults(action=_list)
    commands.add_parser("check", help="check io.yaml against this machine").set_defaults(action=_check)
    get = commands.add_parser("get", help="print the level of one line")
    get.add_argument("name", help="name of the line in io.yaml")
    get.set_defaults(action=_get)
    put = commands.add_parser("set", help="drive an input of the simulated chip")
    put.add_argument("name", help="name of the line in io.yaml")
    put.add_argument("level", choices=["0", "1", "off", "on", "false", "true"], help="the logical level")
    put.set_defaults(action=_set)
    watch = commands.add_parser("watch", help="print changes until Ctrl-C")
    watch.add_argument("--count", type=int, default=0, metavar="N", help="end after N changes")
    watch.set_defaults(action=_watch)
    return parser


def _settings() -> config.IoSettings:
    path = Path(os.environ.get("PILOTLIGHT_ETC", "/etc/pilotlight")) / "io.yaml"
    try:
        return config.settings_of(yaml.load(path.read_text(), yaml.CSafeLoader))
    except FileNotFoundError:
        return config.IoSettings()
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise RefusedError(f"{path} cannot be used: {error}") from error


def _map(settings: config.IoSettings) -> PinMap:
    return config.pin_map(settings, drivers.line_counts(settings))


def _line(settings: config.IoSettings, name: str) -> LineConfig:
    for line in _map(settings).lines:
        if line.name == name:
            return line
    raise RefusedError(f"io.yaml has no line {name}; it has: {', '.join(settings.lines) or 'none'}")


def _level(settings: config.IoSettings, line: LineConfig, published: dict[str, bool]) -> bool | None:
    """The logical level: from the simulated chip itself, else as the runtime last published it."""
    if settings.simulated is not None and settings.simulated.label == line.chip:
        chip = SimulatedChip.existing(drivers.simulated_path(line.chip))
        try:
            return chip.level(line.line)[0] != line.active_low
        finally:
            chip.close()
    return published.get(line.name)


def _published() -> dict[str, bool]:
    """The levels in segment `plc`; empty when the runtime is not up."""
    try:
        reader = SegmentReader.open("plc")
    except SegmentMissing:
        return {}
    names = [tag.name for tag in reader.directory if tag.name.startswith("Line.")]
    return {reading.name.removeprefix("Line."): bool(reading.value) for reading in reader.read(*names)} if names else {}


def _list(_: argparse.Namespace, settings: config.IoSettings) -> None:
    pin_map = _map(settings)
    table = describe(pin_map.lines).splitlines()
    if not pin_map.lines:
        print("io.yaml maps no lines.")
        return
    published = _published()
    print(f"LEVEL  {table[0]}")
    for line, row in zip(sorted(pin_map.lines, key=lambda line: (line.address, line.name)), table[1:], strict=True):
        try:
            level = _level(settings, line, published)
        except LineError:
            level = None
        print(f"{'-' if level is None else int(level):<5}  {row}")


def _check(_: argparse.Namespace, settings: config.IoSettings) -> None:
    pin_map = _map(settings)
    print(f"io.yaml is sound: {len(pin_map.inputs)} inputs, {len(pin_map.outputs)} outputs.")
    print(describe(pin_map.lines))


def _get(options: argparse.Namespace, settings: config.IoSettings) -> None:
    level = _level(settings, _line(settings, options.name), _published())
    if level is None:
        raise RefusedError(
            f"the level of {options.name} is not known: the runtime is not up (systemctl status pilotlight-runtime)"
        )
    print(int(level))


def _set(options: argparse.Namespace, settings: config.IoSettings) -> None:
    line = _line(settings, options.name)
    if settings.simulated is None or settings.simulated.label != line.chip:
        raise RefusedError(
            f"{line.name} is a line of the real chip {line.chip}: only lines of the simulated chip can be set"
        )
    if line.direction is Direction.OUTPUT:
        raise RefusedError(f"{line.name} is an output ({line.address}): it belongs to the program")
    level = options.level in ("1", "on", "true")
    chip = SimulatedChip.existing(drivers.simulated_path(line.chip))
    try:
        chip.drive(line.line, level != line.active_low)
    finally:
        chip.close()


def _watch(options: argparse.Namespace, settings: config.IoSettings) -> None:
    known: dict[str, bool] = {}
    shown = 0
    try:
        reader = SegmentReader.open("plc")
    except SegmentMissing as error:
        raise RefusedError(
            "the runtime is not up: there is no segment 'plc' to watch (systemctl status pilotlight-runtime)"
        ) from error
    while options.count <= 0 or shown < options.count:
        for name, level in _published().items():
            if known.get(name) != level:
                known[name] = level
                print(f"{name} {int(level)}", flush=True)
                shown += 1
        reader.wait(1.0)
        if not reader.current():
            reader.reopen()
