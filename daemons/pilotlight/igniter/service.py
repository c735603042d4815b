# SPDX-License-Identifier: Apache-2.0
"""D-Bus object of the igniter; see the interface file."""

from __future__ import annotations

from typing import Any

from pilotlight.daemon import DaemonError, Service, Typed, command

from .core import Channel, State, problems, unconfigured, why_not_armable
from .settings import CHANNELS, ChannelSettings


class NotArmable(DaemonError):
    """The channel cannot be armed; the message has the reason."""

    dbus_name = "io.pilotlight.Error.NotArmable"


class Igniter(Service):
    """Channel states, and the refusal to arm."""

    interface = "io.pilotlight.Igniter1"

    def __init__(self, configured: dict[int, ChannelSettings]) -> None:
        super().__init__()
        self._configured = configured
        self._channels = {number: unconfigured(number) for number in range(1, CHANNELS + 1)}

    @property
    def States(self) -> list[str]:
        """State of channel 1 to 4."""
        return [channel.state.name for channel in self._channels.values()]

    def Channels(self) -> list[dict[str, Any]]:
        """All channels with their lines."""
        return [self._describe(channel) for channel in self._channels.values()]

    @command(group="pilotlight-igniter")
    def Arm(self, channel: int) -> None:
        """Refused, with the reason."""
        raise NotArmable(why_not_armable(self._channels, channel))

    def problems(self) -> list[str]:
        """Reasons of faulted channels."""
        return problems(self._channels)

    def details(self) -> dict[str, Any]:
        """Own keys of ``Status``."""
        return {
            "Armed": False,
            "Configured": Typed("u", len(self._configured)),
            "States": Typed("as", self.States),
        }

    def update(self, channels: dict[int, Channel]) -> bool:
        """Take over what was checked; True when something changed, which is announced."""
        changed = channels != self._channels
        states = self.States
        self._channels = channels
        if self.States != states:
            self.changed("States")
        return changed

    def _describe(self, channel: Channel) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Channel": Typed("u", channel.number),
            "State": channel.state.name,
            "Commanded": False,
            "Reason": channel.reason,
        }
        if channel.output is not None:
            entry["Output"] = channel.output
        settings = self._configured.get(channel.number)
        if settings is not None and channel.state is not State.UNCONFIGURED:
            entry |= {"Chip": settings.chip, "Line": Typed("u", settings.line), "ActiveLow": settings.active_low}
        return entry
