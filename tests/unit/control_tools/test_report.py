# SPDX-License-Identifier: Apache-2.0
"""`rt-status-report`: tables, colours, the monitor's health words, exit codes and the event log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pilotlight.runtime.control.tools import report_cli, share
from pilotlight.runtime.control.tools.monitor import Monitor
from pilotlight.runtime.control.tools.report import Paint, jitter_colour, report_text, share_page
from pilotlight.runtime.control.tools.status import KEYS, parse_status

from tests.unit.control_tools.samples import STATUS_SAMPLE

PLAIN = Paint(False)


@pytest.fixture
def status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(report_cli.EVENT_LOG, str(tmp_path / "events.jsonl"))
    path = tmp_path / "rt_status.txt"
    path.write_text(STATUS_SAMPLE)
    return path


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_every_matter_has_its_table_and_figures() -> None:
    text = report_text(parse_status(STATUS_SAMPLE), PLAIN)
    found = rows(text)
    assert ["igniter_command", "3", "0"] in found
    assert ["last", "reason", "imu_stale"] in found
    assert ["imu", "10010", "11"] in found
    assert ["control", "20.0", "35.5", "62.3", "361.9"] in found
    assert ["actuator_client_connected", "false"] in found
    assert ["actuator_cmd_age_max_ns", "438099"] in found


def test_no_value_is_left_out() -> None:
    """Every key with a value of its own shows it, in a table or among the rest."""
    marked = {key: f"<{key}>" for key in KEYS} | {"sim_mode": "true", "unknown_key": "<unknown_key>"}
    text = report_text(marked, PLAIN)
    assert [key for key in marked if f"<{key}>" not in text] == ["sim_mode", "last_failsafe_reason"]


def test_the_link_is_shown_in_simulated_mode_only() -> None:
    real = parse_status(STATUS_SAMPLE) | {"sim_mode": "false"}
    assert "simulator link" not in report_text(real, PLAIN)
    assert "sim_net" not in report_text(real, PLAIN)


def test_jitter_has_the_colour_of_its_bar() -> None:
    assert [jitter_colour("p50", ns) for ns in (80_000, 80_001, 160_000, 160_001)] == [
        "green", "yellow", "yellow", "red",
    ]  # fmt: skip
    text = report_text(parse_status(STATUS_SAMPLE), Paint(True))
    assert "\x1b[31m7943.2\x1b[0m" in text
    assert "\x1b[33m361.9\x1b[0m" in text


def test_foreign_text_cannot_steer_the_terminal() -> None:
    snapshot = share.Snapshot(0, "\x1b[2J", {"a\x1b": "b\x07"}, "\x1b]0;x")
    assert "\x1b" not in share_page(snapshot, PLAIN)
    assert "\x1b" not in report_text({"control_ticks": "\x1b[2J", "x\x1b": "\x1b"}, PLAIN)


def monitored(*looks: tuple[float, int, bool]) -> Monitor:
    monitor = Monitor(1.5, 3.0)
    for now, frames, connected in looks:
        monitor.look(
            {
                "sim_net_sensor_frames": str(frames),
                "sim_net_actuator_frames": str(frames),
                "sim_net_actuator_client_connected": str(connected).lower(),
            },
            now,
        )
    return monitor


@pytest.mark.parametrize(
    ("now", "word"), [(10.0, "OK"), (11.49, "OK"), (11.5, "SLOW"), (12.99, "SLOW"), (13.0, "STALLED")]
)
def test_health_goes_by_the_age_of_the_last_frame(now: float, word: str) -> None:
    monitor = monitored((9.0, 100, True), (10.0, 350, True), (now, 350, True))
    assert monitor.sensor_health(now) == monitor.actuator_health(now) == word


def test_without_frames_there_is_no_data_and_without_a_client_no_client() -> None:
    monitor = monitored((1.0, 0, False), (9.0, 0, False))
    assert monitor.sensor_health(9.0) == "NO_DATA"
    assert monitor.actuator_health(9.0) == "NO_CLIENT"


def test_the_rate_is_that_of_the_last_interval_and_a_new_run_begins_anew() -> None:
    monitor = monitored((9.0, 100, True), (9.5, 225, True))
    assert monitor.sensor.rate_hz == 250.0
    monitor = monitored((9.0, 100, True), (9.5, 225, True), (10.0, 0, True))
    assert monitor.sensor.rate_hz == 0.0
    assert monitor.sensor_health(10.0) == "NO_DATA"


def test_limits_must_rise() -> None:
    with pytest.raises(ValueError, match="0 < warn < stall"):
        Monitor(3.0, 3.0)


def test_once_prints_the_report(status: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_cli.main([str(status), "--once"]) == 0
    assert capsys.readouterr().out == report_text(parse_status(STATUS_SAMPLE), PLAIN)


def test_the_monitor_prints_once(status: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_cli.main([str(status), "--once", "--monitor"]) == 0
    out = capsys.readouterr().out
    assert "NO_DATA" in out
    assert "NO_CLIENT" in out
    assert "status file: " in out


def test_a_missing_file_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_cli.main([str(tmp_path / "none"), "--once"]) == 1
    assert "is the loop running?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--share"],
        ["--once", "--share", "--open-share", "x"],
        ["--warn-sec", "3"],
        ["--warn-sec", "0"],
        ["--interval", "nan"],
    ],
)
def test_wrong_command_lines_are_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        report_cli.main(arguments)
    assert stop.value.code == 2


def test_a_token_is_shared_opened_and_both_are_logged(status: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_cli.main([str(status), "--once", "--share", "--share-url-base", "https://example.org/s/"]) == 0
    url = capsys.readouterr().out.splitlines()[-1].removeprefix("share url: ")
    assert url.startswith("https://example.org/s/rtshare1_")
    assert report_cli.main(["--open-share", url]) == 0
    out = capsys.readouterr().out
    assert "YELLOW" in out
    assert ["control_jitter_max_ns", "361919"] in rows(out)
    lines = (status.parent / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [(event["event"], event["health"]) for event in events] == [
        ("share_snapshot_created", "yellow"),
        ("share_snapshot_opened", "yellow"),
    ]
    assert events[0]["failsafe_enters"] == "1"
    assert events[1]["source"] == "rt_status.txt"
    assert lines[0] == json.dumps(events[0], sort_keys=True, separators=(",", ":"))


def test_a_bad_token_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_cli.main(["--open-share", "rtshare1_AAAA"]) == 1
    assert "Share token is invalid" in capsys.readouterr().err


def test_an_event_log_that_cannot_be_written_stops_nobody(
    status: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "link").symlink_to(victim)
    for place in (tmp_path / "no/such/folder", tmp_path / "link"):
        monkeypatch.setenv(report_cli.EVENT_LOG, str(place))
        assert report_cli.main([str(status), "--once", "--share"]) == 0
    assert victim.read_text() == "mine"
