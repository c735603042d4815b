# SPDX-License-Identifier: Apache-2.0
"""From a pin map to held lines: finds the chips, real or simulated, and makes one request a chip and direction."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilotlight.io.config import IoSettings
from pilotlight.io.edges import EdgeInput, SimulatedEdges
from pilotlight.io.lines import Bank, Chip, LineConfig, LineError, PinMap, Request, by_chip
from pilotlight.io.simulated import SimulatedChip


def simulated_path(label: str) -> Path:
    """Where the file of a simulated chip is: `/run/pilotlight/runtime/<label>.lines` (base: `PILOTLIGHT_RUN`)."""
    return Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "runtime" / f"{label}.lines"


def line_counts(settings: IoSettings) -> dict[str, int]:
    """The number of lines of every chip of this machine, by label and by name, the simulated one included."""
    counts: dict[str, int] = {}
    if _needs_gpio(settings):
        from pilotlight.io import gpio

        for name, (label, count) in gpio.chips().items():
            counts[name] = counts[label] = count
    if settings.simulated is not None:
        counts[settings.simulated.label] = settings.simulated.lines
    return counts


@dataclass(frozen=True)
class Lines:
    """All lines of a pin map, held."""

    pin_map: PinMap
    inputs: Bank
    outputs: Bank
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def drive_safe(self) -> None:
        """Give every output its safe value, from any thread. Every chip is tried; OSError when one failed."""
        with self._one_at_a_time:
            self.outputs.write(self.pin_map.safe_bits)

    def close(self) -> None:
        """Give all lines back."""
        self.inputs.close()
        self.outputs.close()


def hold(pin_map: PinMap, settings: IoSettings) -> Lines:
    """Request all lines of `pin_map`, outputs at their safe values from the first moment.

    LineError when a chip or line refuses; then no line is held.
    """
    made: list[Request] = []
    chips: dict[str, Chip] = {}
    try:
        for name in pin_map.chips:
            chips[name] = _open(name, settings)
        inputs = _request(pin_map.inputs, chips, made)
        outputs = _request(pin_map.outputs, chips, made)
    except LineError:
        for request in made:
            request.close()
        raise
    finally:
        for chip in chips.values():
            chip.close()
    return Lines(pin_map, Bank(inputs), Bank(outputs))


def _request(lines: Sequence[LineConfig], chips: dict[str, Chip], made: list[Request]) -> list[Request]:
    requests = []
    for name, group in by_chip(lines).items():
        values = sum(line.safe << position for position, line in enumerate(group))
        requests.append(chips[name].request(group, values))
        made.append(requests[-1])
    return requests


def _open(name: str, settings: IoSettings) -> Chip:
    if settings.simulated is not None and settings.simulated.label == name:
        return SimulatedChip.create(simulated_path(name), settings.simulated.lines)
    from pilotlight.io import gpio

    return gpio.open_chip(name)


def watch(line: LineConfig, simulated: str | None = None) -> EdgeInput:
    """Hold one input with its edges; `simulated` is the label of the simulated chip, whose file must exist.

    LineError when the chip or line refuses. A line of a simulated chip is not marked as held: others may watch it too.
    """
    if line.chip == simulated:
        return SimulatedEdges.open(simulated_path(line.chip), line.line, line.active_low)
    from pilotlight.io import gpio

    chip = gpio.open_chip(line.chip)
    try:
        return chip.watch(line)
    finally:
        chip.close()


def _needs_gpio(settings: IoSettings) -> bool:
    simulated = settings.simulated.label if settings.simulated is not None else None
    return any(line.chip != simulated for line in settings.lines.values())
