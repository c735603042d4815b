# SPDX-License-Identifier: Apache-2.0
"""What the bus object shows, made from the segment's values by name. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotlight.daemon import Typed

from .arming import Cause, Mode
from .bank import CHANNELS
from .channel import Continuity, Fault
from .checks import FORCEABLE, TEXTS, Check
from .core import Channel, State
from .records import Shot, verdict
from .settings import ChannelSettings

Values = Mapping[str, Any]


def state(number: int, values: Values) -> str:
    """The state of a channel; FAULT while nothing is known."""
    return State(values[f"Channel{number}.State"]).name if values else State.FAULT.name


def channel(number: int, values: Values, settings: ChannelSettings | None) -> dict[str, Any]:
    """One channel as the loop publishes it."""
    entry: dict[str, Any] = {"Channel": Typed("u", number), "State": state(number, values), "Reason": ""}
    if values:
        fault = Fault(values[f"Channel{number}.Fault"])
        entry |= {
            "Commanded": bool(values[f"Channel{number}.Commanded"]),
            "Output": bool(values[f"Channel{number}.Output"]),
            "Fault": fault.name,
            "Continuity": Continuity(values[f"Channel{number}.Continuity"]).name,
            "Remaining": Typed("u", values[f"Channel{number}.Remaining"]),
            "Reason": _reason(number, fault),
        }
    return entry | _lines(settings)


def held_channel(held: Channel, configured: Mapping[int, ChannelSettings]) -> dict[str, Any]:
    """One channel while outputs are only held off."""
    entry: dict[str, Any] = {
        "Channel": Typed("u", held.number),
        "State": held.state.name,
        "Commanded": False,
        "Reason": held.reason,
    }
    if held.output is not None:
        entry["Output"] = held.output
    return entry | _lines(configured.get(held.number))


def checks(failing: Check, unlocked: list[str]) -> list[dict[str, Any]]:
    """Every arming check with its verdict and, if it fails, what to do."""
    entries = []
    for check in Check:
        fails = bool(check & failing)
        text = TEXTS[check] if fails else ""
        if fails and check is Check.INTERLOCKS and unlocked:
            text = "; ".join(unlocked)
        entries.append(
            {"Check": str(check.name), "Passed": not fails, "Forceable": bool(check & FORCEABLE), "Text": text}
        )
    return entries


def shot(done: Shot) -> dict[str, Any]:
    """The record of a shot; times are CLOCK_MONOTONIC nanoseconds."""
    return {
        "Number": Typed("u", done.number),
        "Channel": Typed("u", done.channel),
        "Window": Typed("u", done.window_ms),
        "Commanded": Typed("t", done.commanded_ns),
        "On": Typed("t", done.on_ns),
        "Off": Typed("t", done.off_ns),
        "OnTime": done.on_ms,
        "End": done.end.name,
        "Verdict": verdict(done),
        "Status": Typed("ai", done.trace),
    }


def summary(values: Values, unlocked: list[str]) -> dict[str, Any]:
    """The igniter as a whole."""
    if not values:
        return {"Armed": False, "Mode": Mode.SAFE.name, "Interlocks": Typed("as", unlocked)}
    return {
        "Armed": values["Mode"] == Mode.ARMED,
        "Mode": Mode(values["Mode"]).name,
        "Cause": Cause(values["Cause"]).name,
        "FaultLatched": bool(values["FaultLatched"]),
        "KillSwitchClosed": bool(values["KillSwitch"]),
        "Session": bool(values["Session"]),
        "Interlocks": Typed("as", unlocked),
    }


def problems(values: Values) -> list[str]:
    """The reason of every faulted channel."""
    faults = [(n, Fault(values[f"Channel{n}.Fault"])) for n in range(1, CHANNELS + 1)] if values else []
    return [_reason(number, fault) for number, fault in faults if fault is not Fault.NONE]


def _reason(number: int, fault: Fault) -> str:
    if fault is Fault.NONE:
        return ""
    return f"channel {number}: fault {fault.name}; its output is off; find the cause, then ClearFaults"


def _lines(settings: ChannelSettings | None) -> dict[str, Any]:
    if settings is None:
        return {}
    return {"Chip": settings.chip, "Line": Typed("u", settings.line), "ActiveLow": settings.active_low}
