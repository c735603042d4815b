# SPDX-License-Identifier: Apache-2.0
"""Configurations for the tests of the control loop."""

from pilotlight.runtime.control.loading import read
from pilotlight.runtime.control.settings import REQUIRED, ControlSettings

EMPTY = "".join(f"[{name}]\n" for name in REQUIRED)
"""Every required section, no key: all defaults."""

SIMULATED = """\
[runtime]
sim_mode = true
log_period_ms = 500
[igniter]
enabled = true
"""
SIMULATED += "".join(
    f"[igniter{n}]\nenabled = true\ninput_line = {4 + n}\nstatus_line = {17 + n}\n[servo{n}]\nchannel = {n}\n"
    for n in range(4)
)
SIMULATED += EMPTY
"""A simulated igniter and servos on four channels."""

HARDWARE = """\
[runtime]
sim_mode = false
[actuator]
use_hardware = true
[igniter]
enabled = true
use_hardware = true
[killswitch]
enabled = true
gpio = 27
"""
HARDWARE += "".join(
    f"[igniter{n}]\nenabled = true\ninput_line = {22 + n}\nstatus_line = {line}\n[servo{n}]\nchannel = {n}\n"
    for n, line in enumerate((4, 5, 6, 16))
)
HARDWARE += EMPTY
"""Real outputs, no line used twice."""


def settings(extra: str = "", base: str = EMPTY) -> ControlSettings:
    """The settings of a base configuration with more sections and keys."""
    return read(base + extra)[0]
