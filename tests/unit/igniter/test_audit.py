# SPDX-License-Identifier: Apache-2.0
"""The audit of the igniter: what is on the disk before it is done, and disks that do not do as they should."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from pilotlight.igniter import audit as audits
from pilotlight.igniter.audit import LOST, UNHEARD, Audit, unrecorded


@pytest.mark.parametrize("broken", [False, True])
def test_a_disk_that_does_not_answer_holds_up_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], broken: bool
) -> None:
    answers = threading.Event()

    def sync(path: Path) -> None:
        if broken:
            raise OSError(errno.EIO, "Input/output error")
        answers.wait()

    monkeypatch.setattr(audits, "_sync", sync)
    monkeypatch.setattr(audits, "DURABLE_S", 0.01)
    try:
        asyncio.run(Audit(tmp_path).durable("asked", command="FIRE"))
    finally:
        answers.set()
    assert '"command":"FIRE"' in (tmp_path / "audit.jsonl").read_text()
    told = "cannot be reached: Input/output error" if broken else "was not there after 0.01 s"
    assert f"may be lost by a power cut: the disk {told}" in capfd.readouterr().err


def test_what_is_durable_was_synced_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    asyncio.run(Audit(tmp_path).durable("asked", command="FIRE"))
    assert synced == [tmp_path / "audit.jsonl", tmp_path]


def test_the_audit_keeps_two_files_and_survives_a_bad_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotlight.igniter.audit.LARGEST", 200)
    audit = Audit(tmp_path / "state")
    for number in range(6):
        audit.note("command", number=number)
    kept = [path.read_text().count("\n") for path in sorted((tmp_path / "state").iterdir())]
    assert len(kept) == 2
    assert (tmp_path / "state/audit.jsonl").stat().st_mode & 0o777 == 0o600
    Audit(tmp_path / "state/audit.jsonl/below").note("command", number=7)


def asked(*channels: int, sequence: int = 1, command: str = "FIRE", **more: Any) -> dict[str, Any]:
    return {
        "event": "asked", "time": f"at {sequence}", "by": "somebody", "command": command, "channels": list(channels),
        "sequence": sequence, "durations_ms": [0, 0, 0, 0], **more,
    }  # fmt: skip


def told(verdict: str, *channels: int, **more: Any) -> dict[str, Any]:
    return asked(*channels, **more) | {"event": "command", "verdict": verdict}


def shot(channel: int) -> dict[str, Any]:
    return {"event": "shot", "channel": channel, "number": 7, "trace": [1, -2], "verdict": "on for 3.0 ms"}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([asked(1, 3), told("ACCEPTED", 1, 3), shot(1), shot(3)], []),
        ([asked(1, 3), told("ACCEPTED", 1, 3), shot(3)], [(1, "at 1")]),
        # A shot that is over before its caller hears of it.
        ([asked(1), shot(1), told("ACCEPTED", 1)], []),
        # Nothing more was told.
        ([asked(2)], [(2, "at 1")]),
        ([asked(2), told(UNHEARD, 2)], [(2, "at 1")]),
        ([asked(2), told("WRONG_TOKEN", 2)], []),
        ([asked(2), told("the firing loop does not run; all outputs are off", 2)], []),
        # What was refused is not the one before it.
        ([asked(2), told("ACCEPTED", 2), asked(2, sequence=2), told("BAD_CHANNELS", 2, sequence=2)], [(2, "at 1")]),
        (
            [asked(1, 2, command="BOX_FIRE", message=4), asked(1, command="BOX_FIRE", message=5),
             told("WRONG_STATE", 1, command="BOX_FIRE", message=5)],
            [(1, "at 1"), (2, "at 1")],
        ),
        ([asked(1), shot(1), asked(1, sequence=2)], [(1, "at 2")]),
        # To arm is no shot.
        ([asked(1, command="ARM"), {"event": "mode", "mode": "SAFE", "cause": "START"}], []),
    ],
)  # fmt: skip
def test_shots_without_a_record_are_found(entries: list[dict[str, Any]], expected: list[tuple[int, str]]) -> None:
    assert unrecorded([json.dumps(entry).encode() for entry in entries]) == expected


def test_what_is_no_entry_says_nothing() -> None:
    torn = json.dumps(asked(1)).encode()[:-5]
    assert unrecorded([b"", torn, b"\xff\0", b"[]", b'{"event": 5}', json.dumps(asked(4)).encode()]) == [(4, "at 1")]


def test_each_shot_gets_its_record_once_and_a_torn_line_stays_alone(tmp_path: Path) -> None:
    audit, path = Audit(tmp_path), tmp_path / "audit.jsonl"
    audit.settle()
    assert not path.exists()
    audit.note("asked", command="FIRE", channels=[1, 3])
    path.rename(tmp_path / "audit.old.jsonl")
    path.write_bytes(b'{"event":"comm')
    for _ in range(2):
        Audit(tmp_path).settle()
        torn, *records = path.read_text().splitlines()
        assert torn == '{"event":"comm'
        assert [(e["event"], e["channel"], e["verdict"]) for e in map(json.loads, records)] == [
            ("shot", 1, LOST), ("shot", 3, LOST),
        ]  # fmt: skip


def test_an_audit_that_cannot_be_read_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    Audit(tmp_path).settle()
    assert "whether every shot is on record is not known" in capfd.readouterr().err
