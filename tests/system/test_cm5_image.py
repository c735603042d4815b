# SPDX-License-Identifier: Apache-2.0
"""The image for the Compute Module 5, opened without starting it: every file, module and word that it starts with."""

import hashlib
import re

import pytest

from image import boot_files, kernel
from image.config import load
from image.disk_layout import ALIGNMENT, BOOT_TYPE, DATA_TYPE, MIB, ROOT_TYPES
from image.kernel import module_name
from image.steps import PROJECT
from image.tools import Tools
from tests.support import disks
from tests.support.devicetree import DeviceTree, Node
from tests.support.opened import BOARD, EMMC, HOME, LITE, Opened, opened, tree, use

__all__ = ["opened", "tree", "use"]

OWN = PROJECT / "bsp" / BOARD
CARD = "/soc@107c000000/mmc@fff000"
DOWNLOAD_MAX = 330_000_000

# What is on and needs no driver.
WITHOUT_DRIVER = {
    "arm,cortex-a76": "a processor",
    "pci1de4,1": "found on its bus: see the test below",
    "brcm,bcm2835-system-timer": "the processor has its own",
}


# -- the disk ----------------------------------------------------------------------------------------------------------


def test_the_table_holds_both_slots_and_data_at_its_end(opened: Opened) -> None:
    found = list(opened.partitions.values())
    board = load(BOARD)
    boot, root = board.number("BOOT_SLOT_MB") * MIB, board.number("ROOT_SLOT_MB") * MIB
    assert [(part.label, part.size) for part in found] == [
        ("bootcfg", 32 * MIB), ("boot-a", boot), ("boot-b", boot), ("root-a", root), ("root-b", root),
        ("data", board.number("DATA_MB") * MIB),
    ]  # fmt: skip
    kinds = {part.label: part.kind for part in found}
    assert (kinds["boot-a"], kinds["boot-b"]) == (BOOT_TYPE, BOOT_TYPE)
    assert (kinds["root-a"], kinds["data"]) == (ROOT_TYPES["arm64"], DATA_TYPE)
    assert len({part.guid for part in found}) == len(found)
    assert all(part.start % ALIGNMENT == 0 for part in found)
    ends = [part.start + part.size for part in found]
    assert all(end <= part.start for end, part in zip(ends, found[1:], strict=False))
    assert disks.table(opened.disk, backup=True) == found


def test_slot_b_is_empty_and_the_slots_fit_their_bounds(opened: Opened) -> None:
    for label in ("boot-b", "root-b"):
        assert opened.files[label].stat().st_blocks == 0
    assert opened.partitions["root-a"].size <= 512 * MIB
    assert (HOME / f"pilotlight-{BOARD}.img.zst").stat().st_size <= DOWNLOAD_MAX


def test_the_choice_of_the_slot_is_one_sector_in_a_file_system_of_its_own(opened: Opened, use: Tools) -> None:
    assert disks.fat_kind(opened.files["bootcfg"]) == ("FAT16", "BOOTCFG")
    found = disks.fat_files(use, opened.files["bootcfg"], HOME / "opened/bootcfg.files")
    assert found == {"autoboot.txt": boot_files.autoboot("A")}
    assert len(found["autoboot.txt"]) == 512


# -- what the firmware reads -------------------------------------------------------------------------------------------


def test_the_firmware_finds_every_file_it_needs_and_no_other(opened: Opened) -> None:
    assert disks.fat_kind(opened.files["boot-a"])[0] == "FAT32"
    sizes = {name: len(data) for name, data in opened.boot.items()}
    assert sizes.keys() == {
        "config.txt", "vmlinuz", "initramfs.zst", "cmdline-a.txt", "cmdline-b.txt", EMMC, LITE,
    }  # fmt: skip
    assert opened.boot["vmlinuz"] == opened.kernel.image.read_bytes()
    assert opened.boot["vmlinuz"][0x38:0x3C] == b"ARM\x64"
    assert 1 * MIB < sizes["initramfs.zst"] < 16 * MIB
    assert opened.boot["initramfs.zst"][:4] == b"\x28\xb5\x2f\xfd"
    assert all(DeviceTree(opened.boot[name]).size == sizes[name] for name in (EMMC, LITE))
    assert sizes["config.txt"] < 4096


def test_the_configuration_is_the_boards_file_and_the_choice_of_the_command_line(opened: Opened) -> None:
    """Byte for byte. The boot configuration partition holds none: see above."""
    choice = "[boot_partition=2]\ncmdline=cmdline-a.txt\n[boot_partition=3]\ncmdline=cmdline-b.txt\n[all]\n"
    assert opened.boot["config.txt"] == (OWN / "config.txt").read_bytes() + choice.encode()
    assert boot_files.slot_choice() == choice


