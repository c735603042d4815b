# SPDX-License-Identifier: Apache-2.0
"""What state a firing channel is in and why it cannot be armed. No I/O."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bank import CHANNELS

if TYPE_CHECKING:
    from .settings import ChannelSettings


class State(enum.IntEnum):
    """States of a channel, as published."""

    UNCONFIGURED = 0
    OFF = 1
    FAULT = 2
    ARMED = 3
    FIRING = 4


@dataclass(frozen=True)
class Channel:
    """One channel as last checked.

    ``output`` is the logical level read back from the line, None when it cannot be read. ``reason`` is a
    sentence for UNCONFIGURED and FAULT.
    """

    number: int
    state: State
    output: bool | None = None
    reason: str = ""


def judge(number: int, output: bool | None, trouble: str = "") -> Channel:
    """The channel for what its held line says: it is commanded off, so it is OFF only when it reads off."""
    if trouble:
        return Channel(number, State.FAULT, output, trouble)
    if output is None:
        return Channel(number, State.FAULT, None, f"channel {number}: the line is not held")
    if output:
        reason = (
            f"channel {number}: the line reads on though it is commanded off; check wiring and other users of the line"
        )
        return Channel(number, State.FAULT, output, reason)
    return Channel(number, State.OFF, output)


def unconfigured(number: int) -> Channel:
    """The channel that igniter.yaml does not mention."""
    return Channel(
        number, State.UNCONFIGURED, None, f"channel {number} has no line; name one under `channels` in igniter.yaml"
    )


def why_not_armable(channels: Mapping[int, Channel], number: int) -> str:
    """Why the channel cannot be armed while all outputs are only held off: there is always a reason."""
    channel = channels.get(number)
    if channel is None:
        return f"there is no channel {number}; channels are 1 to {CHANNELS}. Nothing was armed, all outputs stay off"
    if channel.state is not State.OFF:
        return f"{channel.reason}. Nothing was armed, all outputs stay off"
    return (
        f"channel {number} is sound, but igniter.yaml has no `arming` entry: the outputs are only held off. "
        "Nothing was armed; add `arming` with a kill switch, see docs/igniter.md"
    )


def conflicts(channels: Mapping[int, ChannelSettings]) -> list[str]:
    """Lines that two channels name, a sentence each."""
    users: dict[tuple[str, int], int] = {}
    found = []
    for number, settings in sorted(channels.items()):
        first = users.setdefault((settings.chip, settings.line), number)
        if first != number:
            found.append(f"channels {first} and {number} both name line {settings.line} of {settings.chip}")
    return found


def problems(channels: Mapping[int, Channel]) -> list[str]:
    """What is wrong: the reason of every faulted channel."""
    return [c.reason for c in channels.values() if c.state is State.FAULT]
