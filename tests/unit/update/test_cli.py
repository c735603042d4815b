# SPDX-License-Identifier: Apache-2.0
"""The tool `pilotlight update`, with the real orchestrator behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.orchestrator.update import cli

from tests.support.daemons import Daemons
from tests.support.fake_rauc import FakeRauc, bundle, orchestrated


@pytest.fixture
def rauc(bus: str, daemons: Daemons) -> Iterator[FakeRauc]:
    with orchestrated(daemons) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "new.raucb"
    path.write_bytes(bundle("99.0.0", pad=3 << 20))
    return path


def test_install_shows_steps_and_what_comes_next(
    rauc: FakeRauc, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "POLL_S", 0.01)
    rauc.hold.clear()
    threading.Timer(0.5, rauc.hold.set).start()
    assert cli.main(["install", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "100 % Copying the bundle" in lines or any("Copying the bundle" in line for line in lines)
    assert any("60 % Copying image" in line for line in lines)
    assert lines[-1].startswith("Installed 99.0.0 in slot B. 99.0.0 is used from the next restart on")
    assert cli.main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "pending" in shown and "Next try  B" in shown
    assert cli.main(["slots"]) == 0
    assert "99.0.0" in capsys.readouterr().out
    assert cli.main(["rollback"]) == 0
    assert "slot B is not tried" in capsys.readouterr().out
    assert cli.main(["history"]) == 0
    assert "withdrawn" in capsys.readouterr().out


def test_a_refusal_ends_with_1_and_its_reason(
    rauc: FakeRauc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.raucb").touch()
    assert cli.main(["install", str(tmp_path / "empty.raucb")]) == 1
    assert "0 bytes" in capsys.readouterr().err
    assert cli.main(["history"]) == 0
    assert "refused  (empty.raucb, " in capsys.readouterr().out
    (tmp_path / "old.raucb").write_bytes(bundle("0.0.1"))
    assert cli.main(["install", str(tmp_path / "old.raucb")]) == 1
    assert "older" in capsys.readouterr().err
    assert cli.main(["install", "--force", "--json", str(tmp_path / "old.raucb")]) == 0
    assert json.loads(capsys.readouterr().out)["Outcome"] == "pending"
    assert cli.main(["install", str(tmp_path / "none.raucb")]) == 1
    assert "No such file" in capsys.readouterr().err
    assert cli.main(["install", "http://updates.example/b.raucb"]) == 1
    assert "https" in capsys.readouterr().err


def test_from_an_address_without_waiting(rauc: FakeRauc, capsys: pytest.CaptureFixture[str]) -> None:
    rauc.urls["https://updates.example/b.raucb"] = bundle("99.0.0")
    assert cli.main(["install", "--no-wait", "https://updates.example/b.raucb"]) == 0
    assert "Update 1 has begun" in capsys.readouterr().out


def test_json_of_everything(rauc: FakeRauc, capsys: pytest.CaptureFixture[str]) -> None:
    for command, kind in (("status", dict), ("slots", list), ("history", list), ("policy", dict)):
        assert cli.main([command, "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), kind), command


def test_policy_and_marks(rauc: FakeRauc, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["policy"]) == 0
    assert capsys.readouterr().out == "never\n"
    assert cli.main(["policy", "window", "Sat 02:00-03:00"]) == 0
    assert capsys.readouterr().out == "window Sat 02:00-03:00\n"
    assert cli.main(["policy", "window", "later"]) == 1
    assert cli.main(["mark", "good", "booted"]) == 0
    assert cli.main(["mark", "bad", "booted"]) == 1
    assert "Nothing was changed" in capsys.readouterr().err
    assert cli.main(["reboot"]) == 0


@pytest.mark.parametrize("words", [["sing"], ["install"], ["policy", "sometimes"], ["mark", "active", "A"]])
def test_a_wrong_call_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2


def test_without_orchestrator_it_ends_with_3(bus: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 3
    assert "systemctl status pilotlight-orchestrator" in capsys.readouterr().err
