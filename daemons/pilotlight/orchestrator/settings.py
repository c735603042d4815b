# SPDX-License-Identifier: Apache-2.0
"""``orchestrator.yaml``: how often to look, and when to call something a problem."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pilotlight.daemon.settings import Settings

from .update.settings import UpdateSettings

Percent = Annotated[float, Meta(ge=0, le=100)]


class OrchestratorSettings(Settings, frozen=True):
    """The whole file. Times in seconds, temperature in °C."""

    period_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    units_period_s: Annotated[float, Meta(ge=0.5, le=60)] = 2.0
    memory_free_min: Percent = 5.0
    disk_free_min: Percent = 5.0
    temperature_max: Annotated[float, Meta(ge=0, le=150)] = 85.0
    data: str = "/data"
    update: UpdateSettings = UpdateSettings()
