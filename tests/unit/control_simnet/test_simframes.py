# SPDX-License-Identifier: Apache-2.0
"""The frames of the simulator, to the byte, and the cutting of a stream into them."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pilotlight.runtime.control.simframes import (
    ACTUATOR_BYTES,
    ACTUATOR_MAGIC,
    SENSOR_BYTES,
    SENSOR_MAGIC,
    ActuatorFrame,
    FrameError,
    SensorFrame,
    Stream,
)

SENSOR = SensorFrame(7, 123456789, True, False, (1.25, -2.5, 9.81), (0.11, -0.22, 0.33), 100500.0, 21.5)
COMMAND = ActuatorFrame(1, 555, True, (0.5, -0.25, 1.0, -1.0))


def test_a_sensor_frame_to_the_byte() -> None:
    payload = struct.pack("<QQBB6x8d", 7, 123456789, 1, 0, 1.25, -2.5, 9.81, 0.11, -0.22, 0.33, 100500.0, 21.5)
    payload += struct.pack("<I", zlib.crc32(payload))
    assert len(payload) == 92
    assert SENSOR.pack() == bytes.fromhex("534d595301000000") + struct.pack("<I", 92) + payload


def test_an_actuator_frame_to_the_byte() -> None:
    frame = COMMAND.pack()
    assert frame[:20].hex() == "534d5941010000002c0000000100000000000000"
    assert frame[12:-4] == struct.pack("<QQB7x4f", 1, 555, 1, 0.5, -0.25, 1.0, -1.0)
    assert struct.unpack("<I", frame[-4:])[0] == zlib.crc32(frame[12:-4]) and len(frame) == 56


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 12))
def test_frames_come_whole_however_the_stream_is_cut(cuts: list[int], count: int) -> None:
    data = b"".join(SENSOR._replace(seq=number).pack() for number in range(count))
    stream = Stream(SENSOR_MAGIC, SENSOR_BYTES)
    found = []
    for cut in [*cuts, len(data)]:
        found += stream.feed(data[:cut])
        data = data[cut:]
    assert [SensorFrame.unpack(payload) for payload in found] == [SENSOR._replace(seq=n) for n in range(count)]


def test_both_kinds_survive_the_way() -> None:
    (payload,) = Stream(ACTUATOR_MAGIC, ACTUATOR_BYTES).feed(COMMAND.pack())
    assert ActuatorFrame.unpack(payload) == COMMAND


def test_a_damaged_frame_is_skipped_and_counted() -> None:
    stream = Stream(SENSOR_MAGIC, SENSOR_BYTES)
    damaged = bytearray(SENSOR.pack())
    damaged[40] ^= 1
    (payload,) = stream.feed(bytes(damaged) + SENSOR.pack())
    assert SensorFrame.unpack(payload) == SENSOR and stream.crc_failures == 1


@pytest.mark.parametrize(
    "header",
    [
        (SENSOR_MAGIC + 1, 1, 0, 92),
        (ACTUATOR_MAGIC, 1, 0, 92),
        (SENSOR_MAGIC, 2, 0, 92),
        (SENSOR_MAGIC, 1, 0, 91),
        (SENSOR_MAGIC, 1, 0, 0xFFFFFFFF),
    ],
)
def test_a_header_that_is_not_agreed_ends_the_stream(header: tuple[int, int, int, int]) -> None:
    with pytest.raises(FrameError, match="is not expected here"):
        Stream(SENSOR_MAGIC, SENSOR_BYTES).feed(SENSOR.pack() + struct.pack("<IHHI", *header))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_do_harm(data: bytes) -> None:
    stream = Stream(SENSOR_MAGIC, SENSOR_BYTES)
    try:
        stream.feed(SENSOR.pack()[:12] + data)
    except FrameError:
        return
    assert len(stream._rest) < 104
