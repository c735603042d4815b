# SPDX-License-Identifier: Apache-2.0
"""A flight of the control loop with sensors failing, recorded here, is the same to the bit everywhere.

It is repeated by the interpreted package of this machine, and by the compiled one of the arm64 image.
`PILOTLIGHT_FLIGHT_S=600` flies all ten minutes of the example, in which every sensor fails, instead of the first two.
"""

import os
import subprocess
from pathlib import Path

import pytest
from pilotlight.runtime.control import cli

from image import debian, host
from image.steps import BUILD, PROJECT, Log
from tests.system.conftest import ARCH, BOARD

ROCKET = PROJECT / "examples" / "rocket"
FLIGHT_S = int(os.environ.get("PILOTLIGHT_FLIGHT_S", "120"))
EQUAL = f"steps, {FLIGHT_S - 0.004:.3f} s, were repeated with results equal to the bit"
REPLAY_S = 3600
"""Patience for an emulated processor on a busy machine."""
# The mount ends with the namespace: nothing in the root is changed.
INSIDE = 'mount --bind "$2" "$1/mnt" && exec chroot "$1" pilotlight control replay /mnt/flight.rec'


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of the example."""
    file = tmp_path_factory.mktemp("flight") / "flight.rec"
    what = ["--config", ROCKET / "control.toml", "--scenario", ROCKET / "long.yaml", "--duration-sec", FLIGHT_S]
    assert cli.main(["simulate", *map(str, what), "--record", str(file)]) == 0
    return file


def test_the_flight_is_equal_to_the_bit_here(flight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(flight)]) == 0
    assert EQUAL in capsys.readouterr().out


def test_the_flight_is_equal_to_the_bit_on_arm64(flight: Path, tmp_path: Path) -> None:
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
    assert EQUAL in done.stdout
