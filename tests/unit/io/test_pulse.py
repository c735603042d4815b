# SPDX-License-Identifier: Apache-2.0
"""Pulse outputs on a tree of files like the kernel's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pilotlight.io.pulse import (
    START_LIMIT_NS,
    KernelPulses,
    PulseChannel,
    PulseError,
    SimulatedPulses,
    drive_safe,
    find_chip,
    servo_chip,
)

SERVOS = "1f00098000.pwm"
CHANNELS = [PulseChannel(SERVOS, number, 1500 + number) for number in range(4)]


class Tree:
    """/sys/class/pwm with the CM5's two generators; channels appear when the test says so."""

    def __init__(self, path: Path) -> None:
        self.classes = path / "class"
        self.classes.mkdir()
        for number, device in enumerate(("1f0009c000.pwm", SERVOS)):
            target = path / "devices" / device
            chip = target / "pwm" / f"pwmchip{number}"
            chip.mkdir(parents=True)
            (chip / "npwm").write_text("4\n")
            (chip / "export").write_text("")
            (chip / "device").symlink_to(target)
            (self.classes / chip.name).symlink_to(chip)
        self.chip = self.classes / "pwmchip1"

    def appear(self, channel: int) -> Path:
        place = self.chip / f"pwm{channel}"
        place.mkdir()
        for name in ("duty_cycle", "period", "enable"):
            (place / name).write_text("0\n")
        (place / "polarity").write_text("inversed\n")
        return place

    def value(self, channel: int, name: str) -> str:
        return (self.chip / f"pwm{channel}" / name).read_text().splitlines()[0]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def started(tree: Tree) -> KernelPulses:
    for channel in range(4):
        tree.appear(channel)
    outputs = KernelPulses(CHANNELS, 50, tree.classes)
    for tick in range(4):
        outputs.start(tick + 1)
    assert outputs.ready
    return outputs


def test_a_generator_is_found_by_its_device(tree: Tree) -> None:
    assert find_chip(SERVOS, tree.classes).name == "pwmchip1"
    assert find_chip("pwmchip0", tree.classes).name == "pwmchip0"
    with pytest.raises(PulseError, match=r"no pulse generator pwmchip7; this machine has pwmchip0 \(1f0009c000.pwm\)"):
        find_chip("pwmchip7", tree.classes)
    with pytest.raises(PulseError, match="this machine has none"):
        find_chip("pwmchip0", tree.classes / "none")


def test_no_number_leads_to_the_fan(tree: Tree, tmp_path: Path) -> None:
    for number in (0, 1, 2):
        assert servo_chip(number, tree.classes) == "pwmchip1"
    assert servo_chip(2, tmp_path / "none") == "pwmchip2"
    (tree.classes / "pwmchip1").unlink()
    with pytest.raises(PulseError, match=r"no pulse generator 98000.pwm; this machine has pwmchip0 \(1f0009c000.pwm\)"):
        find_chip(servo_chip(0, tree.classes), tree.classes)


def test_outputs_start_one_a_tick_as_their_files_appear(tree: Tree) -> None:
    outputs = KernelPulses(CHANNELS[:2], 50, tree.classes)
    outputs.start(1)
    assert (tree.chip / "export").read_text() == "0\n" and not outputs.ready
    place = tree.appear(0)
    (place / "period").unlink()
    outputs.start(2)
    assert tree.value(0, "enable") == "0", "not all of its files are there"
    (place / "period").write_text("0\n")
    outputs.start(3)
    assert [tree.value(0, name) for name in ("period", "polarity", "duty_cycle", "enable")] == [
        "20000000", "normal", "1500000", "1",
    ]  # fmt: skip
    assert not outputs.ready
    outputs.start(4)
    tree.appear(1)
    outputs.start(5)
    assert outputs.ready and tree.value(1, "duty_cycle") == "1501000"
    assert len(outputs.descriptors()) == 4
    outputs.start(6)
    outputs.close()


def sealed_off(*_: object) -> int:
    raise AssertionError("a sandbox lets nothing be opened any more")


