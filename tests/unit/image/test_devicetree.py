# SPDX-License-Identifier: Apache-2.0
"""Which overlays make which device tree. What is in the trees is tested on the built image."""

import re
from pathlib import Path

import pytest

from image import devicetree

PROJECT = Path(__file__).parents[3]
OWN = PROJECT / "bsp/cm5"
TEXT = (OWN / "devicetree.toml").read_text()
# The firmware's check of the system looks for these, by the module's type.
EMMC, LITE = "bcm2712-rpi-cm5-cm5io.dtb", "bcm2712-rpi-cm5l-cm5io.dtb"


def plan(*symbols: str) -> devicetree.Plan:
    return devicetree.parse(TEXT, lambda symbol: symbol in symbols)


def test_both_kinds_of_module_have_a_tree_under_the_name_that_the_firmware_asks_for() -> None:
    assert plan().trees == {EMMC: ["cm5", "emmc"], LITE: ["cm5", "lite"]}
    assert plan().base == "broadcom/bcm2712-d-rpi-5-b.dtb"


def test_an_option_is_on_both_trees_or_on_none() -> None:
    found = plan("CM5_SPI", "CM5_FAN").trees
    assert found == {EMMC: ["cm5", "emmc", "fan", "spi0"], LITE: ["cm5", "lite", "fan", "spi0"]}


def test_every_overlay_is_used_and_every_option_can_be_chosen() -> None:
    symbols = re.findall(r"^config (CM5_\w+)$", (PROJECT / "Kconfig").read_text(), re.MULTILINE)
    asked: list[str] = []
    everything = devicetree.parse(TEXT, lambda symbol: asked.append(symbol) is None)
    assert sorted(asked) == sorted(symbols)
    used = {name for overlays in everything.trees.values() for name in overlays}
    assert used == {path.stem for path in (OWN / "overlays").glob("*.dtso")}


def test_what_is_removed_is_a_node_or_a_property() -> None:
    tree = Path("x.dtb")
    assert devicetree.removal(tree, "/a/b@1", "") == ["fdtput", "-r", tree, "/a/b@1"]
    assert devicetree.removal(tree, "/a/b@1", "c-d") == ["fdtput", "-d", tree, "/a/b@1", "c-d"]
    assert ("/soc@107c000000/mmc@fff000", "cd-gpios") in plan().removed


@pytest.mark.parametrize(
    ("after", "found"), [("a: old\n", []), ("a: old\nb: new\n", ["b: new"]), ("", []), ("b: new\n", ["b: new"])]
)
def test_only_warnings_that_the_base_has_are_let_pass(after: str, found: list[str]) -> None:
    assert devicetree.new_warnings("a: old\n", after) == found
