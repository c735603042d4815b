# SPDX-License-Identifier: Apache-2.0
"""`rt-ipc-dump`: fields under their right names, each message once, bad bytes marked, mailboxes made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.runtime.control.tools import boxes, dump_cli
from pilotlight.runtime.control.tools.boxes import KINDS, LOOK_AGAIN_S, Box
from pilotlight.tags.mailbox import OwnedMailbox, Places

ESTIMATOR = bytes.fromhex(
    "31435452010040000b0000000000000009030000000000000100000000000000f204353f00000000f204353f000000000000803f000000c000"
    "004040000020410000a0410000f0c11cd78590"
)
MESSAGES = {
    "sensor": (
        "31435452010058002a0000000000000015cd5b07000000000101000000000000000000000000f43f00000000000004c01f85eb51b89e2340"
        "295c8fc2f528bc3f295c8fc2f528ccbf1f85eb51b81ed53f000000004089f84000000000008035402be6eca5",
        "sensor seq=42 t_ns=123456789 imu_valid=1 baro_valid=1 ax_mps2=1.25 ay_mps2=-2.5 az_mps2=9.81 gx_rads=0.11"
        " gy_rads=-0.22 gz_rads=0.33 pressure_pa=100500.0 temp_c=21.5 crc=ok",
    ),
    "estimator": (
        ESTIMATOR.hex(),
        "estimator seq=11 t_ns=777 valid=1 qw=0.7071067094802856 qx=0.0 qy=0.7071067094802856 qz=0.0"
        " vn_mps=1.0 ve_mps=-2.0 vd_mps=3.0 pn_m=10.0 pe_m=20.0 pd_m=-30.0 crc=ok",
    ),
    "controller": (
        "314354520100280009000000000000002b020000000000000100000000000000cdcccc3dcdcc4cbe9a99993ecdccccbe02660801",
        "controller seq=9 t_ns=555 armed=1 s0_norm=0.10000000149011612 s1_norm=-0.20000000298023224"
        " s2_norm=0.30000001192092896 s3_norm=-0.4000000059604645 crc=ok",
    ),
    "igniter-command": (
        "31435452010028000a000000000000009a02000000000000030f00000000000064000000c80000002c01000090010000faf95f73",
        "igniter-command seq=10 t_ns=666 action=fire_mask fire_mask=0xf duration_ms0=100 duration_ms1=200"
        " duration_ms2=300 duration_ms3=400 crc=ok",
    ),
    "igniter-status": (
        "31435452010030004d0000000000000006120f000000000001000300000000000202010100000300640000006400000000000000000000"
        "00d2cfced2",
        "igniter-status seq=77 t_ns=987654 armed=1 fault_latched=0 active_mask=0x3 state0=firing state1=firing"
        " state2=armed_idle state3=armed_idle fault0=none fault1=none fault2=latched fault3=none remaining_ms0=100"
        " remaining_ms1=100 remaining_ms2=0 remaining_ms3=0 crc=ok",
    ),
}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    there = Places(tmp_path / "shm", tmp_path / "tmp")
    there.shared.mkdir()
    there.fallback.mkdir()
    monkeypatch.setattr(boxes, "USUAL_PLACES", there)
    return there


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_is_a_line(kind: str, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    packed, line = MESSAGES[kind]
    owner = OwnedMailbox.create("/test_box", KINDS[kind].form, places=places)
    owner.write(bytes.fromhex(packed))
    assert dump_cli.main(["--type", kind, "--name", "/test_box", "--count", "1"]) == 0
    assert capsys.readouterr().out == f"{line}\n"
    owner.close()


def test_a_message_is_printed_once_and_too_few_are_exit_code_1(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = OwnedMailbox.create("/rt_estimator_state_v1", KINDS["estimator"].form, places=places)
    owner.write(ESTIMATOR)
    arguments = ["--type", "estimator", "--interval", "0.001", "--duration-sec", "0.03"]
    assert dump_cli.main([*arguments, "--count", "2"]) == 1
    assert capsys.readouterr().out.count("\n") == 1
    assert dump_cli.main(arguments) == 0
    owner.close()


def test_bad_bytes_are_marked_and_other_headers_passed_over(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    owner = OwnedMailbox.create("/rt_estimator_state_v1", KINDS["estimator"].form, places=places)
    owner.write(ESTIMATOR[:70] + b"\xff" + ESTIMATOR[71:])
    assert dump_cli.main(["--type", "estimator", "--count", "1"]) == 0
    assert capsys.readouterr().out.endswith(" crc=bad\n")
    owner.write(b"\x00" + ESTIMATOR[1:])
    assert dump_cli.main(["--type", "estimator", "--duration-sec", "0.01"]) == 1
    assert capsys.readouterr().out == ""
    owner.close()


def test_without_a_mailbox_it_says_so(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_cli.main(["--type", "sensor", "--duration-sec", "0.01"]) == 1
    assert "/rt_sensor_snapshot_v1: not there" in capsys.readouterr().err


def test_a_mailbox_made_anew_is_attached_again(places: Places) -> None:
    kind = KINDS["estimator"]
    box = Box(kind, places=places)
    assert box.take(0.0) is None
    assert "not there" in box.trouble
    owner = OwnedMailbox.create(kind.form.name, kind.form, places=places)
    owner.write(ESTIMATOR)
    assert box.take(LOOK_AGAIN_S / 2) is None, "looked for more often than it should"
    taken = box.take(LOOK_AGAIN_S)
    assert taken is not None
    assert box.trouble == ""
    owner.close()
    owner = OwnedMailbox.create(kind.form.name, kind.form, places=places)
    owner.write(ESTIMATOR)
    assert box.take(2 * LOOK_AGAIN_S) == taken
    assert box.take(2 * LOOK_AGAIN_S) is None
    box.close()
    owner.close()


def test_unknown_numbers_stay_numbers() -> None:
    values = (1, 2, 9, 0, 0, 0, 0, 0)
    assert " action=9 " in dump_cli.line("igniter-command", boxes.Message(values, True))


@pytest.mark.parametrize(
    "arguments", [["--type", "gyro"], ["--type", "sensor", "--name", "box"], ["--type", "sensor", "--interval", "0"]]
)
def test_wrong_command_lines_are_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        dump_cli.main(arguments)
    assert stop.value.code == 2