def test_pulses_and_switching_off(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = started(tree)
    with monkeypatch.context() as sealed:
        sealed.setattr(os, "open", sealed_off)
        outputs.write([2000, 1200, 900, 1625])
    assert [tree.value(channel, "duty_cycle") for channel in range(4)] == ["2000000", "1200000", "900000", "1625000"]
    with monkeypatch.context() as sealed:
        sealed.setattr(os, "open", sealed_off)
        outputs.off()
    assert [tree.value(channel, "enable") for channel in range(4)] == ["0"] * 4
    assert not outputs.ready
    outputs.close()
    for tick in range(4):
        outputs.start(tick + 1)
    assert [tree.value(channel, "duty_cycle") for channel in range(4)] == ["1500000", "1501000", "1502000", "1503000"]
    outputs.close()


def test_one_output_that_fails_does_not_keep_the_others(tree: Tree) -> None:
    outputs = started(tree)
    broken = outputs.descriptors()[1]
    os.dup2(os.open(tree.chip / "npwm", os.O_RDONLY), broken)
    with pytest.raises(OSError, match="Bad file descriptor"):
        outputs.write([1111] * 4)
    assert [tree.value(channel, "duty_cycle") for channel in (0, 2, 3)] == ["1111000"] * 3
    os.dup2(broken, outputs.descriptors()[4])
    with pytest.raises(OSError, match="Bad file descriptor"):
        outputs.off()
    assert [tree.value(channel, "enable") for channel in (1, 2, 3)] == ["0"] * 3
    outputs.close()


def test_a_channel_has_one_holder_and_anybody_can_make_it_safe(tree: Tree) -> None:
    outputs = started(tree)
    outputs.write([1000] * 4)
    second = KernelPulses(CHANNELS, 50, tree.classes)
    with pytest.raises(PulseError, match="held by another process"):
        second.start(1)
    assert tree.value(0, "duty_cycle") == "1000000", "the holder's pulse is untouched"
    absent = PulseChannel("pwmchip9", 0, 1500)
    (tree.chip / "pwm3" / "duty_cycle").unlink()
    problems = drive_safe([absent, *CHANNELS], tree.classes)
    assert [tree.value(channel, "duty_cycle") for channel in range(3)] == ["1500000", "1501000", "1502000"]
    assert len(problems) == 2 and "channel 0 of pwmchip9 keeps its pulse" in problems[0]
    assert drive_safe([PulseChannel("pwmchip0", 1, 1500)], tree.classes) == [], "never set up: gives no pulse"
    outputs.close()
    second.start(2)
    second.close()


def test_files_that_never_come_are_a_failure(tree: Tree) -> None:
    outputs = KernelPulses(CHANNELS, 50, tree.classes)
    outputs.start(1)
    outputs.start(START_LIMIT_NS)
    with pytest.raises(PulseError, match=r"pwm0.* cannot be used: No such file.*in their group"):
        outputs.start(START_LIMIT_NS + 2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda folder: KernelPulses([], 50, folder), "1 to 16 outputs"),
        (lambda folder: KernelPulses(CHANNELS, 0, folder), "1 to 1000 Hz"),
        (lambda folder: KernelPulses([PulseChannel(SERVOS, 4, 1500)], 50, folder), "channels 0 to 3, not 4"),
        (lambda folder: KernelPulses(CHANNELS[:1] * 2, 50, folder), "share a channel"),
    ],
)
def test_outputs_that_cannot_be(tree: Tree, make: Callable[[Path], KernelPulses], text: str) -> None:
    with pytest.raises(PulseError, match=text):
        make(tree.classes)


def test_pulses_that_do_not_fit(tree: Tree) -> None:
    with pytest.raises(ValueError, match="20001 µs does not fit"):
        KernelPulses([PulseChannel(SERVOS, 0, 20001)], 50, tree.classes)
    outputs = started(tree)
    for pulses in ([1500] * 3, [1500] * 5, [-1, 1500, 1500, 1500], [1500, 1500, 1500, 20001]):
        with pytest.raises(ValueError):
            outputs.write(pulses)
    assert tree.value(0, "duty_cycle") == "1500000", "nothing of a wrong command is given"
    outputs.close()


def test_simulated_outputs() -> None:
    outputs = SimulatedPulses([1500, 1600])
    with pytest.raises(ValueError, match="2 outputs are started"):
        outputs.write([1, 2])
    outputs.start(1)
    assert outputs.ready and outputs.pulses_us == (1500, 1600)
    outputs.write([1000, 2000])
    outputs.start(2)
    assert outputs.pulses_us == (1000, 2000)
    with pytest.raises(ValueError):
        outputs.write([1000])
    outputs.off()
    assert not outputs.ready and outputs.pulses_us == ()
    outputs.close()
