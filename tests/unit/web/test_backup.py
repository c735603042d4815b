# SPDX-License-Identifier: Apache-2.0
"""Backup and restore over HTTPS, through the orchestrator and the keeper."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight.orchestrator.backup import seal
from pilotlight.orchestrator.backup.restore import FOLDER, READY

from tests.support.daemons import Daemons
from tests.support.keeper import keeper_at
from tests.unit.web.conftest import Site

PASSPHRASE = "a long pässphrase"
HEADER = {"X-Backup-Passphrase": base64.b64encode(PASSPHRASE.encode()).decode()}


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemons: Daemons, bus: str) -> Iterator[Path]:
    """A device with an orchestrator; restarts are noted in the file `restarts`."""
    for name in ("boot", "data/pilotlight/etc", "data/pilotlight/web"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/pilotlight/etc/io.yaml").write_text("lines: {}\n")
    (tmp_path / "data/pilotlight/web/key.pem").write_text("PRIVATE KEY")
    monkeypatch.setenv("PILOTLIGHT_STATE", str(tmp_path / "data/pilotlight"))
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(seal, "N", 1 << 14)
    daemons.configure("orchestrator", "data: /\n")
    daemons.start("orchestrator")
    with keeper_at(tmp_path / "data", tmp_path / "boot") as restarts:
        yield tmp_path
        (tmp_path / "restarts").write_text(str(len(restarts)))


def test_a_backup_is_downloaded_and_restored(device: Path, site: Site) -> None:
    admin = site.claim()
    reply = site.call("POST", "/api/backup", admin, json={"passphrase": PASSPHRASE})
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].endswith('.plb"')
    assert b"PRIVATE KEY" not in reply.content
    told = site.call("POST", "/api/backup/inspect", admin, content=reply.content, headers=HEADER).json()
    assert told["sealed"] is True and told["refusal"] == "" and "pilotlight/web" in told["parts"]
    assert not (device / "data" / FOLDER).exists()
    done = site.call("POST", "/api/backup/restore", admin, content=reply.content, headers=HEADER)
    assert done.status_code == 200 and done.json()["left_out"] == []
    assert (device / "data" / FOLDER / READY).exists()
    assert list((device / "data/pilotlight/web").glob("tmp*")) == []


def test_what_is_refused_says_why(device: Path, site: Site) -> None:
    admin = site.claim()
    assert "no backup" in site.call("POST", "/api/backup/restore", admin, content=b"x" * 100_000).json()["msg"]
    short = site.call("POST", "/api/backup", admin, json={"passphrase": "short"})
    assert short.status_code == 400 and "8 to" in short.json()["msg"]
    reply = site.call("POST", "/api/backup", admin, json={"passphrase": PASSPHRASE})
    wrong = {"X-Backup-Passphrase": base64.b64encode(b"another passphrase").decode()}
    refused = site.call("POST", "/api/backup/restore", admin, content=reply.content, headers=wrong)
    assert refused.status_code == 400 and "passphrase is wrong" in refused.json()["msg"]
    bad = site.call("POST", "/api/backup/restore", admin, content=b"", headers={"X-Backup-Passphrase": "%"})
    assert bad.status_code == 400 and "base64" in bad.json()["msg"]
    assert not (device / "data" / FOLDER).exists()


@pytest.mark.parametrize("path", ["/api/backup", "/api/backup/inspect", "/api/backup/restore"])
def test_only_administrators(site: Site, path: str) -> None:
    admin = site.claim()
    user = site.add(admin, "bert", "user")
    assert site.call("POST", path, user, json={}).status_code == 403
    assert site.call("POST", path, json={}).status_code == 401
