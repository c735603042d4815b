# SPDX-License-Identifier: Apache-2.0
"""``igniter.yaml``: which line each firing channel is.

    channels:
      1: {chip: pinctrl-rp1, line: 5}
      2: {chip: pinctrl-rp1, line: 6, active_low: true}
    simulated: {label: igniter0, lines: 8}    # a simulated chip, for machines without lines

A channel that is not listed is unconfigured.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from pilotlight.daemon.settings import Settings

CHANNELS = 4


class ChannelSettings(Settings, frozen=True):
    """The output line of a channel. ``active_low``: the low level fires."""

    chip: Annotated[str, Meta(min_length=1, max_length=64)]
    line: Annotated[int, Meta(ge=0, le=65535)]
    active_low: bool = False


class SimulatedSettings(Settings, frozen=True):
    """A simulated chip in ``/run/pilotlight/igniter/<label>.lines``."""

    label: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")] = "igniter0"
    lines: Annotated[int, Meta(ge=1, le=64)] = 8


class IgniterSettings(Settings, frozen=True):
    """The whole file. ``check_ms``: how often the outputs are read back, in milliseconds, 20 to 1000."""

    channels: dict[Annotated[int, Meta(ge=1, le=CHANNELS)], ChannelSettings] = field(default_factory=dict)
    simulated: SimulatedSettings | None = None
    check_ms: Annotated[int, Meta(ge=20, le=1000)] = 100
