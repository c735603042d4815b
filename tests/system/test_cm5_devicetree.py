# SPDX-License-Identifier: Apache-2.0
"""The device trees in the image for the Compute Module 5, held against the module and its I/O board."""

from pathlib import Path

import pytest

from image.steps import BUILD
from image.tools import Tools
from tests.support import disks
from tests.support.devicetree import DeviceTree
from tests.support.opened import EMMC, HOME, LITE, Opened, opened, tree, use

__all__ = ["opened", "tree", "use"]

GOLDEN = Path(__file__).parent / "golden" / "cm5.dts"
OVERLAYS = HOME / "devicetree" / "overlays"

SOC, AXI = "/soc@107c000000", "/axi/pcie@1000120000/pci@0,0/dev@0,0/pci-ep-bus@1"
CARD, ETHERNET, GPIO = f"{SOC}/mmc@fff000", f"{AXI}/ethernet@40100000", f"{AXI}/pinctrl@400d0000"
CLOCKS, AON, LINES = f"{AXI}/clocks@40018000", f"{SOC}/gpio@7d517c00", f"{SOC}/gpio@7d508500"
ACTIVE_HIGH, ACTIVE_LOW = 0, 1
LEVEL_HIGH, LEVEL_LOW = 4, 8


def test_a_tree_says_which_module_it_is_for(opened: Opened) -> None:
    for name, model in ((EMMC, "Raspberry Pi Compute Module 5"), (LITE, "Raspberry Pi Compute Module 5 Lite")):
        root = DeviceTree(opened.boot[name]).root
        assert root.strings("compatible") == ["raspberrypi,5-compute-module", "brcm,bcm2712"]
        assert root.strings("model") == [model]


def test_the_processor_is_of_the_stepping_that_modules_have(tree: DeviceTree) -> None:
    pins, always_on = tree.node(f"{SOC}/pinctrl@7d504100"), tree.node(f"{SOC}/pinctrl@7d510700")
    assert pins.strings("compatible") == ["brcm,bcm2712d0-pinctrl"]
    assert pins.cells("reg") == [0x7D504100, 0x20]
    assert always_on.strings("compatible") == ["brcm,bcm2712d0-aon-pinctrl"]
    assert always_on.cells("reg") == [0x7D510700, 0x1C]
    assert tree.node(f"{SOC}/serial@7d001000").cells("interrupts")[1] == 120
    assert tree.node(AON).cells("brcm,gpio-bank-widths") == [15, 6]


def test_the_emmc_has_eight_lines_at_1_8_volts(opened: Opened) -> None:
    tree = DeviceTree(opened.boot[EMMC])
    card = tree.node(CARD)
    assert card.cells("bus-width") == [8]
    assert {"non-removable", "mmc-hs200-1_8v"} <= card.properties.keys()
    assert not {"cd-gpios", "supports-cqe", "mmc-hs400-1_8v", "mmc-hs400-enhanced-strobe"} & card.properties.keys()
    (supply,) = [tree.node(path) for path, _ in tree.references(CARD, "vqmmc-supply", "")]
    assert supply.strings("compatible") == ["regulator-fixed"]
    assert supply.cells("regulator-min-microvolt") == supply.cells("regulator-max-microvolt") == [1_800_000]
    assert "regulator-always-on" in supply.properties
    states = [tree.node(path) for path, _ in tree.references(CARD, "pinctrl-0", "")]
    up = ["emmc_cmd", *(f"emmc_dat{line}" for line in range(8))]
    assert [(state.strings("pins"), sorted(state.properties)) for state in states] == [
        (up, ["bias-pull-up", "phandle", "pins"]),
        (["emmc_ds"], ["bias-pull-down", "phandle", "pins"]),
    ]


