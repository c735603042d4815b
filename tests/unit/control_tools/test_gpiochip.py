# SPDX-License-Identifier: Apache-2.0
"""`igniter-gpiochip-check`: what passes, what does not and why; the chips below the system call are made up."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest
from pilotlight.runtime.control.tools import gpiochip
from pilotlight.runtime.control.tools.gpiochip import GPIO_GET_CHIPINFO, GPIO_V2_GET_LINEINFO, Chip, ChipError

LINES = ((17, 5), (18, 6), (27, 13), (22, 19))
RP1 = Chip("gpiochip0", "pinctrl-rp1", 54, {})


def config(tmp_path: Path, lines: tuple[tuple[int, int], ...] = LINES) -> Path:
    text = ""
    for number, (line, status) in enumerate(lines):
        text += f'[igniter{number}]\nenabled = true\ninput_chip = "/dev/gpiochip4"\ninput_line = {line}\n'
        text += f'status_chip = "/dev/gpiochip4"\nstatus_line = {status}\n'
    path = tmp_path / "control.toml"
    path.write_text(text)
    return path


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> list[Chip]:
    """The chip that every path leads to; the first of the list counts."""
    there = [RP1]
    monkeypatch.setattr(gpiochip, "read_chip", lambda path: there[0])
    return there


def run(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = gpiochip.main([str(path), *options])
    printed = capsys.readouterr()
    assert printed.out.endswith(f"IGNITER CONFIG CHECK: {'FAIL' if code else 'PASS'}\n")
    return code, printed.out + printed.err


def test_sound_lines_pass(tmp_path: Path, chip: list[Chip], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config(tmp_path), capsys) == (0, "/dev/gpiochip4: pinctrl-rp1, 54 lines\nIGNITER CONFIG CHECK: PASS\n")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (((17, 5), (17, 6), (27, 13), (22, 19)), "igniter1.input_line is line 17 of /dev/gpiochip4, which is igniter0"),
        (((17, 5), (18, 17), (27, 13), (22, 19)), "igniter1.status_line is line 17"),
        (((17, 5), (18, 6), (27, 13), (22, 54)), "igniter3.status_line is line 54, but /dev/gpiochip4 has 54 lines"),
        (LINES[:3], "[igniter3] is missing"),
    ],
)
def test_unfit_lines_fail(
    lines: tuple[tuple[int, int], ...],
    reason: str,
    tmp_path: Path,
    chip: list[Chip],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, text = run(config(tmp_path, lines), capsys)
    assert code == 1
    assert reason in text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("enabled = true", "enabled = false", "line 1: [igniter0] enabled must be true"),
        ("input_line = 17", "input_line = true", "input_line must be a line"),
        ("input_line = 17", 'input_line = "17"', "input_line must be a line"),
        ('input_chip = "/dev/gpiochip4"', "input_chip = 4", "input_chip must be the name of a chip"),
        ('input_chip = "/dev/gpiochip4"', 'input_chip = "/dev/gpiochip0"', "must be on one chip"),
        ("[igniter0]", "[igniter0", ":1:"),
    ],
)
def test_what_is_written_wrong_fails(
    old: str, new: str, reason: str, tmp_path: Path, chip: list[Chip], capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace(old, new, 1))
    code, text = run(path, capsys)
    assert code == 1
    assert reason in text


def test_another_chip_fails_unless_it_may_be_another(
    tmp_path: Path, chip: list[Chip], capsys: pytest.CaptureFixture[str]
) -> None:
    chip[0] = Chip("gpiochip0", "gpio-sim.0", 32, {})
    assert run(config(tmp_path), capsys)[0] == 1
    assert run(config(tmp_path), capsys, "--no-require-rp1")[0] == 0


def test_notes_do_not_fail(
    tmp_path: Path, chip: list[Chip], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chip[0] = RP1._replace(users={5: "spi0 CS0"})
    monkeypatch.setattr(gpiochip, "persist_parameter", lambda module: module == "pinctrl_rp1")
    code, text = run(config(tmp_path, ((7, 5), *LINES[1:])), capsys)
    assert code == 0
    assert "note: igniter0.status_line: line 5 is in use by spi0 CS0" in text
    assert "note: igniter0.input_line: line 7 is pulled up" in text
    assert "strict_gpiod" in text


def test_other_prefix_and_count(tmp_path: Path, chip: list[Chip], capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, LINES[:2])
    path.write_text(path.read_text().replace("igniter", "match"))
    assert run(path, capsys, "--channel-prefix", "match", "--channels", "2")[0] == 0


def test_a_missing_file_and_a_missing_chip_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.toml", capsys)[0] == 1
    path = config(tmp_path)
    path.write_text(path.read_text().replace("/dev/gpiochip4", str(tmp_path / "gpiochip9")))
    code, text = run(path, capsys)
    assert code == 1
    assert "gpiochip9: No such file" in text


def answering(descriptor: int, request: int, data: bytearray) -> int:
    """A chip of three lines, the second of which is in use."""
    if request == GPIO_GET_CHIPINFO:
        assert len(data) == 68
        struct.pack_into("<32s32sI", data, 0, b"gpiochip4", b"pinctrl-rp1", 3)
        return 0
    assert (request, len(data)) == (GPIO_V2_GET_LINEINFO, 256)
    offset = struct.unpack_from("<I", data, 64)[0]
    struct.pack_into(
        "<32s32sIIQ", data, 0, b"GPIO", b"relay" if offset == 1 else b"", offset, 0, 9 if offset == 1 else 8
    )
    return 0


def test_a_chip_is_asked_by_the_kernels_calls() -> None:
    assert gpiochip.read_chip("/dev/null", answering) == Chip("gpiochip4", "pinctrl-rp1", 3, {1: "relay"})


def test_what_is_no_chip_says_so() -> None:
    def refusing(descriptor: int, request: int, data: bytearray) -> int:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    with pytest.raises(ChipError, match="/dev/null is no GPIO chip"):
        gpiochip.read_chip("/dev/null", refusing)
    with pytest.raises(ChipError, match="is no GPIO chip"):
        gpiochip.read_chip("/dev/null")


@pytest.mark.parametrize(("name", "path"), [("4", "/dev/gpiochip4"), ("gpiochip4", "/dev/gpiochip4"), ("/x", "/x")])
def test_short_names_of_chips(name: str, path: str) -> None:
    assert gpiochip.device(name) == path
