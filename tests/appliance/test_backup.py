# SPDX-License-Identifier: Apache-2.0
"""A backup of one device restored on another, with the real units: web, orchestrator, keeper, restore at the start."""

import base64
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from image.container import Container
from tests.appliance.conftest import Contained
from tests.support.appliance import DAEMONS, wait_until_active

PASSPHRASE = "a long pässphrase"
HEADER = {"X-Backup-Passphrase": base64.b64encode(PASSPHRASE.encode()).decode()}
ANNA = {"username": "anna", "password": "correct horse"}
BERT = {"username": "bert", "password": "battery staple"}


class Device:
    """A running container and its web as one user sees it."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.http = httpx.Client(base_url=container.url, verify=False, timeout=60.0)

    def run(self, command: str) -> str:
        code, output = self.container.exec(["/bin/sh", "-c", command])
        assert code == 0, output
        return output

    def claim(self, user: dict[str, str]) -> None:
        assert self.http.post("/api/create-user", json=user).status_code == 201

    def login(self, user: dict[str, str]) -> int:
        reply = self.http.post("/api/login", json=user)
        if reply.status_code == 200:
            self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        return reply.status_code


@contextmanager
def device(data: Path) -> Iterator[Device]:
    with Container(data=data) as container:
        assert container.wait_for_web(60), container.tail()
        yield Device(container)


@pytest.fixture
def backup(tmp_path: Path) -> bytes:
    """A backup of Anna's device, downloaded."""
    with device(tmp_path / "annas") as hers:
        hers.claim(ANNA)
        hers.login(ANNA)
        hers.run("echo 'period_s: 2.0' >/etc/pilotlight/orchestrator.yaml")
        hers.run("echo press-7 >/data/system/site/hostname")
        reply = hers.http.post("/api/backup", json={"passphrase": PASSPHRASE})
        assert reply.status_code == 200, reply.text
        log = hers.run("journalctl -u 'pilotlight-keeper@*' -o cat")
        assert "backup for pilotlight-web: done" in log and PASSPHRASE not in hers.run("journalctl -o cat")
        return reply.content


def test_a_backup_makes_another_device_the_first(tmp_path: Path, backup: bytes) -> None:
    data = tmp_path / "berts"
    with device(data) as his:
        his.claim(BERT)
        assert his.login(BERT) == 200
        assert his.http.post("/api/backup/restore", content=backup[:2000]).status_code == 400
        reply = his.http.post("/api/backup/restore", content=backup, headers=HEADER)
        assert reply.status_code == 200, reply.text
        assert his.login(BERT) == 200  # nothing is replaced before the next start
    with device(data) as his:
        assert his.login(BERT) == 401
        assert his.login(ANNA) == 200
        assert his.run("cat /etc/pilotlight/orchestrator.yaml") == "period_s: 2.0\n"
        assert his.run("uname -n") == "press-7\n"
        assert "restored" in his.run("journalctl -b -u pilotlight-restore -o cat")
        assert his.run("ls -A /data/system").split().count("restore") == 0
        appliance = Contained(his.container)
        for name in DAEMONS:
            wait_until_active(appliance, name, "", 60)


def test_the_console_does_the_same(tmp_path: Path) -> None:
    with device(tmp_path / "data") as its:
        its.claim(ANNA)
        its.run(f"echo {shlex.quote(PASSPHRASE)} >/run/phrase")
        words = "--passphrase-file /run/phrase"
        its.run(f"pilotlight backup create /data/a.plb {words}")
        told = its.run(f"pilotlight backup inspect /data/a.plb {words}")
        assert "whole, and the passphrase fits" in told and "pilotlight/web" in told
        code, output = its.container.exec(
            ["pilotlight", "backup", "restore", "/data/a.plb", "--passphrase-file", "/etc/hostname"]
        )
        assert code == 1 and "passphrase is wrong" in output
        assert its.container.exec(["test", "-e", "/data/system/restore/ready.json"])[0] == 1
        its.run(f"pilotlight backup restore /data/a.plb {words}")
        its.run("test -e /data/system/restore/ready.json")