def test_a_module_without_emmc_starts_from_a_card_as_a_pi_does(opened: Opened) -> None:
    tree = DeviceTree(opened.boot[LITE])
    card = tree.node(CARD)
    assert card.cells("bus-width") == [4]
    assert {"non-removable", "sd-uhs-sdr104"} <= card.properties.keys()
    assert not {"cd-gpios", "mmc-hs200-1_8v", "mmc-hs400-1_8v"} & card.properties.keys()
    (supply,) = [path for path, _ in tree.references(CARD, "vqmmc-supply", "")]
    assert tree.node(supply).strings("compatible") == ["regulator-gpio"]
    assert tree.references(supply, "gpios", "#gpio-cells") == [(AON, [3, ACTIVE_HIGH])]
    assert tree.references(CARD, "pinctrl-0", "") == [(f"{SOC}/pinctrl@7d504100/emmc-sd-default-state", [])]


def test_the_card_has_its_supply_and_its_number(tree: DeviceTree) -> None:
    (supply,) = [path for path, _ in tree.references(CARD, "vmmc-supply", "")]
    assert tree.references(supply, "gpios", "#gpio-cells") == [(AON, [4, ACTIVE_HIGH])]
    assert tree.node("/aliases").strings("mmc0") == [CARD]


def test_the_phy_answers_at_address_0_with_reset_and_interrupt(tree: DeviceTree) -> None:
    phy = f"{ETHERNET}/mdio/ethernet-phy@0"
    assert tree.references(ETHERNET, "phy-handle", "") == [(phy, [])]
    assert tree.node(phy).cells("reg") == [0]
    assert tree.handle(tree.node(phy).cells("interrupt-parent")[0]).path == GPIO
    assert tree.node(phy).cells("interrupts") == [37, LEVEL_LOW]
    assert tree.references(f"{ETHERNET}/mdio", "reset-gpios", "#gpio-cells") == [(GPIO, [32, ACTIVE_LOW])]
    assert tree.node(f"{ETHERNET}/mdio").cells("reset-delay-us") == [5000]
    assert list(tree.node(f"{ETHERNET}/mdio").children) == ["ethernet-phy@0"]


@pytest.mark.parametrize(
    ("path", "compatible", "address", "size", "interrupt", "clocks"),
    [
        ("spi@40050000", "snps,dw-apb-ssi", 0x40050000, 0x130, 19, [12]),
        ("serial@40030000", "arm,pl011", 0x40030000, 0x100, 25, [15, 6]),
        ("pwm@40098000", "raspberrypi,rp1-pwm", 0x40098000, 0x100, 5, [17]),
        ("pwm@4009c000", "raspberrypi,rp1-pwm", 0x4009C000, 0x100, 41, [18]),
        ("i2c@40074000", "snps,designware-i2c", 0x40074000, 0x1000, 8, [12]),
    ],
)
def test_the_buses_are_where_the_chip_has_them(
    tree: DeviceTree, path: str, compatible: str, address: int, size: int, interrupt: int, clocks: list[int]
) -> None:
    node = tree.node(f"{AXI}/{path}")
    assert node.strings("compatible")[0] == compatible
    assert node.cells("reg") == [0, address, 0, size]
    assert node.cells("interrupts") == [interrupt, LEVEL_HIGH]
    assert tree.references(node.path, "clocks", "#clock-cells") == [(CLOCKS, [clock]) for clock in clocks]
    assert node in list(tree.enabled())


@pytest.mark.parametrize(
    ("path", "function", "pins"),
    [
        ("spi@40050000", "spi0", [9, 10, 11]),
        ("i2c@40074000", "i2c1", [2, 3]),
        ("pwm@40098000", "pwm0", [12, 13, 18, 19]),
        ("pwm@4009c000", "pwm1", [45]),
        ("serial@40030000", "uart0", [14, 15]),
    ],
)
def test_the_buses_have_their_pins(tree: DeviceTree, path: str, function: str, pins: list[int]) -> None:
    (state,) = [tree.node(state) for state, _ in tree.references(f"{AXI}/{path}", "pinctrl-0", "")]
    groups = [node for node in state.all() if "pins" in node.properties]
    assert {name for node in groups for name in node.strings("function")} == {function}
    assert {pin for node in groups for pin in node.strings("pins")} == {f"gpio{pin}" for pin in pins}


def test_no_pin_has_two_uses(tree: DeviceTree) -> None:
    used: list[str] = []
    for node in tree.enabled():
        if "pinctrl-0" in node.properties:
            states = [tree.node(path) for path, _ in tree.references(node.path, "pinctrl-0", "")]
            used += [f"{state.path.rsplit('/', 2)[1]} {pin}" for state in states for part in state.all()
                     if "pins" in part.properties for pin in part.strings("pins")]  # fmt: skip
    assert len(used) == len(set(used))


