# SPDX-License-Identifier: Apache-2.0
"""`runtime.yaml`: how programs are scanned and built, and how the control loop is kept.

Every setting has a default; an empty file is a working file.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from pilotlight.daemon import Settings
from pilotlight.runtime.build import BuildSettings

CONTROL_CONFIG = "control.toml"
PLC_TAG = r"^(plc\..+)?$"


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


class SetPointSettings(Settings, frozen=True):
    """Where the set-points of the loop's own controller come from: tags of the PLC program, such as `plc.Flight.Roll`.

    An axis without a tag is turned to 0. Both count only together, and only while the program runs.
    """

    roll: Annotated[str, Meta(pattern=PLC_TAG, max_length=200)] = ""
    pitch: Annotated[str, Meta(pattern=PLC_TAG, max_length=200)] = ""
    limit_rad: Annotated[float, Meta(gt=0, le=3.14)] = 0.5
    """The largest angle that a program may ask for; one beyond it makes both set-points 0."""
    max_age_ms: Annotated[int, Meta(ge=20, le=10_000)] = 500
    """How long ago the last scan may be."""


class RecordingSettings(Settings, frozen=True):
    """Recordings of the control loop, for `pilotlight control replay`: a file for each start of its process."""

    enabled: bool = False
    most_mb: Annotated[int, Meta(ge=1, le=100_000)] = 256
    """The size of a file in 10^6 bytes; the recording ends there. An hour takes about 400 at the usual rates."""
    keep: Annotated[int, Meta(ge=1, le=1000)] = 4
    """How many files there are at most; the oldest are removed."""


class ControlOptions(Settings, frozen=True):
    """The control loop. What the loop itself does is said in a file of its own, with the keys of rt_core."""

    config: Annotated[str, Meta(min_length=1, max_length=4096)] = CONTROL_CONFIG
    """The TOML file, in the folder of the settings when it is no absolute path. Without the file there is no loop."""
    status_file: Annotated[str, Meta(max_length=4096)] = "rt_status.txt"
    """Where the counters go, in the runtime's folder of /run when it is no absolute path; empty for nowhere."""
    restarts: Annotated[int, Meta(ge=0, le=100)] = 5
    """How often within a minute the loop is started again after a fault."""
    start_timeout_ms: Annotated[int, Meta(ge=500, le=120_000)] = 10_000
    """How long the process may take until its devices are open."""
    limit_ms: Annotated[int, Meta(ge=10, le=60_000)] = 100
    """How long after its slot a step may end before the loop counts as hung: servos in failsafe, process killed."""
    set_points: SetPointSettings = SetPointSettings()
    recording: RecordingSettings = RecordingSettings()


class LinkSettings(Settings, frozen=True):
    """Variables of the PLC program that are held equal to tags of other daemons.

    As in `tags: {plc.Rocket.Altitude: control.Altitude}`.
    """

    tags: Annotated[
        dict[
            Annotated[str, Meta(pattern=r"^plc\..+$", max_length=200)],
            Annotated[str, Meta(pattern=r"^(?!plc\.)[A-Za-z0-9_]+\..+$", max_length=200)],
        ],
        Meta(max_length=64),
    ] = msgspec.field(default_factory=dict)
    good: Annotated[str, Meta(pattern=PLC_TAG, max_length=200)] = ""
    """A BOOL of the program: whether all of them are fresh and good. While they are not they keep their last values."""
    period_ms: Annotated[int, Meta(ge=5, le=10_000)] = 20
    """How often they are brought."""


class RuntimeSettings(Settings, frozen=True):
    """The whole file."""

    scan: ScanSettings = ScanSettings()
    build: BuildSettings = BuildSettings()
    control: ControlOptions = ControlOptions()
    links: LinkSettings = LinkSettings()
