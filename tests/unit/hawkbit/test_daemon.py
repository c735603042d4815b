# SPDX-License-Identifier: Apache-2.0
"""The fleet door and the orchestrator as processes: an update from the server's assignment to its confirmation."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pilotlight import __version__

from tests.support.daemons import PACKAGES, Daemons
from tests.support.fake_hawkbit import DEVICE, FakeHawkbit
from tests.support.fake_rauc import FakeBoot, FakeRauc, bundle


@pytest.fixture
def hawkbit() -> Iterator[FakeHawkbit]:
    made = FakeHawkbit()
    yield made
    made.close()


@pytest.fixture
def rauc(bus: str) -> Iterator[FakeRauc]:
    boot = FakeBoot()
    boot.versions["A"] = __version__
    made = FakeRauc(boot)
    yield made
    made.leave()


def start(daemons: Daemons) -> None:
    daemons.start("orchestrator")
    daemons.start("orchestrator.hawkbit")


def test_from_assignment_to_confirmation_over_a_restart(
    hawkbit: FakeHawkbit, rauc: FakeRauc, daemons: Daemons, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    (Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator").mkdir()
    daemons.configure("orchestrator", "period_s: 0.1\ndata: /\nupdate: {reboot: now}\n")
    daemons.configure(
        "hawkbit",
        f"url: {hawkbit.url}\ncontroller: {DEVICE}\nauth: target\nauth_file: {tmp_path / 'token'}\ninsecure: true\n",
    )
    hawkbit.wants_config = True
    hawkbit.assign("7", bundle("99.0.0", pad=2 << 20))
    start(daemons)
    hawkbit.wait_for("downloaded")
    hawkbit.wait_for("proceeding")
    assert hawkbit.config["version"] == __version__
    request = Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator/reboot"
    end = time.monotonic() + 10
    while not request.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    daemons.close()
    rauc.boot.restart()
    rauc.boot.confirm()
    start(daemons)
    hawkbit.wait_for("closed")
    assert hawkbit.words()[-1] == "closed success"
    assert "99.0.0 runs and is confirmed" in hawkbit.details()


def test_without_a_server_it_is_quiet(bus: str, daemons: Daemons) -> None:
    process = daemons.start("orchestrator.hawkbit")
    process.terminate()
    assert process.wait(10) == 0


def test_settings_that_cannot_be_used_end_it(bus: str, daemons: Daemons) -> None:
    daemons.configure("hawkbit", "url: https://localhost:1\nauth: target\nauth_file: /none\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pilotlight.orchestrator.hawkbit"],
        env=os.environ | {"PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 78 and "/none" in ended.stderr
