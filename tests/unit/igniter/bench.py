# SPDX-License-Identifier: Apache-2.0
"""What the daemon gives the firing loop and the guard, made in this process on a simulated chip."""

from __future__ import annotations

import os

from pilotlight.daemon.settings import parse_settings
from pilotlight.igniter import commands, job
from pilotlight.igniter.firing import job_of
from pilotlight.igniter.held import Held
from pilotlight.igniter.outputs import simulated_path
from pilotlight.igniter.page import Page
from pilotlight.igniter.publisher import tags
from pilotlight.igniter.settings import IgniterSettings
from pilotlight.io.simulated import SimulatedChip
from pilotlight.tags import CommandRing, SegmentWriter

YAML = """
channels:
  1: {chip: igniter0, line: 2, status: 4}
  3: {chip: igniter0, line: 3, active_low: true, status: 5}
arming: {kill_switch: {chip: igniter0, line: 0}, priority: 0}
simulated: {}
"""


def settings_of(text: str = YAML) -> IgniterSettings:
    return parse_settings(IgniterSettings, text.encode(), "igniter.yaml")


class Bench:
    """A loop's inheritance, made in this process."""

    def __init__(self) -> None:
        settings = settings_of()
        assert settings.arming is not None
        self.held = Held(settings, settings.arming)
        self.page = Page.create()
        self.ring = CommandRing.create(16, commands.SLOT)
        self.writer = SegmentWriter.create("igniter", tags(), journal=1024)
        self.alive, self.parent = os.pipe()
        self.reading, self.reporting = os.pipe()
        handles = job_of(settings.arming)
        self.job = job.Job(**handles.__dict__ | {
            "page": os.dup(self.page.fd), "alive": self.alive, "segment": self.writer.fd, "ring": os.dup(self.ring.fd),
            "reports": self.reporting, "outputs": self.held.outputs.handle, "status": self.held.status.handle,
            "kill_switch": self.held.kill_switch.handle, "enabled": self.held.enabled,
        })  # fmt: skip

    def levels(self) -> tuple[bool, bool]:
        chip = SimulatedChip.existing(simulated_path("igniter0"))
        try:
            return chip.level(2)[0], chip.level(3)[0]
        finally:
            chip.close()