def test_the_configuration_says_what_the_module_needs(opened: Opened) -> None:
    common = opened.boot["config.txt"].decode().partition("[")[0]
    lines = [line for line in common.splitlines() if not line.startswith("#")]
    assert "initramfs initramfs.zst followkernel" in lines
    settings = dict(line.split("=") for line in lines if "=" in line)
    assert len(settings) == len(lines) - 1
    wanted = {"arm_64bit": "1", "kernel": "vmlinuz", "enable_uart": "1", "disable_fw_kms_setup": "1"}
    assert wanted.items() <= settings.items()
    # The watchdog counts 0xfffff ticks of a 65536th second at most.
    assert 1 <= int(settings["kernel_watchdog_timeout"]) <= 0xFFFFF >> 16
    # The firmware takes the tree by the module's type, and adds nothing to it.
    assert not {"device_tree", "dtoverlay", "dtparam", "os_prefix"} & settings.keys()
    assert (settings["camera_auto_detect"], settings["display_auto_detect"]) == ("0", "0")


def test_the_configuration_names_files_that_are_there(opened: Opened) -> None:
    text = opened.boot["config.txt"].decode()
    named = re.findall(r"^(?:kernel=|cmdline=|initramfs )(\S+)", text, re.MULTILINE)
    assert set(named) == {"vmlinuz", "initramfs.zst", "cmdline-a.txt", "cmdline-b.txt"}
    for slot, partition in boot_files.PARTITIONS.items():
        assert boot_files.chosen_cmdline(text, partition) == boot_files.CMDLINES[slot]
        label = list(opened.partitions)[partition - 1]
        assert label == f"boot-{slot.lower()}"


@pytest.mark.parametrize("slot", ["A", "B"])
def test_the_command_line_names_its_slot_and_has_the_words_of_the_board(opened: Opened, slot: str) -> None:
    found = opened.words[slot]
    line = opened.boot[boot_files.CMDLINES[slot]]
    assert line.count(b"\n") == 1
    assert len(line) <= boot_files.CMDLINE_MAX + 1
    assert (found["pilotlight.slot"], found["rauc.slot"]) == (slot, slot)
    for word in " ".join(kernel.wanted((OWN / "cmdline").read_text())).split():
        name, _, value = word.partition("=")
        assert found[name] == value


def test_the_root_hash_is_that_of_the_root(opened: Opened) -> None:
    found = disks.hash_tree(opened.files["root-a"], int(opened.words["A"]["pilotlight.hash_offset"]))
    assert {words["roothash"] for words in opened.words.values()} == {found.root}
    assert {words["pilotlight.hash_offset"] for words in opened.words.values()} == {str(found.blocks * disks.BLOCK)}
    assert found.end <= opened.partitions["root-a"].size


