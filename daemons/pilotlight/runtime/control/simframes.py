# SPDX-License-Identifier: Apache-2.0
"""The frames between the control loop and a simulator, byte for byte.

A frame is a header (magic, version, 0, length of the payload) and a payload whose last four bytes are the CRC-32 of
what is before them in it. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple
from zlib import crc32

from pilotlight.io.sensors import Vector

VERSION: Final = 1
SENSOR_MAGIC: Final = 0x53594D53
ACTUATOR_MAGIC: Final = 0x41594D53
SENSOR_BYTES: Final = 92
ACTUATOR_BYTES: Final = 44

_HEADER: Final = struct.Struct("<IHHI")
_SENSOR: Final = struct.Struct("<QQBB6x8d")
_ACTUATOR: Final = struct.Struct("<QQB7x4f")
_CRC: Final = struct.Struct("<I")


class FrameError(ValueError):
    """What arrives is no stream of the frames that were agreed; nothing after it can be understood."""


class SensorFrame(NamedTuple):
    """From the simulator: acceleration in m/s², rate of turn in rad/s, pressure in Pa, temperature in °C.

    `t_ns` is CLOCK_MONOTONIC of the machine on which the control loop runs.
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
        """The whole frame."""
        return _HEADER.pack(SENSOR_MAGIC, VERSION, 0, SENSOR_BYTES) + self.payload()

    def payload(self) -> bytes:
        """What comes after the header."""
        flags = (bool(self.imu_valid), bool(self.baro_valid))
        values = (*self.accel, *self.gyro, self.pressure_pa, self.temperature_c)
        body = _SENSOR.pack(self.seq, self.t_ns, *flags, *values)
        return body + _CRC.pack(crc32(body))

    @staticmethod
    def unpack(payload: bytes) -> SensorFrame:
        """From a payload that a `Stream` gave."""
        seq, t_ns, imu, baro, ax, ay, az, gx, gy, gz, pressure, temperature = _SENSOR.unpack_from(payload)
        return SensorFrame(seq, t_ns, imu != 0, baro != 0, (ax, ay, az), (gx, gy, gz), pressure, temperature)


class ActuatorFrame(NamedTuple):
    """To the simulator: what the servos shall do, each -1 to 1, stored as binary32."""

    seq: int
    t_ns: int
    armed: bool
    servos: tuple[float, float, float, float]

    def pack(self) -> bytes:
        """The whole frame."""
        return _framed(ACTUATOR_MAGIC, _ACTUATOR.pack(self.seq, self.t_ns, bool(self.armed), *self.servos))

    @staticmethod
    def unpack(payload: bytes) -> ActuatorFrame:
        """From a payload that a `Stream` gave."""
        seq, t_ns, armed, a, b, c, d = _ACTUATOR.unpack_from(payload)
        return ActuatorFrame(seq, t_ns, armed != 0, (a, b, c, d))


class Stream:
    """Cuts what arrives into the payloads of one kind of frame, keeping at most one that is not whole."""

    def __init__(self, magic: int, payload_bytes: int) -> None:
        self._header = (magic, VERSION, payload_bytes)
        self._size = _HEADER.size + payload_bytes
        self._rest = b""
        self.crc_failures = 0
        """Frames that were skipped since their CRC was wrong."""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are whole now. FrameError when a header is not the agreed one."""
        data = self._rest + data
        payloads = []
        start = 0
        while len(data) - start >= _HEADER.size:
            magic, version, _, length = _HEADER.unpack_from(data, start)
            if (magic, version, length) != self._header:
                raise FrameError(f"a frame {magic:#010x} of version {version} with {length} bytes is not expected here")
            if len(data) - start < self._size:
                break
            payload = data[start + _HEADER.size : start + self._size]
            start += self._size
            if crc32(payload[:-4]) == _CRC.unpack_from(payload, len(payload) - 4)[0]:
                payloads.append(payload)
            else:
                self.crc_failures += 1
        self._rest = data[start:]
        return payloads


def _framed(magic: int, body: bytes) -> bytes:
    return _HEADER.pack(magic, VERSION, 0, len(body) + _CRC.size) + body + _CRC.pack(crc32(body))
