# SPDX-License-Identifier: Apache-2.0
"""`runtime.yaml`: how programs are scanned and built. Every setting has a default; an empty file is a working file."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pilotlight.daemon import Settings
from pilotlight.runtime.build import BuildSettings


class ScanSettings(Settings, frozen=True):
    """The scan process."""

    priority: Annotated[int, Meta(ge=0, le=79)] = 70
    """SCHED_FIFO priority; 0 for ordinary scheduling. The thread that watches the scan gets one more."""
    cpu: Annotated[int, Meta(ge=-1, le=1023)] = -1
    """The processor to run on; -1 for any."""
    idle_period_ms: Annotated[int, Meta(ge=1, le=1000)] = 20
    """How often lines are read while there is no program."""
    limit_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    """How long after its slot a scan may end before it counts as hung: outputs safe, process killed."""
    supervisor_timeout_ms: Annotated[int, Meta(ge=200, le=60_000)] = 2000
    """How long the scan goes on without a sign of life from its supervisor."""
    start_timeout_ms: Annotated[int, Meta(ge=500, le=120_000)] = 20_000
    """How long a program may take to load and initialise."""
    trial_s: Annotated[float, Meta(ge=0.1, le=3600)] = 10.0
    """How long after an online change a fault of the program brings the one before back."""
    retain_s: Annotated[float, Meta(ge=0.1, le=3600)] = 5.0
    """How often the values of retentive variables are written to the disk: as much may be lost in a power cut."""
    memory_mb: Annotated[int, Meta(ge=128, le=4096)] = 512
    """Address space of the scan process, the program included."""


class RuntimeSettings(Settings, frozen=True):
    """The whole file."""

    scan: ScanSettings = ScanSettings()
    build: BuildSettings = BuildSettings()
