# SPDX-License-Identifier: Apache-2.0
"""The GPIO driver as far as it goes without a chip: real chips are the system tier's."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from gpiod.line import Bias, Direction, Value
from pilotlight.io import gpio
from pilotlight.io.config import IoSettings, LineSettings, PinMapError, pin_map
from pilotlight.io.drivers import line_counts
from pilotlight.io.lines import Address, LineConfig, LineError
from pilotlight.io.uapi import GET_VALUES, SET_VALUES, LineRequest


def test_settings_of_an_input_and_an_output() -> None:
    button = LineConfig("b", "c", 1, Address.parse("%IX0.0"), "pull-up", True, 5000)
    asked = gpio.settings(button, False)
    assert (asked.direction, asked.bias, asked.active_low) == (Direction.INPUT, Bias.PULL_UP, True)
    assert asked.debounce_period.total_seconds() == 0.005
    lamp = LineConfig("l", "c", 2, Address.parse("%QX0.0"), safe=True)
    asked = gpio.settings(lamp, True)
    assert (asked.direction, asked.output_value, asked.bias) == (Direction.OUTPUT, Value.ACTIVE, Bias.AS_IS)
    assert gpio.settings(lamp, False).output_value == Value.INACTIVE


def test_a_machine_without_chips(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").write_bytes(b"not a device")
    (tmp_path / "gpiochipx").write_bytes(b"")
    assert gpio.chips(tmp_path) == {}
    with pytest.raises(LineError, match="no chip pinctrl-rp1; this machine has no GPIO chips"):
        gpio.open_chip("pinctrl-rp1", tmp_path)


class _Chip:
    """Stands for gpiod's: the chip at number 0 is not for everybody."""

    def __init__(self, path: str) -> None:
        if path.endswith("0"):
            raise PermissionError(13, "Permission denied", path)
        self.info = SimpleNamespace(name=Path(path).name, label="pinctrl-rp1", num_lines=54)

    def __enter__(self) -> _Chip:
        return self

    def __exit__(self, *error: object) -> None: ...

    def get_info(self) -> SimpleNamespace:
        return self.info


def test_a_chip_that_is_the_machines_own_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpio, "chip_paths", lambda devices: [devices / "gpiochip0", devices / "gpiochip1"])
    monkeypatch.setattr(gpio.gpiod, "Chip", _Chip)
    assert gpio.chips(tmp_path) == {"gpiochip1": ("pinctrl-rp1", 54)}


def test_a_pin_map_for_a_chip_that_is_not_there_is_refused() -> None:
    settings = IoSettings({"a": LineSettings("pinctrl-nowhere", 1, "%IX0.0")})
    with pytest.raises(PinMapError, match="no chip pinctrl-nowhere"):
        pin_map(settings, line_counts(settings))


def test_the_numbers_of_the_two_ioctls() -> None:
    """_IOWR(0xB4, 0x0E and 0x0F, struct gpio_v2_line_values), which has two 64-bit words."""
    for number, value in ((0x0E, GET_VALUES), (0x0F, SET_VALUES)):
        assert value == 3 << 30 | 16 << 16 | 0xB4 << 8 | number


def test_a_descriptor_that_is_no_line_request_is_an_error() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    request = LineRequest(reading, 2)
    assert request.handle == f"gpio:{reading}:2" and request.descriptors() == (reading,)
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        request.read()
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        request.write(1)
    request.close()
    request.close()
    with pytest.raises(ValueError, match="1 to 64"):
        LineRequest(0, 65)
