# SPDX-License-Identifier: Apache-2.0
"""Backup, restore and factory reset over D-Bus: the orchestrator, and the keeper behind its socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.daemon import Client, DaemonError, Fd, InvalidArgument, Unavailable
from pilotlight.orchestrator.backup import cli, seal
from pilotlight.orchestrator.backup.manifest import BadBackup
from pilotlight.orchestrator.backup.restore import FOLDER, READY
from pilotlight.orchestrator.keeper.__main__ import Keeper
from pilotlight.orchestrator.keeper.protocol import Answer, Request, ask, receive

from tests.support.daemons import Daemons
from tests.support.keeper import keeper_at

PASSPHRASE = "a long passphrase"


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("boot", "data/pilotlight/etc", "data/system/ssh"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/pilotlight/etc/io.yaml").write_text("lines: {}\n")
    (tmp_path / "data/system/ssh/ssh_host_ed25519_key").write_text("secret")
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("PILOTLIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(seal, "N", 1 << 14)
    return tmp_path


@pytest.fixture
def restarts(device: Path) -> Iterator[list[str]]:
    with keeper_at(device / "data", device / "boot") as called:
        yield called


def test_a_backup_goes_through_the_bus_and_back(device: Path, restarts: list[str], bus: str, daemons: Daemons) -> None:
    daemons.configure("orchestrator", "data: /\n")
    daemons.start("orchestrator")
    client = Client("io.pilotlight.Orchestrator1", 60.0)
    with (device / "press.plb").open("w+b") as file:
        told = client.call("CreateBackup", Fd(file.fileno()), PASSPHRASE)
        assert told["Sealed"] is True and told["LeftOut"] == []
        assert told["Parts"] == ["pilotlight/etc", "system/ssh"]
        inspected = client.call("InspectBackup", Fd(file.fileno()), PASSPHRASE)
        assert inspected == {**told, "Refusal": ""}
        with pytest.raises(BadBackup, match="passphrase is wrong"):
            client.call("InspectBackup", Fd(file.fileno()), "another passphrase")
        assert restarts == []
        client.call("RestoreBackup", Fd(file.fileno()), PASSPHRASE, True)
    assert restarts == ["restart"]
    assert (device / "data" / FOLDER / READY).exists()
    with pytest.raises(InvalidArgument, match="nothing was done"):
        client.call("FactoryReset", "yes")
    assert list((device / "boot").iterdir()) == []
    client.call("FactoryReset", "erase")
    assert "over D-Bus" in (device / "boot/factory-reset").read_text()
    assert restarts == ["restart", "restart"]


def test_without_a_keeper_the_reason_is_told(device: Path) -> None:
    with pytest.raises(Unavailable, match="pilotlight backup"):
        ask(Request("factory-reset", "anna"))


def test_what_goes_wrong_is_answered(device: Path, restarts: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="descriptor"):
        ask(Request("backup", "anna"))
    with (device / "empty").open("w+b") as file, pytest.raises(BadBackup, match="no backup"):
        ask(Request("restore", "anna"), file.fileno())
    with (device / "press.plb").open("w+b") as file, pytest.raises(BadBackup, match="passphrase has 8"):
        ask(Request("backup", "anna", "short"), file.fileno())
    reading = os.open(device / "press.plb", os.O_RDONLY)
    with pytest.raises(DaemonError, match="what is in use was not changed"):
        ask(Request("backup", "anna"), reading)
    os.close(reading)


def test_a_request_that_is_none_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b'{"verb": "format-disk", "user": "x"}\n')
        with pytest.raises(ValueError, match="no request"):
            receive(theirs)


def test_the_answer_has_the_name_of_the_error(device: Path) -> None:
    keeper = Keeper(device / "data", device / "none", lambda: None)
    answer = keeper.answer(Request("factory-reset", "anna"), None)
    assert answer == Answer(Unavailable.dbus_name, answer.message) and "nothing is erased" in answer.message


def test_the_command_line_backs_up_and_restores(device: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (device / "phrase").write_text(PASSPHRASE + "\n")
    words = ["--passphrase-file", str(device / "phrase")]
    backup = str(device / "press.plb")
    assert cli.main(["create", backup, *words]) == 0
    assert "sealed with the passphrase" in capsys.readouterr().err
    assert Path(backup).stat().st_mode & 0o777 == 0o600
    assert cli.main(["inspect", backup, *words]) == 0
    assert "whole, and the passphrase fits" in capsys.readouterr().out
    assert cli.main(["restore", backup, *words]) == 0
    assert (device / "data" / FOLDER / READY).exists()
    assert "systemctl reboot" in capsys.readouterr().out


def test_the_command_line_says_what_is_missing(device: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["create", str(device / "press.plb")]) == 1
    assert "--without-secrets" in capsys.readouterr().err
    assert cli.main(["create", str(device / "press.plb"), "--without-secrets"]) == 0
    assert "left out: system/ssh/ssh_host_ed25519_key" in capsys.readouterr().err
    assert cli.main(["inspect", str(device / "nothing.plb")]) == 1
    assert [path.name for path in device.glob("*.plb")] == ["press.plb"] and not list(device.glob(".press*"))
