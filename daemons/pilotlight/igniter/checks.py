# SPDX-License-Identifier: Apache-2.0
"""What has to be true before a channel is armed, each with a sentence that says what is wrong and what to do."""

from __future__ import annotations

import enum


class Check(enum.IntFlag):
    """Arming checks. A set bit means that the check fails."""

    LINES = 1
    """The lines of every selected channel are held."""
    KILL_SWITCH = 2
    """The kill switch can be read and is closed."""
    WATCHDOGS = 4
    """The guard and the parent give signs of life."""
    OUTPUTS_OFF = 8
    """Every output reads off."""
    NO_FAULT = 16
    """No selected channel has a fault and no latch stands."""
    INTERLOCKS = 32
    """Every interlock tag is true, good and recent, and was since the last look."""
    PERSISTENCE = 64
    """The driver of the outputs is known to give them back when their process dies."""
    CONTINUITY = 128
    """Every selected channel has a match connected."""
    CLOCK = 256
    """The wall clock is set, so that records can be dated."""
    REAL_TIME = 512
    """Loop and guard have real-time priority."""
    SENSORS = 1024
    """Motion sensor and barometer of the control loop are sound, where there is one."""


FORCEABLE = Check.CONTINUITY | Check.CLOCK | Check.REAL_TIME | Check.SENSORS
"""Checks that a person may override for one arming. All others cannot be forced by anybody."""
TOLD = Check.INTERLOCKS | Check.PERSISTENCE | Check.CLOCK | Check.SENSORS
"""Checks that only the parent can make; it tells the loop."""
ALL = Check((1 << len(Check)) - 1)
TEXTS = {
    Check.LINES: "a selected channel is not configured, or its lines are not held; see Status and igniter.yaml",
    Check.KILL_SWITCH: "the kill switch is open or cannot be read; close it, or mend its wiring",
    Check.WATCHDOGS: "the guard or the parent of the firing loop is silent; they are restarted by themselves",
    Check.OUTPUTS_OFF: "an output reads on though it is commanded off; disconnect the matches and check the wiring",
    Check.NO_FAULT: "a selected channel has a fault or the fault latch stands; find the cause, then clear the fault",
    Check.INTERLOCKS: "an interlock does not hold, or did not a moment ago; see Interlocks in Status",
    Check.PERSISTENCE: "it is not known that outputs go off when their process dies; on the header's chip boot with "
    "dtparam=strict_gpiod, take no chip of another kind",
    Check.CONTINUITY: "a selected channel has no match connected, or its continuity is not measured",
    Check.CLOCK: "the wall clock is not set, records of shots would be misdated; let the device set its time",
    Check.REAL_TIME: "the firing loop or its guard has no real-time priority, windows may be late; check LimitRTPRIO= "
    "of the unit",
    Check.SENSORS: "the control loop is silent, or one of its sensors is; see `pilotlight control status`",
}


def parse(names: list[str]) -> Check:
    """The checks that `names` name (`CONTINUITY`). ValueError says which name is none, or cannot be forced."""
    found = Check(0)
    for name in names:
        if name not in Check.__members__:
            raise ValueError(f"there is no arming check {name}; one of {', '.join(Check.__members__)}")
        if not Check[name] & FORCEABLE:
            raise ValueError(
                f"the arming check {name} cannot be forced; only {', '.join(c.name or '' for c in FORCEABLE)}"
            )
        found |= Check[name]
    return found


def explain(failing: Check) -> str:
    """The sentences of all failing checks; empty when none fails."""
    return "; ".join(f"{check.name}: {TEXTS[check]}" for check in Check if check & failing)


def names(found: Check) -> list[str]:
    """The names of the checks."""
    return [str(check.name) for check in Check if check & found]
