# SPDX-License-Identifier: Apache-2.0
"""What is flown: the rocket, its launch, the air, the sensors, and what fails when. A YAML file; all has defaults.

Lengths along the rocket are measured from its tail. Angles of the launch: elevation from the horizon, azimuth from
north over east. The wind comes from its direction.
"""

from __future__ import annotations

import enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from pilotlight.daemon import Settings, SettingsError
from pilotlight.daemon.settings import load_settings

Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Share = Annotated[float, Meta(ge=0.0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0.0, le=86400.0)]
Curve = Annotated[tuple[tuple[Seconds, Share], ...], Meta(min_length=2, max_length=200)]


class FaultKind(enum.Enum):
    """What can fail: sensors, fins, the link to the loop."""

    IMU_DROP = "imu_drop"
    IMU_NAN = "imu_nan"
    IMU_STUCK = "imu_stuck"
    IMU_ZERO = "imu_zero"
    ACCEL_BIAS = "accel_bias"
    GYRO_BIAS = "gyro_bias"
    BARO_DROP = "baro_drop"
    BARO_NAN = "baro_nan"
    BARO_STUCK = "baro_stuck"
    BARO_BIAS = "baro_bias"
    FIN_STUCK = "fin_stuck"
    LINK_SILENT = "link_silent"
    LINK_CLOSE = "link_close"
    FRAME_CORRUPT = "frame_corrupt"


class Fault(Settings, frozen=True):
    """One failure from `start_s` on, for `duration_s`.

    `value` is the offset of a bias (m/s^2, rad/s or Pa); `axis` is the axis of a bias (0 to 2) or the fin (0 to 3).
    """

    kind: FaultKind
    start_s: Seconds = 0.0
    duration_s: Seconds = 86400.0
    value: Annotated[float, Meta(ge=-1e6, le=1e6)] = 0.0
    axis: Annotated[int, Meta(ge=0, le=3)] = 0


class Rocket(Settings, frozen=True):
    """A stable rocket of two metres with four fins, set crosswise, that servos turn."""

    length_m: Positive = 2.0
    diameter_m: Positive = 0.1
    dry_mass_kg: Positive = 6.8
    dry_centre_m: Positive = 1.05
    dry_inertia_lateral_kgm2: Positive = 2.2
    dry_inertia_axial_kgm2: Positive = 0.012
    propellant_kg: Positive = 1.1
    propellant_centre_m: Positive = 0.3
    thrust: Curve = ((0.0, 0.0), (0.05, 820.0), (0.4, 900.0), (1.6, 720.0), (2.6, 560.0), (3.0, 120.0), (3.2, 0.0))
    """Seconds after ignition and newtons; straight lines between, nothing after the last."""
    pressure_centre_m: Positive = 0.72
    drag_coefficient: Positive = 0.45
    normal_slope: Positive = 9.0
    """Normal force coefficient per radian of angle of attack, over the area of the body's section."""
    roll_damping: Share = 10.0
    fin_centre_m: Share = 0.08
    fin_radius_m: Positive = 0.11
    fin_area_m2: Share = 0.004
    fin_slope: Share = 3.0
    fin_range_rad: Share = 0.2
    """Deflection at a servo command of 1."""
    fin_lag_s: Positive = 0.02


class Launch(Settings, frozen=True):
    """Where, when and how steep."""

    ignition_s: Seconds = 2.0
    elevation_deg: Annotated[float, Meta(ge=30.0, le=90.0)] = 87.0
    azimuth_deg: Annotated[float, Meta(ge=-360.0, le=360.0)] = 0.0
    rail_m: Positive = 3.0
    altitude_m: Annotated[float, Meta(ge=-400.0, le=5000.0)] = 0.0
    """Of the pad above the sea."""


class Wind(Settings, frozen=True):
    """Mean wind at 10 m, which grows with height, and gusts about it."""

    speed_mps: Annotated[float, Meta(ge=0.0, le=60.0)] = 3.0
    from_deg: Annotated[float, Meta(ge=-360.0, le=360.0)] = 270.0
    shear: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.14
    gust_mps: Annotated[float, Meta(ge=0.0, le=30.0)] = 0.6
    gust_s: Positive = 1.5


class Recovery(Settings, frozen=True):
    """Two parachutes; an area of 0 is one that stays in."""

    drogue_area_m2: Share = 0.2
    drogue_delay_s: Seconds = 1.0
    """After apogee."""
    main_area_m2: Share = 4.0
    main_height_m: Share = 200.0
    opening_s: Positive = 0.6


class Sensors(Settings, frozen=True):
    """Noise is the standard deviation of one sample, bias that of the constant offset drawn at the start."""

    accel_noise_mps2: Share = 0.05
    accel_bias_mps2: Share = 0.05
    accel_range_mps2: Positive = 156.9064
    gyro_noise_rads: Share = 0.003
    gyro_bias_rads: Share = 0.002
    gyro_range_rads: Positive = 34.906585
    baro_noise_pa: Share = 2.5
    baro_lag_s: Positive = 0.05
    baro_hz: Positive = 25.0
    temperature_noise_c: Share = 0.02


class Scenario(Settings, frozen=True):
    """One flight. The same scenario with the same commands is the same flight to the bit on the same machine."""

    seed: Annotated[int, Meta(ge=0)] = 1
    duration_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 180.0
    step_hz: Annotated[int, Meta(ge=50, le=1000)] = 250
    """Sensor samples and frames a second."""
    rocket: Rocket = Rocket()
    launch: Launch = Launch()
    wind: Wind = Wind()
    recovery: Recovery = Recovery()
    sensors: Sensors = Sensors()
    faults: Annotated[tuple[Fault, ...], Meta(max_length=100)] = ()


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises SettingsError, which names file, line and key."""
    if not path.exists():
        raise SettingsError(f"{path}: there is no such file; a scenario is a YAML file with keys such as `seed: 7`")
    scenario = load_settings(Scenario, "scenario", path)
    times = [time for time, _ in scenario.rocket.thrust]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise SettingsError(f"{path}: the times of rocket.thrust must rise")
    if not any(force > 0 for _, force in scenario.rocket.thrust):
        raise SettingsError(f"{path}: rocket.thrust is 0 all the time; nothing would fly")
    return scenario
