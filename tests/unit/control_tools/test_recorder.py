# SPDX-License-Identifier: Apache-2.0
"""The CSV recorder: the form of header and rows, every message of the journal, what mailboxes can give."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pilotlight.runtime.control import looptags
from pilotlight.runtime.control.messagetags import (
    CONTROLLER_TAGS,
    ESTIMATOR_TAGS,
    MESSAGE_TAGS,
    SENSOR_TAGS,
    controller_values,
    estimator_values,
    sensor_values,
)
from pilotlight.runtime.control.tools import boxes, recorder_cli
from pilotlight.runtime.control.tools.boxes import KINDS, Message
from pilotlight.runtime.control.tools.recorder import HEADER, Journal, Rows
from pilotlight.runtime.control.tools.status import status_text
from pilotlight.tags import SegmentWriter, Tag, Type, now_ns
from pilotlight.tags.mailbox import OwnedMailbox, Places
from pilotlight.tags.messages import ControllerCommand, EstimatorState, SensorSnapshot

KNOWN_HEADER = (
    "host_mono_ns,host_wall_s,updated_sensor,updated_estimator,updated_controller,sensor_seq,sensor_t_ns,sensor_crc_ok,"
    "sensor_imu_valid,sensor_baro_valid,sensor_ax_mps2,sensor_ay_mps2,sensor_az_mps2,sensor_gx_rads,sensor_gy_rads,"
    "sensor_gz_rads,sensor_pressure_pa,sensor_temp_c,est_seq,est_t_ns,est_crc_ok,est_valid,est_qw,est_qx,est_qy,est_qz,"
    "est_vn_mps,est_ve_mps,est_vd_mps,est_pn_m,est_pe_m,est_pd_m,ctrl_seq,ctrl_t_ns,ctrl_crc_ok,ctrl_armed,"
    "ctrl_s0_norm,ctrl_s1_norm,ctrl_s2_norm,ctrl_s3_norm"
)
KNOWN_ROW = (
    "1758361816754,1795252414.524702,1,1,1,680,1758359309962,1,1,1,-0.40791526805932005,-0.3326549403185988,"
    "9.946292792117141,-0.04686500862059296,-0.0010673451374352213,-0.018016641975732727,101402.6903973309,"
    "24.420929147256437,382,1758359281806,1,1,0.9992222785949707,-0.02189926989376545,0.022219322621822357,"
    "-0.024115027859807014,0.0,0.0,0.0,0.0,0.0,0.0,390,1758360038017,1,1,-0.4265093505382538,0.4220068156719208,"
    "0.4265093505382538,-0.4220068156719208"
)
SENSOR = SensorSnapshot(
    680, 1758359309962, True, True,
    (-0.40791526805932005, -0.3326549403185988, 9.946292792117141),
    (-0.04686500862059296, -0.0010673451374352213, -0.018016641975732727), 101402.6903973309, 24.420929147256437,
)  # fmt: skip
ESTIMATE = EstimatorState(
    382, 1758359281806, True,
    (0.9992222785949707, -0.02189926989376545, 0.022219322621822357, -0.024115027859807014),
    (0.0, 0.0, 0.0), (0.0, 0.0, 0.0),
)  # fmt: skip
COMMAND = ControllerCommand(
    390, 1758360038017, True, (-0.4265093505382538, 0.4220068156719208, 0.4265093505382538, -0.4220068156719208)
)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    there = Places(tmp_path / "shm", tmp_path / "tmp")
    there.shared.mkdir()
    there.fallback.mkdir()
    monkeypatch.setattr(boxes, "USUAL_PLACES", there)
    return there


def message(name: str, packed: bytes) -> Message:
    return Message(KINDS[name].values(packed), True)


def test_header_and_row_are_the_known_ones_to_the_byte() -> None:
    new = {
        "sensor": message("sensor", SENSOR.pack()),
        "estimator": message("estimator", ESTIMATE.pack()),
        "controller": message("controller", COMMAND.pack()),
    }
    assert ",".join(HEADER) == KNOWN_HEADER
    assert len(HEADER) == 40
    row = Rows().row(1758361816754, 1795252414524702000, new)
    assert row is not None
    assert ",".join(row) == KNOWN_ROW


def test_a_row_repeats_what_is_not_new_and_there_is_none_without_news() -> None:
    rows = Rows()
    first = rows.row(1, 0, {"sensor": message("sensor", SENSOR.pack())})
    assert first is not None
    assert first[2:5] == ("1", "0", "0")
    assert set(first[18:]) == {""}
    assert rows.row(2, 0, {"sensor": message("sensor", SENSOR.pack())}) is None
    second = rows.row(3, 0, {"controller": message("controller", COMMAND.pack())})
    assert second is not None
    assert second[2:5] == ("0", "0", "1")
    assert second[5:18] == first[5:18]


class Loop:
    """The publishing half of a control loop."""

    def __init__(self, journal: int = 65536) -> None:
        tags = [Tag("Other", Type.STRING, 20), *MESSAGE_TAGS]
        self.writer = SegmentWriter.create("control", tags, journal=journal)
        self.now = 1000

    def put(self, tags: tuple[Tag, ...], values: tuple[bool | int | float, ...]) -> None:
        for tag, value in zip(tags, values, strict=True):
            self.writer.set(self.writer.directory.index(tag.name), value)

    def tick(self, number: int, estimate: bool = True) -> None:
        self.put(SENSOR_TAGS, sensor_values(SENSOR._replace(seq=number, accel=(number / 7, 0.0, -0.0))))
        if estimate:
            self.put(ESTIMATOR_TAGS, estimator_values(ESTIMATE._replace(seq=number)))
        self.put(CONTROLLER_TAGS, controller_values(COMMAND._replace(seq=number)))
        self.now += 4_000_000
        self.writer.publish(self.now)


def test_the_segment_of_the_loop_has_what_is_recorded_and_reported() -> None:
    assert set(MESSAGE_TAGS) <= set(looptags.TAGS)
    values = {tag.name: tag.type is Type.BOOL for tag in looptags.TAGS}
    values |= {tag.name: 0 for tag in looptags.TAGS if tag.type is not Type.BOOL}
    assert status_text(looptags.status_of(values)).startswith("sim_mode=true\n")


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.writer.close()


def test_the_journal_gives_every_tick_once(loop: Loop) -> None:
    loop.tick(1)
    journal = Journal()
    rows = list(journal.rows())
    for number in range(2, 1002):
        loop.tick(number, estimate=number % 2 == 0)
        if number % 300 == 0:
            rows += journal.rows()
    rows += journal.rows()
    assert [row[HEADER.index("sensor_seq")] for row in rows] == [str(number) for number in range(1, 1002)]
    assert rows[4][2:5] == ("1", "0", "1")
    assert rows[1000][HEADER.index("sensor_ax_mps2")] == repr(1001 / 7)
    assert rows[1000][HEADER.index("host_mono_ns")] == str(loop.now)
    assert rows[1000][HEADER.index("ctrl_s0_norm")] == "-0.4265093505382538"
    assert journal.lost == 0
    journal.close()


def test_what_the_journal_lost_is_counted_and_the_present_values_go_on() -> None:
    loop = Loop(journal=64)
    loop.tick(1)
    journal = Journal()
    rows = list(journal.rows())
    for number in range(2, 40):
        loop.tick(number)
    rows += journal.rows()
    rows += journal.rows()
    assert journal.lost > 0
    assert rows[-1][HEADER.index("sensor_seq")] == "39"
    loop.writer.close()


def test_a_loop_that_begins_anew_is_followed(loop: Loop) -> None:
    loop.tick(1)
    journal = Journal()
    rows = list(journal.rows())
    loop.tick(2)
    anew = Loop()
    anew.tick(1)
    anew.tick(2)
    rows += journal.rows()
    rows += journal.rows()
    seqs = [row[HEADER.index("sensor_seq")] for row in rows]
    assert seqs[:2] == ["1", "2"]
    assert journal.epochs == 1
    anew.tick(3)
    assert [row[HEADER.index("sensor_seq")] for row in journal.rows()][-1] == "3"
    anew.writer.close()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tool_records_the_journal(loop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop.tick(1)
    path = tmp_path / "run.csv"
    timer = threading.Timer(0.1, lambda: loop.tick(2))
    timer.start()
    assert recorder_cli.main(["--output", str(path), "--duration-sec", "0.5"]) == 0
    timer.join()
    assert [row["sensor_seq"] for row in read(path)] == ["1", "2"]
    assert capsys.readouterr().out == f"Wrote 2 rows to {path}\n"
    assert path.read_bytes().startswith(KNOWN_HEADER.encode() + b"\r\n")


def test_the_tool_records_mailboxes_and_appends(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.csv"
    boxes_of = {
        name: OwnedMailbox.create(f"/test_{name}", KINDS[name].form, places=places)
        for name in ("sensor", "estimator", "controller")
    }
    arguments = ["--output", str(path), "--duration-sec", "0.05", "--append"]
    arguments += [f"--{name}-name=/test_{name}" for name in boxes_of]
    boxes_of["sensor"].write(SENSOR.pack())
    spoilt = bytearray(COMMAND.pack())
    spoilt[40] ^= 1
    boxes_of["controller"].write(bytes(spoilt))
    boxes_of["estimator"].write(bytes(76))
    assert recorder_cli.main(arguments) == 0
    boxes_of["sensor"].write(SENSOR._replace(seq=681).pack())
    assert recorder_cli.main(arguments) == 0
    for box in boxes_of.values():
        box.close()
    rows = read(path)
    assert [row["sensor_seq"] for row in rows] == ["680", "681"]
    assert {row["sensor_crc_ok"] for row in rows} == {"1"}
    assert {row["ctrl_crc_ok"] for row in rows} == {"0"}
    assert {row["est_seq"] for row in rows} == {""}, "a message with a wrong header was recorded"
    assert "Wrote 1 rows" in capsys.readouterr().out


def test_names_come_from_the_configuration(places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "control.toml"
    sections = "runtime modes threads timeouts security imu baro actuator servo0 servo1 servo2 servo3"
    text = "".join(f"[{name}]\n" for name in (*sections.split(), "estimator_cpp", "controller_cpp"))
    config.write_text(f'{text}[ipc]\nsensor_snapshot_shm = "/rt_other_box"\n')
    arguments = ["--output", str(tmp_path / "run.csv"), "--duration-sec", "0.01", "--config", str(config)]
    assert recorder_cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert "/rt_other_box: not there" in said
    assert "nothing to record" in said


def test_the_journal_of_a_loop_that_has_ended_is_not_taken_for_one_that_runs(
    loop: Loop, places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.tick(1)
    loop.writer.heartbeat(now_ns() - 1)
    form = KINDS["sensor"].form
    with closing(OwnedMailbox.create(form.name, form, places=places)) as box:
        box.write(SENSOR.pack())
        arguments = ["--output", str(tmp_path / "run.csv"), "--duration-sec", "0.05"]
        assert recorder_cli.main(arguments) == 0
        assert "the loop of the journal does not run; mailboxes are read" in capsys.readouterr().err
        assert [row["sensor_seq"] for row in read(tmp_path / "run.csv")] == ["680"]
        # Who asks for it gets it.
        assert recorder_cli.main([*arguments, "--source", "journal"]) == 0
        assert [row["sensor_seq"] for row in read(tmp_path / "run.csv")] == ["1"]


def test_a_journal_that_is_not_there_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert recorder_cli.main(["--output", str(tmp_path / "x.csv"), "--source", "journal"]) == 1
    assert "start the loop first" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


def test_a_file_that_cannot_be_written_is_exit_code_1(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recorder_cli.main(["--output", str(tmp_path / "no/x.csv"), "--source", "boxes"]) == 1
    assert "No such file" in capsys.readouterr().err
