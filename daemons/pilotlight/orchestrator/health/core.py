# SPDX-License-Identifier: Apache-2.0
"""What a look at the appliance says about its fitness, in sentences. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

RUNNING = "RUNNING"


class Daemon(NamedTuple):
    """A daemon's unit: its state, and for how long it has been active (seconds; 0 when it is not)."""

    name: str
    active: str
    active_s: float


class Look(NamedTuple):
    """One look. Texts are empty where all is well, and say what is not where it is not."""

    daemons: Sequence[Daemon]
    systemd: str
    """Why systemd does not tell about the daemons."""
    program: str
    """State of the PLC; empty when the runtime does not tell."""
    web: str
    """Why the web does not answer."""
    mounts: str
    """The kernel's table of mounts."""
    root_device: str
    """Identity of the device under the root file system."""
    slot: str
    """Why it is not known which slot runs."""


class Wanted(NamedTuple):
    """What must be: these daemons, each active for `settle_s` seconds; a program that runs, if it ran before."""

    daemons: Sequence[str]
    settle_s: float
    program_runs: bool


class Mount(NamedTuple):
    """A mounted file system: the number of its device, and the options it has for everybody."""

    device: str
    options: Sequence[str]


def mounted(table: str, point: str) -> Mount | None:
    """The file system at a mount point, from ``/proc/self/mountinfo``; None when there is none."""
    found = None
    for line in table.splitlines():
        place, _, rest = line.partition(" - ")
        fields, more = place.split(), rest.split()
        if len(fields) > 5 and len(more) > 2 and fields[4] == point:
            found = Mount(fields[2], more[2].split(","))
    return found


def reasons(look: Look, wanted: Wanted) -> list[str]:
    """Why the appliance is not fit, a sentence each; nothing when it is."""
    found = [look.slot] if look.slot else []
    found += [f"systemd does not tell about the daemons: {look.systemd}"] if look.systemd else []
    by_name = {daemon.name: daemon for daemon in look.daemons}
    for name in wanted.daemons if not look.systemd else ():
        daemon = by_name.get(name)
        if daemon is None or daemon.active != "active":
            found.append(f"{name} is not ready: its unit is {daemon.active if daemon else 'not there'}")
        elif daemon.active_s < wanted.settle_s:
            found.append(f"{name} has been ready for {daemon.active_s:.0f} s only: it was restarted")
    if not look.program:
        found.append("the runtime does not tell its state")
    elif wanted.program_runs and look.program != RUNNING:
        found.append(f"a program ran before the restart and does not run now: the PLC is {look.program}")
    if look.web:
        found.append(f"the web does not answer: {look.web}")
    data = mounted(look.mounts, "/data")
    if data is None or "rw" not in data.options:
        found.append("the data partition is not mounted for writing")
    if not look.root_device.startswith("CRYPT-VERITY"):
        found.append("the root file system is not a verified one")
    return found
