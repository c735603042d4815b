# SPDX-License-Identifier: Apache-2.0
"""The last bound of a trial: when it counts as one, and that nothing else restarts the machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "units/systemd/pilotlight-trial-end.service"
SCRIPT = ROOT / "rootfs/usr/lib/pilotlight/on-trial"


def test_only_what_the_condition_lets_through_restarts() -> None:
    """systemd takes SuccessAction= also when ExecCondition= has said no: every device would restart."""
    lines = UNIT.read_text().splitlines()
    assert not [line for line in lines if line.startswith(("SuccessAction=", "FailureAction="))]
    condition = lines.index("ExecCondition=/usr/lib/pilotlight/on-trial")
    (restart,) = [number for number, line in enumerate(lines) if line.endswith("start reboot.target")]
    assert condition < restart and lines[restart].startswith("ExecStart=")


def test_it_brings_what_it_needs_in_a_system_that_stopped_early() -> None:
    """Without udev the boot configuration is waited for in vain, and why the trial failed is lost."""
    wanted = [line.removeprefix("Wants=") for line in UNIT.read_text().splitlines() if line.startswith("Wants=")]
    assert {"boot-config.mount", "systemd-udevd.service", "systemd-udev-trigger.service"} <= set(
        " ".join(wanted).split()
    )


@pytest.mark.parametrize(
    ("status", "tryboot", "words", "trial"),
    [
        (None, 1, "", True),
        (None, 0, "", False),
        ('{"trial": true}', 1, "", True),
        ('{"trial": false}', 1, "", False),
        (None, None, "rauc.slot=B pilotlight.tryboot=1", True),
        (None, None, "rauc.slot=B pilotlight.tryboot=0", False),
    ],
)
def test_when_it_is_a_trial(tmp_path: Path, status: str | None, tryboot: int | None, words: str, trial: bool) -> None:
    text = SCRIPT.read_text()
    for path in ("/run/pilotlight", "/proc/device-tree", "/proc/cmdline"):
        assert path in text
        text = text.replace(path, f"{tmp_path}{path}")
    for folder in ("run/pilotlight/boot", "proc/device-tree/chosen/bootloader"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/cmdline").write_text(words)
    if status is not None:
        (tmp_path / "run/pilotlight/boot/status.json").write_text(status)
    if tryboot is not None:
        (tmp_path / "proc/device-tree/chosen/bootloader/tryboot").write_bytes(tryboot.to_bytes(4, "big"))
    shell = shutil.which("sh")
    assert shell is not None
    assert (subprocess.run([shell, "-c", text], check=False).returncode == 0) is trial
