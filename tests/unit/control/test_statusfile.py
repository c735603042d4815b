# SPDX-License-Identifier: Apache-2.0
"""The status file out of the segments of the loop and of the igniter."""

from __future__ import annotations

from pathlib import Path

from pilotlight.igniter.arming import Mode
from pilotlight.igniter.publisher import tags as igniter_tags
from pilotlight.runtime.control import statusfile
from pilotlight.runtime.control.looptags import TAGS
from pilotlight.runtime.control.statusfile import StatusFile
from pilotlight.runtime.control.tools.status import KEYS, read_status
from pilotlight.tags import SegmentReader, SegmentWriter, now_ns


def loop_segment() -> SegmentWriter:
    writer = SegmentWriter.create("control", TAGS)
    writer.set(writer.directory.index("Status.control_ticks"), 250)
    writer.set(writer.directory.index("Status.sim_mode"), True)
    writer.publish(now_ns())
    return writer


def test_it_has_every_key_in_order_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    writer, told = loop_segment(), list[str]()
    reader = SegmentReader.open("control")
    path = tmp_path / "rt_status.txt"
    path.symlink_to(tmp_path / "elsewhere")
    file = StatusFile(path, lambda level, text: told.append(text))
    file.write(reader, degraded=False)
    assert list(read_status(path)) == list(KEYS)
    assert read_status(path)["control_ticks"] == "250"
    assert read_status(path)["sim_mode"] == "true"
    assert read_status(path)["degraded_mode_active"] == "false"
    assert not (tmp_path / "elsewhere").exists()
    file.write(reader, degraded=True)
    assert read_status(path)["degraded_mode_active"] == "true"
    assert [each.name for each in tmp_path.glob("*rt_status*")] == ["rt_status.txt"]
    assert told == []
    reader.close()
    writer.close()


def test_a_folder_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    writer, told = loop_segment(), list[str]()
    reader = SegmentReader.open("control")
    file = StatusFile(tmp_path / "none" / "status", lambda level, text: told.append(f"{level} {text}"))
    file.write(reader, degraded=False)
    file.write(reader, degraded=False)
    assert len(told) == 1
    assert told[0].startswith("WARNING") and "the loop goes on" in told[0]
    (tmp_path / "none").mkdir()
    file.write(reader, degraded=False)
    assert (tmp_path / "none" / "status").exists()
    reader.close()
    writer.close()


def test_the_igniter_shows_while_its_daemon_lives() -> None:
    assert statusfile.igniter_status() == {}
    assert statusfile.ARMED == Mode.ARMED
    writer = SegmentWriter.create("igniter", igniter_tags())
    values = {"Mode": int(Mode.ARMED), "Channel1.Commanded": True, "Channel3.Commanded": True}
    for name, value in {**values, "CommandsAccepted": 7, "CommandsRefused": 3}.items():
        writer.set(writer.directory.index(name), value)
    writer.publish(now_ns())
    writer.heartbeat(now_ns() + 60_000_000_000)
    assert statusfile.igniter_status() == {
        "igniter_command_accept_count": 7,
        "igniter_command_reject_count": 3,
        "igniter_armed": True,
        "igniter_global_fault_latched": False,
        "igniter_active_mask": 0b101,
        "igniter_ticks": 1,
    }
    writer.heartbeat(now_ns() - 1)
    assert statusfile.igniter_status() == {}
    writer.close()
