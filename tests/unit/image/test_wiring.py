# SPDX-License-Identifier: Apache-2.0
"""The page "Wire" held against the overlays and the reader of `io.yaml`."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from pilotlight.io.config import pin_map, settings_of

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs/wiring.md").read_text()
OVERLAYS = PROJECT / "bsp/cm5/overlays"
HEADER_LINES = set(range(28))
BUSES = {"CM5_I2C": "I2C1", "CM5_PWM": "PWM0", "CM5_SPI": "SPI0", "CM5_UART": "UART0"}


def header() -> dict[int, str]:
    """What each line of the header is, as the page's table says."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert len({pin for pin, _, _ in rows}) == len(rows)
    return {int(line): text for _, line, text in rows}


def used_by(overlay: str) -> set[int]:
    """The lines of the header that an overlay takes."""
    text = (OVERLAYS / f"{overlay}.dtso").read_text()
    pins = {int(pin) for pin in re.findall(r'"gpio(\d+)"', text)}
    return (pins | {int(line) for line in re.findall(r"&rp1_gpio (\d+) GPIO_", text)}) & HEADER_LINES


def test_the_table_has_every_line_and_every_pin_once() -> None:
    assert header().keys() == HEADER_LINES
    supply = [pin for row in re.findall(r"^\| ([\d, ]+) \| \| ", PAGE, re.MULTILINE) for pin in row.split(", ")]
    pins = [pin for pin, _ in re.findall(r"^\| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)]
    assert sorted(map(int, supply + pins)) == list(range(1, 41))


def test_a_line_is_the_bus_that_its_overlay_makes_of_it() -> None:
    options = tomllib.loads((PROJECT / "bsp/cm5/devicetree.toml").read_text())["options"]
    buses: dict[int, str] = {}
    for symbol, bus in BUSES.items():
        buses |= dict.fromkeys(used_by(options[symbol]), bus)
    others = {overlay for symbol, overlay in options.items() if symbol not in BUSES} | {"cm5", "emmc", "lite"}
    assert [overlay for overlay in others if used_by(overlay)] == []
    for line, text in header().items():
        if line in buses:
            assert text.startswith(buses[line])
        else:
            assert text == "line" or line in (0, 1)
    free = [text for text in header().values() if text == "line"]
    assert f"That is {len(free)} lines as delivered, and {len(free) + len(buses)} with all buses off." in PAGE


@pytest.mark.parametrize(
    ("bus", "words"),
    [
        ("spi0", ["spi-max-frequency = <10000000>", "10 MHz"]),
        ("i2c1", ["clock-frequency = <400000>", "400 kHz"]),
        ("pwm0", ["<50000000>", "20 ns a step"]),
        ("fan", ["temperature = <50000>", "from 50 °C in four steps"]),
    ],
)
def test_the_figures_of_the_buses_are_those_of_the_overlays(bus: str, words: list[str]) -> None:
    assert words[0] in (OVERLAYS / f"{bus}.dtso").read_text()
    assert words[1] in PAGE


def test_the_sheet_is_valid_and_uses_free_lines_only() -> None:
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block
    settings = settings_of(msgspec.yaml.decode(block[1].encode()))
    assert len(pin_map(settings, {"pinctrl-rp1": 54}).lines) == len(settings.lines)
    assert {header()[entry.line] for entry in settings.lines.values()} == {"line"}
