# SPDX-License-Identifier: Apache-2.0
"""The messages of a tick as tags of segment `control`: every one of them is in its journal, none is lost there."""

from __future__ import annotations

from typing import Final

from pilotlight.tags import Tag, Type
from pilotlight.tags.messages import ControllerCommand, EstimatorState, SensorSnapshot

Number = bool | int | float


def _tags(box: str, *tags: tuple[str, Type, str]) -> tuple[Tag, ...]:
    return tuple(Tag(f"{box}.{name}", kind, unit=unit) for name, kind, unit in tags)


def _several(names: str, kind: Type, unit: str) -> tuple[tuple[str, Type, str], ...]:
    return tuple((name, kind, unit) for name in names.split())


_HEAD: Final = (("Seq", Type.ULINT, ""), ("Time", Type.ULINT, "ns"))

SENSOR_TAGS: Final = _tags(
    "Sensor",
    *_HEAD,
    *_several("ImuValid BaroValid", Type.BOOL, ""),
    *_several("Ax Ay Az", Type.LREAL, "m/s²"),
    *_several("Gx Gy Gz", Type.LREAL, "rad/s"),
    ("Pressure", Type.LREAL, "Pa"),
    ("Temperature", Type.LREAL, "°C"),
)
ESTIMATOR_TAGS: Final = _tags(
    "Estimator",
    *_HEAD,
    ("Valid", Type.BOOL, ""),
    *_several("Qw Qx Qy Qz", Type.REAL, ""),
    *_several("Vn Ve Vd", Type.REAL, "m/s"),
    *_several("Pn Pe Pd", Type.REAL, "m"),
)
CONTROLLER_TAGS: Final = _tags("Controller", *_HEAD, ("Armed", Type.BOOL, ""), *_several("S0 S1 S2 S3", Type.REAL, ""))
MESSAGE_TAGS: Final = SENSOR_TAGS + ESTIMATOR_TAGS + CONTROLLER_TAGS


def sensor_values(message: SensorSnapshot) -> tuple[Number, ...]:
    """The values of SENSOR_TAGS."""
    return (*message[:4], *message.accel, *message.gyro, message.pressure_pa, message.temperature_c)


def estimator_values(message: EstimatorState) -> tuple[Number, ...]:
    """The values of ESTIMATOR_TAGS."""
    return (*message[:3], *message.attitude, *message.velocity, *message.position)


def controller_values(message: ControllerCommand) -> tuple[Number, ...]:
    """The values of CONTROLLER_TAGS."""
    return (*message[:3], *message.servos)
