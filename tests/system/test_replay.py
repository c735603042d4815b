# SPDX-License-Identifier: Apache-2.0
"""Ten minutes of the control loop with every sensor failing, recorded here, are the same to the bit everywhere.

They are repeated by the interpreted package of this machine, and by the compiled one of the arm64 image.
"""

import subprocess
from pathlib import Path

import pytest
from pilotlight.runtime.control import cli

from image import debian, host
from image.steps import BUILD, PROJECT, Log
from tests.system.conftest import ARCH, BOARD

ROCKET = PROJECT / "examples" / "rocket"
REPLAY_S = 3600
"""Patience for an emulated processor on a busy machine."""
# The mount ends with the namespace: nothing in the root is changed.
INSIDE = 'mount --bind "$2" "$1/mnt" && exec chroot "$1" pilotlight control replay /mnt/flight.rec'


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of the ten-minute example."""
    file = tmp_path_factory.mktemp("flight") / "flight.rec"
    words = ["--config", ROCKET / "control.toml", "--scenario", ROCKET / "long.yaml", "--record", file]
    assert cli.main(["simulate", *map(str, words)]) == 0
    return file


def test_ten_minutes_are_equal_to_the_bit_here(flight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(flight)]) == 0
    assert "steps, 599.996 s, were repeated with results equal to the bit" in capsys.readouterr().out


def test_ten_minutes_are_equal_to_the_bit_on_arm64(flight: Path, tmp_path: Path) -> None:
    if host.architecture() != ARCH:
        with (tmp_path / "log").open("wb") as stream:
            debian.enable_foreign(Log("arm64", tmp_path / "log", stream), ARCH)
    root = BUILD / BOARD / "root"
    assert root.exists(), f"make the root first: ./build-image.sh build {BOARD}"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", INSIDE, "sh", root, flight.parent],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **debian.EMULATED_PROCESSOR[ARCH]},
        capture_output=True,
        text=True,
        timeout=REPLAY_S,
    )
    assert done.returncode == 0, done.stderr
    assert "steps, 599.996 s, were repeated with results equal to the bit" in done.stdout
