# SPDX-License-Identifier: Apache-2.0
"""What lines do when nobody drives them: known for few chips, and what is not known is taken for the worse."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilotlight.io import gpio
from pilotlight.io.undriven import RP1, SIMULATED, persists, rests_high


def test_lines_of_the_header_rest_high_up_to_8_and_low_up_to_27() -> None:
    assert [rests_high(RP1, line) for line in (0, 8, 9, 27, 28)] == [True, True, False, False, None]
    assert rests_high("gpio-sim.0", 0) is None


@pytest.mark.parametrize(
    ("label", "driver", "module", "text", "expected"),
    [
        (RP1, "pinctrl-rp1", "pinctrl_rp1", "N\n", False),
        (RP1, "pinctrl-rp1", "pinctrl_rp1", "Y\n", True),
        (RP1, "pinctrl-rp1", "pinctrl_rp1", "perhaps", True),
        (RP1, "pinctrl-rp1", "other", "N\n", True),
        ("pinctrl-bcm2711", "pinctrl-bcm2835", "pinctrl_bcm2835", "N\n", False),
        ("pinctrl-bcm2711", "pinctrl-bcm2835", "pinctrl_rp1", "N\n", True),
        ("igniter-lines", "gpio-sim", "other", "", False),
        ("igniter0", SIMULATED, "other", "", False),
        ("igniter0", SIMULATED, "pinctrl_rp1", "1\n", True),
        ("pca9555", "pca953x", "pinctrl_rp1", "N\n", True),
        ("", "", "pinctrl_rp1", "N\n", True),
    ],
)
def test_outputs_persist_unless_it_is_known_that_they_do_not(
    tmp_path: Path, label: str, driver: str, module: str, text: str, expected: bool
) -> None:
    parameters = tmp_path / module / "parameters"
    parameters.mkdir(parents=True)
    (parameters / "persist_gpio_outputs").write_text(text)
    assert persists(label, driver, tmp_path) is expected


def test_a_chip_is_known_by_its_label_and_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices, platform = tmp_path / "devices", tmp_path / "platform/gpio-sim.0"
    devices.mkdir()
    (platform / "gpiochip3").mkdir(parents=True)
    (tmp_path / "drivers/gpio-sim").mkdir(parents=True)
    (platform / "driver").symlink_to(tmp_path / "drivers/gpio-sim")
    (devices / "gpiochip3").symlink_to(platform / "gpiochip3")
    monkeypatch.setattr(gpio, "chips", lambda _: {"gpiochip3": ("igniter-lines", 8), "gpiochip4": ("other", 8)})
    for name in ("igniter-lines", "gpiochip3"):
        assert gpio.identity(name, sysfs=devices) == ("igniter-lines", "gpio-sim")
    assert gpio.identity("other", sysfs=devices) == ("other", "")
    assert gpio.identity("absent", sysfs=devices) == ("", "")
