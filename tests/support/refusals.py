# SPDX-License-Identifier: Apache-2.0
"""What stands against arming has it refused, in words: the same on simulated lines and on lines of the kernel."""

from pilotlight.runtime.control.settings import REQUIRED

from tests.support.appliance import bus_property, run
from tests.support.editor import deadline
from tests.support.igniting import KILL, PATIENCE_S, STATUS, Site, configure, script

# The daemon has a sysfs of its own. There it is to see what a driver shows that lets the lines persist.
IGNITER = "$(systemctl show --value -p MainPID pilotlight-igniter)"
"""The number of the daemon's process, for a shell."""
_INSIDE = f"nsenter --mount --target={IGNITER} sh -c"
_PLACE = "/sys/module/pinctrl_rp1/parameters"
PERSISTENT = (
    f"{_INSIDE} 'mountpoint -q /sys/module || mount -t tmpfs none /sys/module; "
    f"mkdir -p {_PLACE} && echo Y >{_PLACE}/persist_gpio_outputs'"
)
# Lazily: the daemon may just be reading there.
NOT_PERSISTENT = f"{_INSIDE} 'umount --lazy /sys/module'"

# A loop of simulated devices, patient where an emulated processor is slow.
_LOOP = {
    "control.toml": "".join(f"[{name}]\n" for name in REQUIRED)
    + "[threads]\ncontrol_priority = 0\n[timeouts]\nimu_stale_ms = 5000\nactuator_cmd_timeout_ms = 5000\n",
    "runtime.yaml": "control: {start_timeout_ms: 120000, limit_ms: 60000}\n",
}


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
    itself.
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
    silent_sensors_refuse(site)


def silent_sensors_refuse(site: Site) -> None:
    """A control loop with simulated devices is begun, and stands still."""
    configure(site)
    for name, text in _LOOP.items():
        site.appliance.write(f"/etc/pilotlight/{name}", text.encode())
    try:
        run(site.appliance, "systemctl restart pilotlight-runtime", PATIENCE_S)
        for _ in deadline(PATIENCE_S, every_s=0.5):
            if bus_property(site.appliance, "runtime", "ControlState") == "RUNNING":
                break
        refused(site, "SENSORS", f"kill -STOP {int(bus_property(site.appliance, 'runtime', 'ControlPid')) or 'none'}")
    finally:
        run(site.appliance, f"cd /etc/pilotlight && rm {' '.join(_LOOP)}", PATIENCE_S)
        run(site.appliance, "systemctl restart pilotlight-runtime", PATIENCE_S)
