# SPDX-License-Identifier: Apache-2.0
"""The output lines of the channels: held, driven off, read back."""

from __future__ import annotations

import os
from pathlib import Path

from pilotlight.io.lines import Address, Chip, LineConfig, LineError, Request
from pilotlight.io.simulated import SimulatedChip

from .bank import CHANNELS
from .core import Channel, conflicts, judge, unconfigured
from .settings import ChannelSettings, IgniterSettings


def simulated_path(label: str) -> Path:
    """File of the igniter's simulated chip."""
    return Path(os.environ.get("PILOTLIGHT_RUN", "/run/pilotlight")) / "igniter" / f"{label}.lines"


class Outputs:
    """All channels' lines, one request a channel, so that one line that is taken leaves the others held."""

    def __init__(self, settings: IgniterSettings) -> None:
        """Raises LineError when two channels name the same line; then no line is held."""
        clash = conflicts(settings.channels)
        if clash:
            raise LineError("igniter.yaml: " + "; ".join(clash) + ". No line is held")
        self._settings = settings
        self._held: dict[int, Request] = {}
        self._trouble: dict[int, str] = {}

    def check(self, request: bool = True) -> dict[int, Channel]:
        """Drive all lines off and read all back; with ``request`` first hold those that are not held yet."""
        return {number: self._check(number, request) for number in range(1, CHANNELS + 1)}

    def close(self) -> None:
        """Drive all off and let go. A line that fails is let go all the same."""
        for number in list(self._held):
            self._check(number, request=False)
            self._release(number)

    def _check(self, number: int, request: bool) -> Channel:
        wanted = self._settings.channels.get(number)
        if wanted is None:
            return unconfigured(number)
        try:
            held = self._held.get(number)
            if held is None and not request:
                return judge(number, None, self._trouble.get(number, ""))
            if held is None:
                held = self._held[number] = self._request(number, wanted)
            held.write(0)
            return judge(number, bool(held.read()))
        except (LineError, OSError) as error:
            self._release(number)
            self._trouble[number] = f"channel {number}: {error}"
            return judge(number, None, self._trouble[number])

    def _request(self, number: int, wanted: ChannelSettings) -> Request:
        line = LineConfig(
            f"channel {number}", wanted.chip, wanted.line, Address("Q", 0, number - 1), active_low=wanted.active_low
        )
        chip = self._open(wanted.chip)
        try:
            return chip.request([line], 0)
        finally:
            chip.close()

    def _open(self, name: str) -> Chip:
        simulated = self._settings.simulated
        if simulated is not None and simulated.label == name:
            path = simulated_path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            return SimulatedChip.create(path, simulated.lines)
        from pilotlight.io import gpio

        return gpio.open_chip(name)

    def _release(self, number: int) -> None:
        request = self._held.pop(number, None)
        if request is not None:
            request.close()
