# SPDX-License-Identifier: Apache-2.0
"""Factory reset: the button, the marker, and the script that erases, with the power cut at each of its steps."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import Unavailable
from pilotlight.io.simulated import SimulatedChip
from pilotlight.orchestrator.reset import __main__ as reset
from pilotlight.orchestrator.reset.button import Hold, Verdict
from pilotlight.orchestrator.reset.marker import MARKER, ask_for_reset

PROJECT = Path(__file__).parents[3]
SCRIPT = PROJECT / "rootfs/usr/lib/pilotlight/factory-reset"


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=20))
def test_only_a_button_held_all_the_time_resets(steps: list[tuple[float, bool]]) -> None:
    hold, now, held_since = Hold(5.0), 100.0, 100.0
    for index, (wait, pressed) in enumerate(steps):
        now += wait if index else 0
        verdict = hold.sample(now, pressed)
        if not pressed:
            assert verdict is Verdict.RELEASED
            return
        assert (verdict is Verdict.HELD) == (now - held_since >= 5.0)
        if verdict is Verdict.HELD:
            return


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device with a simulated chip; systemctl only writes down that it was called."""
    for name in ("etc", "run/runtime", "boot", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/io.yaml").write_text("simulated: {label: sim0, lines: 4}\n")
    (tmp_path / "bin/systemctl").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/called\n')
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("PILOTLIGHT_ETC", str(tmp_path / "etc"))
    monkeypatch.setenv("PILOTLIGHT_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("PILOTLIGHT_BOOT_CONFIG", str(tmp_path / "boot"))
    monkeypatch.setattr(reset, "LOOK_S", 0.01)
    return tmp_path


def configure(device: Path, text: str) -> None:
    (device / "etc/reset.yaml").write_text(text)


BUTTON = "button: {{chip: sim0, line: 2, active_low: {low}, bias: as-is}}\nhold_s: 1\n"


def test_a_held_button_leaves_the_marker_and_restarts(device: Path) -> None:
    configure(device, BUTTON.format(low="true"))  # a simulated input is low: pressed
    assert reset.main() == 0
    assert (device / "boot" / MARKER).read_text() == "The reset button was held for 1 s.\n"
    assert (device / "called").read_text() == "--no-block reboot\n"


@pytest.mark.parametrize("text", ["", BUTTON.format(low="false")])
def test_without_a_held_button_nothing_happens(device: Path, text: str) -> None:
    configure(device, text)
    assert reset.main() == 0
    assert list((device / "boot").iterdir()) == [] and not (device / "called").exists()


@pytest.mark.parametrize(
    "text",
    [
        "button: {chip: other, line: 0}\nchip_wait_s: 0\n",
        "button: {chip: sim0, line: 99}\n",
        "buton: {}\n",
        "button: 1\n",
    ],
)
def test_a_line_that_is_not_there_resets_nothing(device: Path, text: str) -> None:
    configure(device, text)
    SimulatedChip.create(device / "run/runtime/sim0.lines", 4).close()
    assert reset.main() == 1
    assert list((device / "boot").iterdir()) == []


def test_without_a_boot_partition_nothing_is_erased(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nothing is erased"):
        ask_for_reset(tmp_path / "none", "why")


# Stands for a program of the script: notes its call, and ends the script when its turn has come.
STEP = """\
#!/bin/sh
echo {name} "$@" >>"$CALLS"
[ "$(wc -l <"$CALLS")" -le "$CUT" ] || {{ kill -KILL "$PPID"; exit; }}
{real}
"""


def erase(folder: Path, cut: int) -> tuple[int, list[str]]:
    """Run the script on a file that stands for the partition; the power goes at the step with number `cut`."""
    steps = folder / "steps"
    steps.mkdir(exist_ok=True)
    calls = folder / "calls"
    calls.write_text("")
    programs = {"blkdiscard": "exit 1", "mke2fs": '/usr/sbin/mke2fs "$@"', "sync": "exit 0", "rm": '/bin/rm "$@"'}
    for name, real in programs.items():
        (steps / name).write_text(STEP.format(name=name, real=real))
        (steps / name).chmod(0o755)
    environment = {"PATH": f"{steps}:{os.environ['PATH']}:/usr/sbin", "CALLS": str(calls), "CUT": str(cut)}
    words = [SCRIPT, folder / "data.img", folder / "boot"]
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    return done.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize("marker", ["factory-reset", "factory-reset.txt"])
def test_the_marker_goes_last_whenever_the_power_is_cut(tmp_path: Path, marker: str) -> None:
    boot, data = tmp_path / "boot", tmp_path / "data.img"
    boot.mkdir()
    for cut in range(20):
        (boot / marker).write_text("Asked for by anna.\n")
        data.write_bytes(b"secret" * 4096)
        os.truncate(data, 16 << 20)
        code, calls = erase(tmp_path, cut)
        if (boot / marker).exists():  # the next start has it done
            assert code != 0
            assert erase(tmp_path, 99)[0] == 0
        assert not (boot / marker).exists()
        assert b"secret" not in data.read_bytes()[:65536]
        assert data.read_bytes()[1080:1082] == b"\x53\xef"  # an ext4 file system
        assert "Asked for by anna." in (boot / "factory-reset-result.txt").read_text()
        if code == 0:
            break
    assert [call.split()[0] for call in calls] == ["blkdiscard", "mke2fs", "sync", "sync", "rm", "sync"]


def test_a_disk_that_refuses_keeps_the_marker(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/factory-reset").touch()
    assert erase(tmp_path, 99)[0] != 0  # there is no such device
    assert (tmp_path / "boot/factory-reset").exists()
