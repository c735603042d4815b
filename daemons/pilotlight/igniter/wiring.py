# SPDX-License-Identifier: Apache-2.0
"""What about the lines would make arming unsafe though each of them can be had. No I/O."""

from __future__ import annotations

from .settings import ArmingSettings, KillSwitchSettings


def dangers(arming: ArmingSettings) -> list[str]:
    """A sentence for each; empty when there is none. With one of them nothing may be armed."""
    return _kill_switch(arming.kill_switch)


def _kill_switch(switch: KillSwitchSettings) -> list[str]:
    if switch.pull == switch.opening_pull:
        return []
    return [
        f"with bias {switch.pull} a cut wire of the kill switch may read closed, which is its {switch.closed} level: "
        f"leave `bias` out, or make it {switch.opening_pull}"
    ]
