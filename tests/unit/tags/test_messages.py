# SPDX-License-Identifier: Apache-2.0
"""The messages of the mailboxes: golden bytes, and what is refused."""

from collections.abc import Callable
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.tags.messages import (
    CONTROLLER_COMMAND,
    ESTIMATOR_STATE,
    IGNITER_COMMAND,
    IGNITER_STATUS,
    SENSOR_SNAPSHOT,
    Action,
    ControllerCommand,
    EstimatorState,
    Fault,
    Format,
    IgniterCommand,
    IgniterStatus,
    MessageError,
    SensorSnapshot,
    fault_of,
)

SENSOR = SensorSnapshot(42, 123456789, True, True, (1.25, -2.5, 9.81), (0.11, -0.22, 0.33), 100500.0, 21.5)
HALF = 0.7071067
ESTIMATE = EstimatorState(11, 777, True, (HALF, 0.0, HALF, 0.0), (1.0, -2.0, 3.0), (10.0, 20.0, -30.0))
CONTROL = ControllerCommand(9, 555, True, (0.1, -0.2, 0.3, -0.4))
FIRE = IgniterCommand(10, 666, Action.FIRE_MASK, 0x0F, (100, 200, 300, 400))
ARM = IgniterCommand(1, 1000, Action.ARM)
STATUS = IgniterStatus(77, 987654, True, False, 3, (2, 2, 1, 1), (0, 0, 3, 0), (100, 100, 0, 0))

GOLDEN = [
    (SENSOR_SNAPSHOT, SENSOR, 100, 112, """
31435452010058002a0000000000000015cd5b07000000000101000000000000000000000000f43f00000000000004c01f85eb51b89e2340295c8fc2
f528bc3f295c8fc2f528ccbf1f85eb51b81ed53f000000004089f84000000000008035402be6eca5"""),
    (ESTIMATOR_STATE, ESTIMATE, 76, 88, """
31435452010040000b0000000000000009030000000000000100000000000000f204353f00000000f204353f000000000000803f000000c000004040
000020410000a0410000f0c11cd78590"""),
    (CONTROLLER_COMMAND, CONTROL, 52, 64, """
314354520100280009000000000000002b020000000000000100000000000000cdcccc3dcdcc4cbe9a99993ecdccccbe02660801"""),
    (IGNITER_COMMAND, FIRE, 52, 64, """
31435452010028000a000000000000009a02000000000000030f00000000000064000000c80000002c01000090010000faf95f73"""),
    (IGNITER_COMMAND, ARM, 52, 64, """
31435452010028000100000000000000e80300000000000001000000000000000000000000000000000000000000000081aaf3e7"""),
    (IGNITER_STATUS, STATUS, 60, 72, """
31435452010030004d0000000000000006120f00000000000100030000000000020201010000030064000000640000000000000000000000d2cfced2
"""),
]  # fmt: skip
UNPACK: dict[str, Callable[[bytes], object]] = {
    SENSOR_SNAPSHOT.name: SensorSnapshot.unpack,
    ESTIMATOR_STATE.name: EstimatorState.unpack,
    CONTROLLER_COMMAND.name: ControllerCommand.unpack,
    IGNITER_COMMAND.name: IgniterCommand.unpack,
    IGNITER_STATUS.name: IgniterStatus.unpack,
}
Packed = SensorSnapshot | EstimatorState | ControllerCommand | IgniterCommand | IgniterStatus


@pytest.mark.parametrize(("form", "message", "size", "region", "text"), GOLDEN)
def test_golden_bytes(form: Format, message: Packed, size: int, region: int, text: str) -> None:
    data = bytes.fromhex(text.replace("\n", ""))
    assert message.pack() == data
    assert (form.size, form.payload_bytes, form.region_size) == (size, size - 12, region)
    assert fault_of(form, data) is Fault.NONE
    read = UNPACK[form.name](data)
    assert type(read) is type(message)
    assert read.pack() == data


def test_unpacking_gives_what_was_packed() -> None:
    assert SensorSnapshot.unpack(SENSOR.pack()) == SENSOR
    assert IgniterCommand.unpack(FIRE.pack()) == FIRE
    assert IgniterStatus.unpack(STATUS.pack()) == STATUS


@given(st.sampled_from(GOLDEN), st.data())
def test_a_changed_bit_never_passes(golden: tuple[Format, Packed, int, int, str], data: st.DataObject) -> None:
    form, message, size, _, _ = golden
    damaged = bytearray(message.pack())
    bit = data.draw(st.integers(0, size * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    expected = Fault.SCHEMA if bit < 64 else Fault.CRC
    assert fault_of(form, bytes(damaged)) is expected
    with pytest.raises(MessageError) as refused:
        UNPACK[form.name](bytes(damaged))
    assert refused.value.fault is expected


def test_a_message_of_another_kind_or_length_is_refused() -> None:
    assert fault_of(ESTIMATOR_STATE, CONTROL.pack()) is Fault.SCHEMA
    assert fault_of(CONTROLLER_COMMAND, CONTROL.pack()[:-1]) is Fault.SCHEMA
    assert fault_of(CONTROLLER_COMMAND, b"") is Fault.SCHEMA


def test_a_tool_may_look_at_a_message_with_a_wrong_crc() -> None:
    damaged = CONTROL.pack()[:-4] + bytes(4)
    assert ControllerCommand.unpack(damaged, check_crc=False).seq == 9
    with pytest.raises(MessageError):
        ControllerCommand.unpack(b"\0" * 52, check_crc=False)


def test_the_crc_is_the_usual_one() -> None:
    assert crc32(b"123456789") == 0xCBF43926
