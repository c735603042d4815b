# SPDX-License-Identifier: Apache-2.0
"""What stands against arming has it refused, in words: the same on simulated lines and on lines of the kernel."""

from tests.support.appliance import run
from tests.support.igniting import KILL, STATUS, Site, configure, script

# The daemon has a sysfs of its own. There it is to see what a driver shows that lets the lines persist.
_INSIDE = "nsenter --mount --target=$(systemctl show --value -p MainPID pilotlight-igniter) sh -c"
_PLACE = "/sys/module/pinctrl_rp1/parameters"
PERSISTENT = (
    f"{_INSIDE} 'mountpoint -q /sys/module || mount -t tmpfs none /sys/module; "
    f"mkdir -p {_PLACE} && echo Y >{_PLACE}/persist_gpio_outputs'"
)
NOT_PERSISTENT = f"{_INSIDE} 'umount /sys/module'"


def refused(site: Site, check: str, command: str = "true", undo: str = "true", channel: int = 1) -> None:
    """After the command arming is refused, and the refusal says of the check what the list of checks says."""
    try:
        told, said = script(site, "refused", check, str(channel), command)
    finally:
        run(site.appliance, undo)
    assert told
    assert f"{check}: " in said
    assert told in said
    assert said.endswith("Nothing was done by it")


def every_check_refuses(site: Site) -> None:
    """Each arming check that can be made to fail here, and what the refusal says.

    Not here: CLOCK, for a container has the clock of its machine; OUTPUTS_OFF, for no simulated output reads on by
    itself. That one is left to its unit test.
    """
    configure(site)
    script(site, "sound")
    refused(site, "LINES", channel=2)
    for check, line in (("KILL_SWITCH", KILL), ("CONTINUITY", STATUS[0])):
        refused(site, check, site.lines.driving(line, False), site.lines.driving(line, True))
    refused(site, "PERSISTENCE", PERSISTENT, NOT_PERSISTENT)
    refused(site, "WATCHDOGS", "kill -STOP GUARD")
    script(site, "sound")
    told = script(site, "fault", *(site.lines.driving(STATUS[0], level) for level in (False, True)))
    assert told == {"mode": "SAFE", "cause": "FAULT", "latched": True, "end": "FAULTED"}
    refused(site, "NO_FAULT")
    script(site, "clear")
    script(site, "sound")
    configure(site, interlocks=["plc.Clear"], priority=0)
    refused(site, "INTERLOCKS")
    refused(site, "REAL_TIME")
