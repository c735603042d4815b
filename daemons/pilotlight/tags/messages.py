# SPDX-License-Identifier: Apache-2.0
"""The five messages of the mailboxes, version 1, byte for byte.

A message is a header (magic, version, length of the payload), the writer's sequence number, the time of writing, a body
and a CRC-32 over everything before it. All numbers are little-endian and nothing is padded.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, cast
from zlib import crc32

MAGIC: Final = 0x52544331
VERSION: Final = 1
SERVOS: Final = 4
CHANNELS: Final = 4

Vector: TypeAlias = tuple[float, float, float]
Four: TypeAlias = tuple[float, float, float, float]
FourInts: TypeAlias = tuple[int, int, int, int]

_CRC: Final = struct.Struct("<I")
_HEADER: Final = struct.Struct("<IHH")
_SENSOR: Final = struct.Struct("<IHHQQBB6x8d")
_ESTIMATOR: Final = struct.Struct("<IHHQQB7x4f3f3f")
_CONTROLLER: Final = struct.Struct("<IHHQQB7x4f")
_IGNITER_COMMAND: Final = struct.Struct("<IHHQQBB6x4I")
_IGNITER_STATUS: Final = struct.Struct("<IHHQQBBB5x4B4B4I")


class Fault(enum.IntEnum):
    """Why bytes are not a message."""

    NONE = 0
    SCHEMA = 1
    """Length, magic, version or length of the payload differ."""
    CRC = 2


class Action(enum.IntEnum):
    """What a command asks of the igniter."""

    NONE = 0
    ARM = 1
    DISARM = 2
    FIRE_MASK = 3
    CLEAR_FAULT = 4


class ChannelState(enum.IntEnum):
    """State of an igniter channel."""

    DISARMED = 0
    ARMED_IDLE = 1
    FIRING = 2
    FAULT_LATCHED = 3


class ChannelFault(enum.IntEnum):
    """Fault of an igniter channel."""

    NONE = 0
    STATUS_LOW_WHILE_ON = 1
    STATUS_LOW_WHILE_OFF = 2
    LATCHED = 3


class MessageError(ValueError):
    """Bytes that are not the message they should be; `fault` says why. Nothing of them was used."""

    def __init__(self, text: str, fault: Fault) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True)
class Format:
    """One kind of message: the mailbox it is in by default, and its length with CRC."""

    name: str
    size: int

    @property
    def payload_bytes(self) -> int:
        """What the header says: the bytes from the sequence number to the CRC."""
        return self.size - 12

    @property
    def region_size(self) -> int:
        """Length of the mailbox: the counter, the message, padded to a multiple of 8."""
        return (8 + self.size + 7) // 8 * 8


SENSOR_SNAPSHOT: Final = Format("/rt_sensor_snapshot_v1", 100)
ESTIMATOR_STATE: Final = Format("/rt_estimator_state_v1", 76)
CONTROLLER_COMMAND: Final = Format("/rt_controller_command_v1", 52)
IGNITER_COMMAND: Final = Format("/rt_igniter_command_v1", 52)
IGNITER_STATUS: Final = Format("/rt_igniter_status_v1", 60)


def fault_of(form: Format, data: bytes) -> Fault:
    """What is wrong with bytes that should be a message: the header is looked at before the CRC."""
    size = form.size
    if len(data) != size or _HEADER.unpack_from(data) != (MAGIC, VERSION, size - 12):
        return Fault.SCHEMA
    if crc32(data[: size - 4]) != _CRC.unpack_from(data, size - 4)[0]:
        return Fault.CRC
    return Fault.NONE


def _checked(form: Format, data: bytes, check_crc: bool) -> None:
    fault = fault_of(form, data)
    if fault is Fault.SCHEMA or (fault is Fault.CRC and check_crc):
        raise MessageError(f"not a message for {form.name}: its {fault.name.lower()} is wrong", fault)


def _sealed(data: bytes) -> bytes:
    return data + _CRC.pack(crc32(data))


class SensorSnapshot(NamedTuple):
    """The sensors as a tick of the control loop saw them; `t_ns` is the time of the tick, not of the samples.

    `accel` is in m/s², `gyro` in rad/s, both x, y, z in the body's frame; pressure in Pa, temperature in °C.
    """

    seq: int
    t_ns: int
    imu_valid: bool
    baro_valid: bool
    accel: Vector
    gyro: Vector
    pressure_pa: float
    temperature_c: float

    def pack(self) -> bytes:
        seq, t_ns, imu_valid, baro_valid, (ax, ay, az), (gx, gy, gz), pressure, temperature = self
        head = MAGIC, VERSION, 88, seq, t_ns
        return _sealed(_SENSOR.pack(*head, imu_valid, baro_valid, ax, ay, az, gx, gy, gz, pressure, temperature))

    @staticmethod
    def unpack(data: bytes, check_crc: bool = True) -> SensorSnapshot:
        """The message in `data`; raises MessageError."""
        _checked(SENSOR_SNAPSHOT, data, check_crc)
        v = _SENSOR.unpack_from(data)
        return SensorSnapshot(v[3], v[4], v[5] != 0, v[6] != 0, (v[7], v[8], v[9]), (v[10], v[11], v[12]), v[13], v[14])


class EstimatorState(NamedTuple):
    """Attitude, velocity and position from an estimator.

    `attitude` is the quaternion w, x, y, z from the body's frame to north-east-down; velocity in m/s and position in m
    are north, east, down. Numbers are stored as binary32.
    """

    seq: int
    t_ns: int
    valid: bool
    attitude: Four
    velocity: Vector
    position: Vector

    def pack(self) -> bytes:
        head = (MAGIC, VERSION, 64, self.seq, self.t_ns, self.valid)
        return _sealed(_ESTIMATOR.pack(*head, *self.attitude, *self.velocity, *self.position))

    @staticmethod
    def unpack(data: bytes, check_crc: bool = True) -> EstimatorState:
        """The message in `data`; raises MessageError."""
        _checked(ESTIMATOR_STATE, data, check_crc)
        v = _ESTIMATOR.unpack_from(data)
        return EstimatorState(
            v[3], v[4], v[5] != 0, (v[6], v[7], v[8], v[9]), (v[10], v[11], v[12]), (v[13], v[14], v[15])
        )


class ControllerCommand(NamedTuple):
    """Servo positions from a controller, each -1 to 1; stored as binary32."""

    seq: int
    t_ns: int
    armed: bool
    servos: Four

    def pack(self) -> bytes:
        return _sealed(_CONTROLLER.pack(MAGIC, VERSION, 40, self.seq, self.t_ns, self.armed, *self.servos))

    @staticmethod
    def unpack(data: bytes, check_crc: bool = True) -> ControllerCommand:
        """The message in `data`; raises MessageError."""
        _checked(CONTROLLER_COMMAND, data, check_crc)
        v = _CONTROLLER.unpack_from(data)
        return ControllerCommand(v[3], v[4], v[5] != 0, (v[6], v[7], v[8], v[9]))


class IgniterCommand(NamedTuple):
    """A command to the igniter; `action` is an `Action` or an unknown number, a duration of 0 ms means the default."""

    seq: int
    t_ns: int
    action: int
    fire_mask: int = 0
    durations_ms: FourInts = (0, 0, 0, 0)

    def pack(self) -> bytes:
        head = (MAGIC, VERSION, 40, self.seq, self.t_ns, self.action, self.fire_mask)
        return _sealed(_IGNITER_COMMAND.pack(*head, *self.durations_ms))

    @staticmethod
    def unpack(data: bytes, check_crc: bool = True) -> IgniterCommand:
        """The message in `data`; raises MessageError."""
        _checked(IGNITER_COMMAND, data, check_crc)
        v = _IGNITER_COMMAND.unpack_from(data)
        return IgniterCommand(v[3], v[4], v[5], v[6], (v[7], v[8], v[9], v[10]))


class IgniterStatus(NamedTuple):
    """The igniter as it is: bit n of `active_mask` is set while output n is on; `remaining_ms` of each firing."""

    seq: int
    t_ns: int
    armed: bool
    fault_latched: bool
    active_mask: int
    states: FourInts
    faults: FourInts
    remaining_ms: FourInts

    def pack(self) -> bytes:
        head = (MAGIC, VERSION, 48, self.seq, self.t_ns, self.armed, self.fault_latched, self.active_mask)
        return _sealed(_IGNITER_STATUS.pack(*head, *self.states, *self.faults, *self.remaining_ms))

    @staticmethod
    def unpack(data: bytes, check_crc: bool = True) -> IgniterStatus:
        """The message in `data`; raises MessageError."""
        _checked(IGNITER_STATUS, data, check_crc)
        v = _IGNITER_STATUS.unpack_from(data)
        states, faults, left = (cast(FourInts, v[at : at + 4]) for at in (8, 12, 16))
        return IgniterStatus(v[3], v[4], v[5] != 0, v[6] != 0, v[7], states, faults, left)
