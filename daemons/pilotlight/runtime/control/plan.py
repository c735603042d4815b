# SPDX-License-Identifier: Apache-2.0
"""What the control loop is to be run with: the configuration as it was read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pilotlight.daemon import settings_path
from pilotlight.io.config import IoSettings
from pilotlight.io.drivers import simulated_path, watch
from pilotlight.io.edges import EdgeInput
from pilotlight.io.lines import Address, LineConfig
from pilotlight.io.simulated import SimulatedChip
from pilotlight.runtime.control.child import drive_failsafe
from pilotlight.runtime.control.loading import content, read
from pilotlight.runtime.control.settings import ControlSettings
from pilotlight.runtime.settings import CONTROL_CONFIG, ControlOptions


@dataclass(frozen=True)
class Plan:
    """A configuration that passed its check: its text, for the process, and what it says."""

    text: str
    settings: ControlSettings
    warnings: tuple[str, ...] = ()
    simulated: bool = False
    """Real devices did not start and are replaced by simulated ones, as the configuration allows."""

    @property
    def real(self) -> bool:
        """Whether it is about real devices."""
        return not self.settings.runtime.sim_mode and not self.simulated

    def drive_failsafe(self) -> None:
        """From any thread, whoever holds the servos. OSError with every one that did not take its position."""
        problems = drive_failsafe(self.settings) if self.real else []
        if problems:
            raise OSError("; ".join(problems))

    @property
    def period_s(self) -> float:
        """How often the status file is written."""
        return (self.settings.runtime.log_period_ms or 1000) / 1000


def config_path(options: ControlOptions) -> Path:
    """The file of the configuration."""
    return settings_path("runtime").parent / options.config


def make_plan(options: ControlOptions) -> Plan | None:
    """Read and check the configuration; None when there is no file where it is by default.

    Raises ControlSettingsError, with every problem at its line.
    """
    path = config_path(options)
    if options.config == CONTROL_CONFIG and not path.exists():
        return None
    text = content(path)
    settings, warnings = read(text, str(path))
    return Plan(text, settings, tuple(warning.at(str(path)) for warning in warnings))


def hold_switch(settings: ControlSettings, io: IoSettings) -> EdgeInput | None:
    """Hold the line of the kill switch; None without one. LineError when the chip or the line refuses.

    The line is drawn to the level it does not have while the switch is closed: a cut wire is an open switch.
    """
    switch = settings.killswitch
    if not switch.enabled:
        return None
    bias = "pull-down" if switch.nc_closed_value else "pull-up"
    line = LineConfig("kill switch", switch.chip, switch.gpio, Address("I", 0, 0), bias=bias)
    simulated = io.simulated
    if simulated is None or simulated.label != switch.chip:
        return watch(line)
    path = simulated_path(simulated.label)
    path.parent.mkdir(parents=True, exist_ok=True)
    chip = SimulatedChip.create(path, simulated.lines)
    try:
        return watch(line, simulated.label)
    finally:
        chip.close()