def test_usb_has_the_two_lines_of_its_supply(tree: DeviceTree) -> None:
    controllers = [tree.node(f"{AXI}/usb@{address}") for address in ("40200000", "40300000")]
    on = list(tree.enabled())
    assert all(node in on for node in controllers)
    states = [
        tree.node(path)
        for node in controllers
        if "pinctrl-0" in node.properties
        for path, _ in tree.references(node.path, "pinctrl-0", "")
    ]
    # What the kernel's driver for the pins calls vbus1 is GPIO 42 and 43.
    assert [(state.strings("function"), state.strings("groups")) for state in states] == [(["vbus1"], ["vbus1"])]
    others = {pin for node in tree.node(GPIO).all() if "pins" in node.properties for pin in node.strings("pins")}
    assert not {"gpio42", "gpio43"} & others


def test_spi_selects_two_devices(tree: DeviceTree) -> None:
    bus = f"{AXI}/spi@40050000"
    assert tree.references(bus, "cs-gpios", "#gpio-cells") == [(GPIO, [8, ACTIVE_LOW]), (GPIO, [7, ACTIVE_LOW])]
    assert tree.node(bus).cells("num-cs") == [2]
    assert [tree.node(f"{bus}/spidev@{number}").cells("reg") for number in (0, 1)] == [[0], [1]]


def test_pulses_are_counted_at_50_mhz(tree: DeviceTree) -> None:
    for path, clock in (("pwm@40098000", 17), ("pwm@4009c000", 18)):
        node = tree.node(f"{AXI}/{path}")
        assert tree.references(node.path, "assigned-clocks", "#clock-cells") == [(CLOCKS, [clock])]
        assert node.cells("assigned-clock-rates") == [50_000_000]
        assert node.cells("#pwm-cells") == [3]


def test_the_serial_line_has_the_identity_its_driver_looks_for(tree: DeviceTree) -> None:
    node = tree.node(f"{AXI}/serial@40030000")
    assert node.strings("compatible") == ["arm,pl011", "arm,primecell"]
    assert node.cells("arm,primecell-periphid") == [0x00541011]
    aliases = tree.node("/aliases")
    assert aliases.strings("serial0") == [node.path]
    assert aliases.strings("serial10") == [f"{SOC}/serial@7d001000"]


def test_lights_power_key_and_watchdog(tree: DeviceTree) -> None:
    assert tree.references("/leds/led-pwr", "gpios", "#gpio-cells") == [(GPIO, [44, ACTIVE_LOW])]
    assert tree.references("/leds/led-act", "gpios", "#gpio-cells") == [(AON, [9, ACTIVE_LOW])]
    key = "/gpio-keys/power-button"
    assert tree.references(key, "gpios", "#gpio-cells") == [(LINES, [20, ACTIVE_LOW])]
    assert tree.node(key).cells("linux,code") == [116]
    assert tree.node(f"{SOC}/watchdog@7d200000").strings("compatible") == ["brcm,bcm2712-pm", "brcm,bcm2835-pm-wdt"]


def test_temperature_is_measured_and_the_fan_follows_it(tree: DeviceTree) -> None:
    monitor = tree.node(f"{SOC}/avs-monitor@7d542000")
    assert monitor.strings("compatible") == ["brcm,bcm2711-avs-monitor", "syscon", "simple-mfd"]
    assert monitor.cells("reg") == [0x7D542000, 0xF00]
    assert tree.node(f"{monitor.path}/thermal").strings("compatible") == ["brcm,bcm2711-thermal"]
    zone = tree.node("/thermal-zones/cpu-thermal")
    assert tree.references(zone.path, "thermal-sensors", "#thermal-sensor-cells") == [(f"{monitor.path}/thermal", [])]
    assert zone.cells("coefficients") == [2**32 - 550, 450_000]
    trips = {
        name: (trip.strings("type")[0], trip.cells("temperature")[0])
        for name, trip in zone.children["trips"].children.items()
    }
    assert trips["cpu-critical"] == ("critical", 110_000)
    assert sorted(value for kind, value in trips.values() if kind == "active") == [50_000, 60_000, 67_500, 75_000]
    assert tree.references("/pwm-fan", "pwms", "#pwm-cells") == [(f"{AXI}/pwm@4009c000", [3, 41566, 1])]
    levels = [
        tree.references(node.path, "cooling-device", "#cooling-cells")
        for node in zone.children["cooling-maps"].children.values()
    ]
    assert sorted(level for (level,) in levels) == [("/pwm-fan", [step, step]) for step in (1, 2, 3, 4)]


