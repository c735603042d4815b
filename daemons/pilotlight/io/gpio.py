# SPDX-License-Identifier: Apache-2.0
"""Real chips through the GPIO library (gpiod 2.x). Nothing here touches hardware until a chip is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import gpiod
from gpiod.line import Bias, Clock, Edge, Value
from gpiod.line import Direction as Way

from pilotlight.io.edges import MAX_EDGES, GpioEdges
from pilotlight.io.lines import CONSUMER, Direction, LineConfig, LineError
from pilotlight.io.uapi import LineRequest

DEVICES = Path("/dev")
SYSFS = Path("/sys/bus/gpio/devices")
_BIAS = {
    "as-is": Bias.AS_IS,
    "pull-up": Bias.PULL_UP,
    "pull-down": Bias.PULL_DOWN,
    "disabled": Bias.DISABLED,
}


def chip_paths(devices: Path = DEVICES) -> list[Path]:
    """The chip devices of this machine, in order of their number."""
    paths = [path for path in devices.glob("gpiochip*") if path.name[8:].isdigit()]
    return sorted((path for path in paths if gpiod.is_gpiochip_device(str(path))), key=lambda path: int(path.name[8:]))


def chips(devices: Path = DEVICES) -> dict[str, tuple[str, int]]:
    """Every chip that is for us: its name (`gpiochip0`) with its label and number of lines.

    A chip that we may not open is the machine's own, for instance its storage's supply, and is left out.
    """
    found = {}
    for path in chip_paths(devices):
        try:
            with gpiod.Chip(str(path)) as chip:
                info = chip.get_info()
        except PermissionError:
            continue
        found[info.name] = (info.label, info.num_lines)
    return found


def driver(name: str, sysfs: Path = SYSFS) -> str:
    """The driver of the chip with this name (`gpiochip0`); empty when the kernel does not tell."""
    link = (sysfs / name).resolve().parent / "driver"
    return link.resolve().name if link.exists() else ""


def open_chip(chip: str, devices: Path = DEVICES) -> GpioChip:
    """The chip with this label or name. LineError when none or more than one has the label."""
    found = chips(devices)
    names = _names(chip, found)
    if len(names) > 1:
        raise LineError(f"the label {chip} is borne by {', '.join(names)}: name the chip by its name in io.yaml")
    if not names:
        present = ", ".join(f"{name} ({label}, {count} lines)" for name, (label, count) in found.items())
        raise LineError(f"there is no chip {chip}; this machine has {present or 'no GPIO chips'}")
    return GpioChip(chip, gpiod.Chip(str(devices / names[0])))


def identity(chip: str, devices: Path = DEVICES, sysfs: Path = SYSFS) -> tuple[str, str]:
    """Label and driver of the chip with this label or name; both are empty when there is none."""
    found = chips(devices)
    for name in _names(chip, found):
        return found[name][0], driver(name, sysfs)
    return "", ""


def _names(chip: str, found: dict[str, tuple[str, int]]) -> list[str]:
    return [chip] if chip in found else [name for name, (label, _) in found.items() if label == chip]


def settings(line: LineConfig, value: bool) -> gpiod.LineSettings:
    """What the library is asked for one line; `value` is the first logical level of an output."""
    return gpiod.LineSettings(
        direction=Way.INPUT if line.direction is Direction.INPUT else Way.OUTPUT,
        bias=_BIAS[line.bias],
        active_low=line.active_low,
        debounce_period=timedelta(microseconds=line.debounce_us),
        output_value=Value.ACTIVE if value else Value.INACTIVE,
    )


class GpioChip:
    """An open chip."""

    def __init__(self, name: str, chip: gpiod.Chip) -> None:
        self._name = name
        self._chip = chip
        self.line_count = chip.get_info().num_lines

    def request(self, lines: Sequence[LineConfig], values: int = 0) -> LineRequest:
        """Hold `lines` in one request; LineError names the line and its present user when one is taken."""
        for line in lines:
            self._check_free(line)
        wanted: dict[int | str | tuple[int | str, ...], gpiod.LineSettings | None] = {
            line.line: settings(line, bool(values >> position & 1)) for position, line in enumerate(lines)
        }
        with _refusals(self._name, lines):
            request = self._chip.request_lines(config=wanted, consumer=CONSUMER)
        if list(request.offsets) != [line.line for line in lines]:
            request.release()
            raise LineError(f"{self._name}: the library changed the order of the lines; no line is held")
        # The lines stay held as long as one descriptor of the request is open.
        held = LineRequest(os.dup(request.fd), len(lines))
        request.release()
        return held

    def watch(self, line: LineConfig) -> GpioEdges:
        """Hold one input with its edges; LineError names the line and its present user when it is taken."""
        self._check_free(line)
        asked = settings(line, False)
        asked.edge_detection = Edge.BOTH
        asked.event_clock = Clock.MONOTONIC
        with _refusals(self._name, [line]):
            request = self._chip.request_lines(
                config={line.line: asked}, consumer=CONSUMER, event_buffer_size=MAX_EDGES
            )
        held = GpioEdges(os.dup(request.fd))
        request.release()
        return held

    def close(self) -> None:
        """Close the chip; requests stay held."""
        self._chip.close()

    def _check_free(self, line: LineConfig) -> None:
        if line.line >= self.line_count:
            raise LineError(f"{line.name}: chip {self._name} has lines 0 to {self.line_count - 1}, not {line.line}")
        info = self._chip.get_line_info(line.line)
        if info.used:
            raise LineError(
                f"{line.name}: line {line.line} of chip {self._name} is in use by {info.consumer or 'the kernel'}; "
                "end that user or map another line"
            )


@contextmanager
def _refusals(chip: str, lines: Sequence[LineConfig]) -> Iterator[None]:
    names = ", ".join(line.name for line in lines)
    try:
        yield
    except (OSError, ValueError) as error:
        raise LineError(
            f"chip {chip} refuses its lines {names}: {error}; no line of it is held. "
            "Check bias and debounce (at most ten different settings a chip) and the permissions of the device"
        ) from error
