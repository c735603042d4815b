# SPDX-License-Identifier: Apache-2.0
"""The lines of an igniter that can be armed: all outputs in one request, the STATUS inputs, the kill switch."""

from __future__ import annotations

from pilotlight.io.edges import EdgeInput, SimulatedEdges
from pilotlight.io.lines import Address, Chip, LineConfig, LineError, Request
from pilotlight.io.simulated import SimulatedChip
from pilotlight.io.undriven import SIMULATED, persists

from .outputs import simulated_path
from .settings import ArmingSettings, IgniterSettings
from .wiring import dangers


class Held:
    """The lines, held. The outputs are off from the first moment.

    Raises LineError when they cannot be had, or nothing may be armed with them; then no line is held.
    """

    def __init__(self, settings: IgniterSettings, arming: ArmingSettings) -> None:
        self._settings = settings
        self._label, self._driver = self._identity(next(iter(settings.channels.values())).chip)
        unsafe = dangers(settings, arming, self._label)
        if unsafe:
            raise LineError("; ".join(unsafe))
        self._open: list[Request | EdgeInput] = []
        self.numbers = sorted(settings.channels)
        channels = [settings.channels[number] for number in self.numbers]
        chip = channels[0].chip
        outputs = [
            LineConfig(f"output {n}", chip, c.line, Address("Q", 0, n - 1), active_low=c.active_low)
            for n, c in zip(self.numbers, channels, strict=True)
        ]
        status = [
            LineConfig(f"status {n}", arming.status_chip or chip, c.status or 0, Address("I", 0, n - 1),
                       bias=arming.status_bias)
            for n, c in zip(self.numbers, channels, strict=True)
        ]  # fmt: skip
        try:
            self.outputs = self._request(outputs)
            self.status = self._request(status)
            self.kill_switch = self._watch(arming)
        except BaseException:
            self.close()
            raise

    @property
    def enabled(self) -> int:
        """The channels that have lines, a bit each."""
        return sum(1 << (number - 1) for number in self.numbers)

    def persistent(self) -> bool:
        """Whether the outputs may stay as they are when their process dies."""
        return persists(self._label, self._driver)

    def close(self) -> None:
        """Drive all off and let go."""
        if hasattr(self, "outputs"):
            self.outputs.write(0)
        for held in self._open:
            held.close()
        self._open.clear()

    def _request(self, lines: list[LineConfig]) -> Request:
        chip = self._chip(lines[0].chip)
        try:
            request = chip.request(lines, 0)
        finally:
            chip.close()
        self._open.append(request)
        return request

    def _identity(self, name: str) -> tuple[str, str]:
        """Label and driver of a chip."""
        if self._settings.simulates(name):
            return name, SIMULATED
        from pilotlight.io import gpio

        return gpio.identity(name)

    def _chip(self, name: str) -> Chip:
        simulated = self._settings.simulated
        if simulated is not None and simulated.label == name:
            path = simulated_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            return SimulatedChip.create(path, simulated.lines)
        from pilotlight.io import gpio

        return gpio.open_chip(name)

    def _watch(self, arming: ArmingSettings) -> EdgeInput:
        kill = arming.kill_switch
        line = LineConfig(
            "kill switch", kill.chip, kill.line, Address("I", 0, 7), bias=kill.pull, active_low=kill.closed == "low"
        )
        watched: EdgeInput
        if self._settings.simulates(kill.chip):
            self._chip(kill.chip).close()
            watched = SimulatedEdges.open(simulated_path(kill.chip), kill.line, line.active_low)
        else:
            from pilotlight.io import gpio

            chip = gpio.open_chip(kill.chip)
            try:
                watched = chip.watch(line)
            finally:
                chip.close()
        self._open.append(watched)
        return watched
