# SPDX-License-Identifier: Apache-2.0
"""The audit of the igniter: what is on the disk before it is done, and disks that do not do as they should."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest
from pilotlight.igniter import audit as audits
from pilotlight.igniter.audit import Audit


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
