# SPDX-License-Identifier: Apache-2.0
"""``igniter.yaml``: which lines each firing channel has, and whether and how it may be armed.

    channels:
      1: {chip: pinctrl-rp1, line: 22, status: 17}
      2: {chip: pinctrl-rp1, line: 23, status: 18}
    arming:
      kill_switch: {chip: pinctrl-rp1, line: 24}
    simulated: {label: igniter0, lines: 8}    # a simulated chip, for machines without lines

A channel that is not listed is unconfigured. Without ``arming`` all outputs are held off and nothing can be armed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from pilotlight.daemon.settings import Settings

from .bank import CHANNELS

Chip = Annotated[str, Meta(min_length=1, max_length=64)]
Line = Annotated[int, Meta(ge=0, le=65535)]
Forceable = Literal["CONTINUITY", "CLOCK", "REAL_TIME", "SENSORS"]
Bias = Literal["as-is", "pull-up", "pull-down", "disabled"]


class ChannelSettings(Settings, frozen=True):
    """The lines of a channel: its output and, for arming, its STATUS input. ``active_low``: the low level fires."""

    chip: Chip
    line: Line
    active_low: bool = False
    status: Line | None = None


class KillSwitchSettings(Settings, frozen=True):
    """The line that has to be closed for anything to be on; ``closed``: its level then.

    ``bias`` is by default the one that draws the line to the other level: a cut wire is an open switch.
    """

    chip: Chip
    line: Line
    closed: Literal["high", "low"] = "high"
    bias: Bias | None = None

    @property
    def opening_pull(self) -> Bias:
        """The bias under which a line that nothing is connected to reads open."""
        return "pull-down" if self.closed == "high" else "pull-up"

    @property
    def pull(self) -> Bias:
        """The bias that the line is requested with."""
        return self.bias or self.opening_pull


class MailboxSettings(Settings, frozen=True):
    """The ``_v1`` mailboxes. ``forced``: checks that arming through them overrides."""

    command: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_.-]{1,199}$")] = "/rt_igniter_command_v1"
    status: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_.-]{1,199}$")] = "/rt_igniter_status_v1"
    forced: tuple[Forceable, ...] = ()


Tag = Annotated[str, Meta(pattern=r"^plc\..+$", max_length=200)]


class ProgramSettings(Settings, frozen=True):
    """The PLC program may arm `channels`, by these tags of segment `plc`. ``forced``: checks that it overrides.

    ``silent_ms``: how old its sign of life may be.
    """

    channels: Annotated[tuple[Annotated[int, Meta(ge=1, le=CHANNELS)], ...], Meta(min_length=1)]
    number: Tag = "plc.IgniterNumber"
    request: Tag = "plc.IgniterRequest"
    select: Tag = "plc.IgniterSelect"
    window: Tag = "plc.IgniterWindow"
    life: Tag = "plc.IgniterLife"
    forced: tuple[Forceable, ...] = ()
    silent_ms: Annotated[int, Meta(ge=50, le=5000)] = 200


class ArmingSettings(Settings, frozen=True):
    """How arming works. Times are in milliseconds; docs/igniter.md explains each."""

    kill_switch: KillSwitchSettings
    status_chip: Chip | None = None
    status_bias: Bias = "pull-up"
    policy: Literal["global", "isolated"] = "global"
    open_load_while_firing: Literal["fault", "ok"] = "fault"
    continuity: bool = False
    latch_faults: bool = True
    stay_armed: bool = False
    settle_ms: Annotated[int, Meta(ge=1, le=1000)] = 5
    default_fire_ms: Annotated[int, Meta(ge=1, le=60_000)] = 200
    max_fire_ms: Annotated[int, Meta(ge=1, le=60_000)] = 2000
    countdown_ms: Annotated[int, Meta(ge=0, le=60_000)] = 3000
    confirm_ms: Annotated[int, Meta(ge=1000, le=600_000)] = 30_000
    armed_ms: Annotated[int, Meta(ge=1000, le=3_600_000)] = 60_000
    lease_ms: Annotated[int, Meta(ge=200, le=30_000)] = 2000
    fresh_ms: Annotated[int, Meta(ge=50, le=10_000)] = 500
    interlocks: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]+\..+$", max_length=200)], ...] = ()
    supervisor_ms: Annotated[int, Meta(ge=200, le=5000)] = 500
    stall_ms: Annotated[int, Meta(ge=8, le=1000)] = 12
    priority: Annotated[int, Meta(ge=0, le=90)] = 60
    mailboxes: MailboxSettings | None = None
    program: ProgramSettings | None = None


class SimulatedSettings(Settings, frozen=True):
    """A simulated chip in ``/run/pilotlight/igniter/<label>.lines``."""

    label: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")] = "igniter0"
    lines: Annotated[int, Meta(ge=1, le=64)] = 8


class IgniterSettings(Settings, frozen=True):
    """The whole file. ``check_ms``: how often held outputs are read back, in milliseconds, 20 to 1000."""

    channels: dict[Annotated[int, Meta(ge=1, le=CHANNELS)], ChannelSettings] = field(default_factory=dict)
    arming: ArmingSettings | None = None
    simulated: SimulatedSettings | None = None
    check_ms: Annotated[int, Meta(ge=20, le=1000)] = 100

    def simulates(self, chip: str) -> bool:
        """Whether this is the simulated chip."""
        return self.simulated is not None and self.simulated.label == chip


def arming_conflicts(settings: IgniterSettings) -> list[str]:
    """What in the settings makes arming impossible, a sentence each; empty when there is no ``arming``."""
    arming = settings.arming
    if arming is None:
        return []
    found = []
    if not settings.channels:
        found.append("`arming` needs at least one entry under `channels`")
    if len({channel.chip for channel in settings.channels.values()}) > 1:
        found.append("with `arming` all outputs are on one chip, so that a single write sets them all")
    found += [f"channel {n} has no `status` line" for n, c in settings.channels.items() if c.status is None]
    if arming.default_fire_ms > arming.max_fire_ms:
        found.append("`default_fire_ms` is above `max_fire_ms`")
    if arming.default_fire_ms <= arming.settle_ms:
        found.append("`default_fire_ms` is not above `settle_ms`: STATUS would say nothing of any such shot")
    found += _program_conflicts(settings, arming)
    users: dict[tuple[str, int], str] = {}
    for name, chip, line in _lines(settings, arming):
        first = users.setdefault((chip, line), name)
        if first != name:
            found.append(f"{first} and {name} are both on line {line} of {chip}")
    return found


def _program_conflicts(settings: IgniterSettings, arming: ArmingSettings) -> list[str]:
    program = arming.program
    if program is None:
        return []
    unknown = sorted(set(program.channels) - set(settings.channels))
    found = [f"`program` names channel {number}, which is not configured" for number in unknown]
    tags = [program.number, program.request, program.select, program.window, program.life]
    found += [f"`program` uses {tag} for two purposes" for tag in sorted({tag for tag in tags if tags.count(tag) > 1})]
    if program.silent_ms > arming.fresh_ms:
        found.append("`silent_ms` of `program` is above `fresh_ms`: its signs of life would count as stale")
    return found


def _lines(settings: IgniterSettings, arming: ArmingSettings) -> list[tuple[str, str, int]]:
    """Every line that arming uses: what for, chip and number."""
    kill = arming.kill_switch
    lines = [("the kill switch", kill.chip, kill.line)]
    for number, channel in sorted(settings.channels.items()):
        lines.append((f"the output of channel {number}", channel.chip, channel.line))
        if channel.status is not None:
            lines.append((f"the status of channel {number}", arming.status_chip or channel.chip, channel.status))
    return lines