def test_what_a_controller_does_not_have_is_off(tree: DeviceTree) -> None:
    """A module without radio would hang at its next restart with the radio's controller on."""
    on = {node.path for node in tree.enabled()}
    off = ["sdio2", "uarta", "hdmi0", "hdmi1", "hvs", "v3d", "vc4", "isp", "mop", "moplet", "rp1_csi0", "rp1_csi1"]
    assert [label for label in off if tree.node(label).path in on] == []


def test_the_radio_is_switched_by_its_two_lines(tree: DeviceTree) -> None:
    """They are there for who builds the image with it."""
    wireless, bluetooth = tree.node("sdio2").path, f"{tree.node('uarta').path}/bluetooth"
    (supply,) = [tree.node(path) for path, _ in tree.references(wireless, "vmmc-supply", "")]
    assert supply.strings("compatible") == ["regulator-fixed"] and "enable-active-high" in supply.properties
    assert tree.references(supply.path, "gpio", "#gpio-cells") == [(LINES, [28, ACTIVE_HIGH])]
    assert tree.references(bluetooth, "shutdown-gpios", "#gpio-cells") == [(LINES, [29, ACTIVE_HIGH])]


def test_every_reference_points_at_something(tree: DeviceTree) -> None:
    symbols = tree.node("/__symbols__")
    assert [name for name in symbols.properties if not tree.has(symbols.strings(name)[0])] == []
    aliases = tree.node("/aliases")
    assert [name for name in aliases.properties if not tree.has(aliases.strings(name)[0])] == []


def test_the_overlays_are_what_was_reviewed(opened: Opened, use: Tools) -> None:
    """Their text as the compiler understood it; after a change that is meant: copy build/results/cm5.dts there."""
    parts = []
    for overlay in sorted(OVERLAYS.glob("*.dtbo")):
        text = HOME / "opened" / f"{overlay.stem}.dts"
        disks.run(use, "dtc", "-q", "-s", "-I", "dtb", "-O", "dts", "-o", text, overlay)
        parts.append(f"// {overlay.stem}\n{text.read_text()}")
    made = BUILD / "results" / GOLDEN.name
    made.parent.mkdir(exist_ok=True)
    made.write_text("\n".join(parts))
    assert made.read_text() == GOLDEN.read_text()


def test_the_trees_in_the_image_are_those_that_were_compiled_without_a_warning(opened: Opened) -> None:
    for name in (EMMC, LITE):
        assert opened.boot[name] == (HOME / "devicetree" / name).read_bytes()


def test_the_radio_can_be_switched_on(opened: Opened, use: Tools) -> None:
    """It is in no image unless it is chosen; its overlay goes onto the tree that is in this one."""
    with_radio = HOME / "opened/radio.dtb"
    disks.run(use, "fdtoverlay", "-i", HOME / "opened/boot" / EMMC, "-o", with_radio, *OVERLAYS.glob("wifi.dtbo"))
    tree = DeviceTree(with_radio.read_bytes())
    assert tree.node("sdio2").strings("status") == ["okay"]
    antennas = {name: node for name, node in tree.node(AON).children.items() if "gpio-hog" in node.properties}
    assert {name: node.cells("gpios") for name, node in antennas.items()} == {
        "antenna-on-board-hog": [5, ACTIVE_HIGH],
        "antenna-socket-hog": [6, ACTIVE_HIGH],
    }
    assert "output-high" in antennas["antenna-on-board-hog"].properties
    assert "output-low" in antennas["antenna-socket-hog"].properties
