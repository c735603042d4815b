# SPDX-License-Identifier: Apache-2.0
"""What our kernel modules do, as ordinary programs over `kernel/kernel.h`: registers and firmware are memory there."""

import re
import subprocess
from pathlib import Path

import pytest

from image.modules import FOLDER

KERNEL = Path(__file__).parent / "kernel"


def run(program: str, body: str, folder: Path, rate: int = 50_000_000) -> list[str]:
    """Lines that a program of `kernel/` prints, with `body` in its `main`; its clock ticks `rate` times a second."""
    for source in FOLDER.glob("*/*.c"):
        for name in re.findall(r"#include <([\w/-]+\.h)>", source.read_text()):
            header = folder / name
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text('#include "kernel.h"\n')
    (folder / "body.h").write_text(body)
    include = [f"-I{path}" for path in (folder, KERNEL, *FOLDER.iterdir()) if path.is_dir()]
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused", f"-DRATE={rate}u"]
    subprocess.run(["gcc", *flags, *include, "-o", folder / "main", KERNEL / program], check=True)
    return subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_pulse_is_counted_in_ticks_of_the_clock_and_taken_over_at_once(tmp_path: Path) -> None:
    lines = run(
        "pulses.c", "set(2, 1000000, 250000, 0, 1); dump(2); set(0, 20000000, 1500000, 1, 1); dump(0);", tmp_path
    )
    # 50 MHz: 20 ns a tick. Trailing edge, values from their registers; inverted has one bit more.
    assert lines == [
        "global 4 control 101 range 50000 duty 12500 updates 1",
        "global 5 control 109 range 1000000 duty 75000 updates 2",
    ]


def test_what_is_set_is_told(tmp_path: Path) -> None:
    lines = run("pulses.c", "tell(1); set(1, 41560, 20780, 1, 1); tell(1); set(1, 0, 0, 0, 0); tell(1);", tmp_path)
    assert lines == ["1: 0/0 normal off", "1: 20780/41560 inverted on", "1: 20780/41560 inverted off"]


def test_pulses_end_at_their_bounds(tmp_path: Path) -> None:
    body = """
    set(3, 1000, 5000, 0, 1); dump(3);
    set(3, ~0ull, 0, 0, 1); dump(3);
    printf("%d\\n", set(3, 19, 0, 0, 1)); dump(3);
    """
    lines = run("pulses.c", body, tmp_path)
    assert lines[0] == "global 8 control 101 range 50 duty 50 updates 1"  # never longer than the period
    assert lines[1] == "global 8 control 101 range 4294967295 duty 0 updates 2"  # the counter has 32 bits
    assert lines[2:] == ["-22", lines[1]]  # shorter than a tick: refused, nothing is touched


def test_switching_one_off_leaves_the_others_and_a_restart_ends_them_all(tmp_path: Path) -> None:
    body = """
    set(0, 1000, 500, 0, 1); set(3, 1000, 500, 0, 1); set(0, 1000, 500, 0, 0); dump(0);
    registers[0] |= 0x100; driver->shutdown(&device); dump(0);
    """
    lines = run("pulses.c", body, tmp_path)
    assert lines[0].startswith("global 8 ")
    assert lines[1] == "global 100 control 101 range 50 duty 25 updates 4"


@pytest.mark.parametrize("rate", [0, 1_000_000_001])
def test_a_clock_of_no_use_is_refused(rate: int, tmp_path: Path) -> None:
    assert run("pulses.c", "", tmp_path, rate)[-1] == "probe -22"


def test_a_restart_with_the_word_asks_for_a_trial_and_no_other_does(tmp_path: Path) -> None:
    body = """
    start();
    reboot(SYS_RESTART, "0 tryboot"); reboot(SYS_RESTART, "tryboot"); reboot(SYS_RESTART, NULL);
    reboot(SYS_RESTART, ""); reboot(SYS_RESTART, "0"); reboot(SYS_RESTART, "0 notryboot");
    reboot(SYS_RESTART, "tryboot 0"); reboot(SYS_HALT, "0 tryboot");
    """
    lines = [line for line in run("restart.c", body, tmp_path) if not line.startswith("info")]
    assert lines == [
        "0 tryboot: 1",
        "tryboot: 1",
        "-: 0",
        ": 0",
        "0: 0",
        "0 notryboot: 0",
        "tryboot 0: 0",
        "0 tryboot: 0",
    ]


def test_a_firmware_that_does_not_take_it_is_told_of(tmp_path: Path) -> None:
    body = """
    start();
    the_firmware.error = -110; reboot(SYS_RESTART, "0 tryboot");
    the_firmware.error = 0; the_firmware.deaf = true; reboot(SYS_RESTART, "0 tryboot");
    """
    errors = [line for line in run("restart.c", body, tmp_path) if line.startswith("error")]
    assert "does not take the request (-110)" in errors[0]
    assert "forgot the request" in errors[1]
    assert all("the committed partition starts" in line for line in errors)


def test_without_the_firmware_it_loads_and_does_nothing(tmp_path: Path) -> None:
    body = 'has_firmware = false; printf("%d\\n", start()); reboot(SYS_RESTART, "0 tryboot"); end(); printf("end\\n");'
    assert run("restart.c", body, tmp_path)[1:] == ["0", "0 tryboot: 0", "end"]


def test_it_waits_for_the_firmware_and_lets_go_of_it(tmp_path: Path) -> None:
    body = """
    ready = false; printf("%d\\n", start());
    ready = true; printf("%d\\n", start()); printf("%d\\n", the_firmware.users);
    end(); printf("%d %d\\n", listening == NULL, the_firmware.users);
    """
    assert run("restart.c", body, tmp_path) == ["-517", "0", "1", "1 0"]