def test_a_changed_byte_would_be_seen(opened: Opened) -> None:
    offset = int(opened.words["A"]["pilotlight.hash_offset"])
    before = disks.hash_tree(opened.files["root-a"], offset).root
    with opened.files["root-a"].open("r+b") as stream:
        stream.seek(offset // 2)
        byte = stream.read(1)
        stream.seek(offset // 2)
        stream.write(bytes([byte[0] ^ 1]))
        stream.flush()
        try:
            with pytest.raises(AssertionError):
                disks.hash_tree(opened.files["root-a"], offset)
        finally:
            stream.seek(offset // 2)
            stream.write(byte)
    assert disks.hash_tree(opened.files["root-a"], offset).root == before


# -- the modules -------------------------------------------------------------------------------------------------------


class Drivers:
    """What the image's kernel drives: names in device trees, and the modules for them."""

    def __init__(self, image: Opened) -> None:
        self._kernel = image.kernel.image.read_bytes()
        lines = (image.modules / "modules.alias").read_text().splitlines()
        found = [re.fullmatch(r"alias of:N\*T\*C(\S+?)(?:C\*)? (\S+)", line) for line in lines]
        self._modules = {match[1]: match[2] for match in found if match}

    def module(self, name: str) -> str | None:
        """The module for a name; "" when the kernel itself has it, None when nobody has."""
        if name in self._modules:
            return self._modules[name]
        # What is built in keeps its names in the kernel's own text.
        return "" if f"\0{name}\0".encode() in self._kernel else None


def test_everything_that_is_on_has_a_driver_in_the_image(opened: Opened, tree: DeviceTree) -> None:
    known = Drivers(opened)
    dead = []
    for node in tree.enabled():
        if "compatible" not in node.properties:
            continue
        names = node.strings("compatible")
        if not any(name in WITHOUT_DRIVER or known.module(name) is not None for name in names):
            dead.append((node.path, names))
    assert "\n".join(map(str, dead)) == ""


def test_the_input_and_output_chip_is_found_on_its_bus(opened: Opened) -> None:
    aliases = (opened.modules / "modules.alias").read_text()
    assert re.search(r"^alias pci:v00001DE4d00000001\S* rp1_pci$", aliases, re.MULTILINE)


def test_what_the_root_needs_is_in_the_initramfs(opened: Opened, tree: DeviceTree) -> None:
    """The card's driver, and the drivers of everything the card's node refers to."""
    known = Drivers(opened)
    loaded = set(opened.initramfs["modules/order"].decode().split())
    needs: set[str] = set()
    waiting: list[Node] = [tree.node(CARD)]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.path in seen:
            continue
        seen.add(node.path)
        for name in node.strings("compatible") if "compatible" in node.properties else []:
            if module := known.module(name):
                needs.add(module_name(module))
        for name in ("vqmmc-supply", "vmmc-supply", "pinctrl-0", "clocks", "gpios", "resets"):
            if name in node.properties:
                # The first number is a reference; a state of pins belongs to the node above it.
                target = tree.handle(node.cells(name)[0])
                waiting += [target, tree.node(target.path.rsplit("/", 1)[0] or "/")]
    assert {"sdhci_brcmstb", "gpio_brcmstb", "pinctrl_brcmstb_bcm2712", "fixed"} <= needs
    assert needs <= loaded


def test_the_initramfs_loads_the_watchdog_first_and_nothing_more_than_listed(opened: Opened) -> None:
    order = opened.initramfs["modules/order"].decode().split()
    listed = [module_name(name) for name in kernel.wanted((OWN / "initramfs-modules").read_text())]
    assert order[0] == listed[0] == "bcm2835_wdt"
    assert [name for name in order if name in listed] == listed
    expected = [module_name(file) for file in kernel.select(opened.kernel, listed)]
    assert order == expected
    assert {name for name in opened.initramfs if name.endswith(".ko")} == {f"modules/{name}.ko" for name in order}
    for name in order:
        assert disks.module_info(opened.initramfs[f"modules/{name}.ko"])["vermagic"].split()[0] == opened.kernel.version


def test_listed_modules_are_in_the_image_or_in_the_kernel(opened: Opened) -> None:
    there = {module_name(path.name) for path in opened.modules.rglob("*.ko*")}
    inside = {module_name(line) for line in (opened.modules / "modules.builtin").read_text().splitlines()}
    listed = {module_name(name) for name in kernel.wanted((OWN / "modules").read_text())}
    assert listed - there - inside == set()
    indexed = {module_name(line.split(":")[0]) for line in (opened.modules / "modules.dep").read_text().splitlines()}
    assert indexed == there


@pytest.mark.parametrize("name", ["rpi-tryboot", "pwm-rp1", "spi-dw", "spi-dw-mmio", "i2c-stub"])
def test_modules_of_our_own_are_for_exactly_this_kernel(opened: Opened, name: str) -> None:
    own = disks.module_info((opened.modules / "updates" / f"{name}.ko").read_bytes())
    other = next(opened.modules.rglob("gpio-sim.ko*"))
    assert own["vermagic"] == disks.module_info(kernel.unpacked(other))["vermagic"]
    assert own["vermagic"].startswith(f"{opened.kernel.version} SMP preempt_rt ")
    assert own["license"].startswith("GPL")


# -- the root file system ----------------------------------------------------------------------------------------------


def test_the_root_is_that_of_this_board(opened: Opened) -> None:
    assert "VARIANT_ID=cm5\n" in (opened.root / "usr/lib/os-release").read_text()
    for name in ("modules-load.d/cm5.conf", "systemd/system.conf.d/watchdog.conf"):
        assert (opened.root / "usr/lib" / name).is_file()
    for name in ("60-pilotlight-gpio", "60-pilotlight-control", "61-cm5-gpio", "61-cm5-control"):
        assert (opened.root / f"usr/lib/udev/rules.d/{name}.rules").is_file()
    assert hashlib.sha256((opened.root / "usr/share/pilotlight/etc/runtime.yaml").read_bytes()).digest() == (
        hashlib.sha256((OWN / "etc/runtime.yaml").read_bytes()).digest()
    )
