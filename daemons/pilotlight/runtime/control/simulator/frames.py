# SPDX-License-Identifier: Apache-2.0
"""The frames between simulator and loop: a header of 12 bytes, a payload that ends with its CRC-32."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import crc32

from .flight import Servos
from .sensors import Sample

SENSOR_MAGIC: Final = 0x53594D53
SERVO_MAGIC: Final = 0x41594D53
VERSION: Final = 1
_HEADER: Final = struct.Struct("<IHHI")
_SENSOR: Final = struct.Struct("<QQBB6x8d")
_SERVO: Final = struct.Struct("<QQB7x4f")
_CRC: Final = struct.Struct("<I")
SENSOR_SIZE: Final = _HEADER.size + _SENSOR.size + _CRC.size
SERVO_SIZE: Final = _HEADER.size + _SERVO.size + _CRC.size


class FrameError(ValueError):
    """What came is no frame, so nothing after it can be understood."""


class SensorFrame(NamedTuple):
    """From the simulator; `t_ns` is on the loop's clock, CLOCK_MONOTONIC unless both go in lock-step."""

    seq: int
    t_ns: int
    sample: Sample

    def pack(self) -> bytes:
        """The bytes of the frame."""
        s = self.sample
        body = _SENSOR.pack(
            self.seq, self.t_ns, s.imu_valid, s.baro_valid, *s.accel, *s.gyro, s.pressure_pa, s.temperature_c
        )
        return _HEADER.pack(SENSOR_MAGIC, VERSION, 0, _SENSOR.size + _CRC.size) + body + _CRC.pack(crc32(body))


class ServoFrame(NamedTuple):
    """From the loop: servo commands from -1 to 1."""

    seq: int
    t_ns: int
    armed: bool
    servos: Servos

    def pack(self) -> bytes:
        """The bytes of the frame."""
        body = _SERVO.pack(self.seq, self.t_ns, self.armed, *self.servos)
        return _HEADER.pack(SERVO_MAGIC, VERSION, 0, _SERVO.size + _CRC.size) + body + _CRC.pack(crc32(body))


class ServoFrames:
    """Takes bytes as they come and gives whole frames; at most one unfinished frame is kept."""

    def __init__(self) -> None:
        self._rest = b""
        self.crc_failures = 0

    def take(self, data: bytes) -> list[ServoFrame]:
        """The frames that `data` completes; one with a wrong CRC is counted and left out. Raises FrameError."""
        self._rest += data
        frames = []
        while len(self._rest) >= _HEADER.size:
            magic, version, _, size = _HEADER.unpack_from(self._rest)
            if (magic, version, size) != (SERVO_MAGIC, VERSION, SERVO_SIZE - _HEADER.size):
                raise FrameError(f"header {self._rest[: _HEADER.size].hex()} is not that of a servo frame")
            if len(self._rest) < SERVO_SIZE:
                break
            body, self._rest = self._rest[_HEADER.size : SERVO_SIZE], self._rest[SERVO_SIZE:]
            if crc32(body[:-4]) != _CRC.unpack_from(body, _SERVO.size)[0]:
                self.crc_failures += 1
                continue
            seq, t_ns, armed, a, b, c, d = _SERVO.unpack_from(body)
            frames.append(ServoFrame(seq, t_ns, armed != 0, (a, b, c, d)))
        return frames
