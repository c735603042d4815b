# SPDX-License-Identifier: Apache-2.0
"""What about the lines would make arming unsafe though each of them can be had. No I/O."""

from __future__ import annotations

from pilotlight.io.undriven import RP1, rests_high

from .settings import ArmingSettings, ChannelSettings, IgniterSettings, KillSwitchSettings


def dangers(settings: IgniterSettings, arming: ArmingSettings, label: str) -> list[str]:
    """A sentence for each; empty when there is none. With one of them nothing may be armed.

    `label` is that of the chip of the outputs, whatever the settings call it.
    """
    found = _kill_switch(arming.kill_switch)
    real = [channel for channel in settings.channels.values() if not settings.simulates(channel.chip)]
    if real and settings.simulates(arming.kill_switch.chip):
        found.append("the kill switch is on a simulated chip, and the outputs are real ones: give it a real line")
    if real and label == RP1:
        found += [text for number, channel in sorted(settings.channels.items()) if (text := _output(number, channel))]
    return found


def _output(number: int, channel: ChannelSettings) -> str:
    """Why an output on the chip of the header is not off while nobody drives its line; empty when it is."""
    high = rests_high(RP1, channel.line)
    if high is None:
        return f"channel {number} is on line {channel.line}, which is none of the header"
    if high is channel.active_low:
        return ""
    pulled, right = ("up", "9 to 27") if high else ("down", "0 to 8")
    return (
        f"channel {number} would be on whenever nobody drives its line {channel.line}, which is pulled {pulled}, at a "
        f"reset or after the daemon's death: take one of lines {right}"
    )


def _kill_switch(switch: KillSwitchSettings) -> list[str]:
    if switch.pull == switch.opening_pull:
        return []
    return [
        f"with bias {switch.pull} a cut wire of the kill switch may read closed, which is its {switch.closed} level: "
        f"leave `bias` out, or make it {switch.opening_pull}"
    ]
