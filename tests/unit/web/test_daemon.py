# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: starts with nothing, announces itself, stops in time with connections open."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pilotlight.daemon import Client

from tests.support.daemons import PACKAGES


@pytest.fixture
def process(bus: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "web.yaml").write_text("bind: 127.0.0.1\nport: 0\n")
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    made = subprocess.Popen(
        [sys.executable, "-m", "pilotlight.web"], env=environment, stderr=subprocess.PIPE, text=True
    )
    yield made
    made.kill()
    made.wait(10)
    assert made.stderr is not None
    made.stderr.close()

def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        found = re.search(r"ready: https on port (\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError(f"the daemon did not become ready: {seen}")

def test_starts_serves_and_stops(process: subprocess.Popen[str], tmp_path: Path) -> None:
    port = _port(process)
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=20) as http:
        assert http.get("/api/get-users-info").status_code == 404
        user = {"username": "ada", "password": "correct horse"}
        assert http.post("/api/create-user", json=user).status_code == 201
        token = http.post("/api/login", json=user).json()["access_token"]
        status = Client("io.pilotlight.Web1").call("Status")
        assert (status["Claimed"], status["Port"], status["Problems"]) == (True, port, [])
        assert socket.gethostname().lower() in _names(tmp_path / "state" / "web" / "certificate.pem")
        headers = {"Authorization": f"Bearer {token}"}
        with http.stream("GET", "/api/tags/stream", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: missing"
            process.send_signal(signal.SIGTERM)
            for _ in lines:
                pass
    assert process.wait(10) == 0
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state" / "web").iterdir()}
    assert modes["key.pem"] == modes["token.key"] == modes["users.db"] == 0o600

def _names(path: Path) -> str:
    text = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-ext", "subjectAltName"], capture_output=True, text=True
    )
    return text.stdout.lower()

def test_bad_settings_are_named(bus: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "web.yaml").write_text("bind: 127.0.0.1\nprot: 8443\n")
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    done = subprocess.run(
        [sys.executable, "-m", "pilotlight.web"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 78
    assert "web.yaml:2" in done.stderr
    assert "port" in done.stderr

def test_port_in_use_is_named(bus: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "web.yaml").write_text(f"bind: 127.0.0.1\nport: {taken.getsockname()[1]}\n")
        environment = {**os.environ, "PYTHONPATH": PACKAGES}
        done = subprocess.run(
            [sys.executable, "-m", "pilotlight.web"], env=environment, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "web.yaml" in done.stderr
