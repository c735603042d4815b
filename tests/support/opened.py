# SPDX-License-Identifier: Apache-2.0
"""The image for the Compute Module 5 as fixtures: unpacked, its partitions as files, its trees read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image import boot_files, kernel
from image.kernel import Kernel
from image.steps import BUILD, CACHE
from image.tools import Tools, tools
from tests.support import disks
from tests.support.devicetree import DeviceTree

BOARD = "cm5"
HOME = BUILD / BOARD
EMMC, LITE = "bcm2712-rpi-cm5-cm5io.dtb", "bcm2712-rpi-cm5l-cm5io.dtb"


@dataclass(frozen=True)
class Opened:
    """The image: its partitions as files, and what is in them."""

    disk: Path
    partitions: dict[str, disks.Partition]
    files: dict[str, Path]
    boot: dict[str, bytes]
    root: Path
    initramfs: dict[str, bytes]
    words: dict[str, dict[str, str]]  # of the command line, by slot
    kernel: Kernel

    @property
    def modules(self) -> Path:
        """The directory of the modules in the root file system."""
        return self.root / kernel.MODULES / self.kernel.version


@pytest.fixture(scope="module")
def use() -> Tools:
    return tools("disk")


@pytest.fixture(scope="module")
def opened(use: Tools) -> Iterator[Opened]:
    """What people download, unpacked."""
    download, place = HOME / f"pilotlight-{BOARD}.img.zst", HOME / "opened"
    assert download.exists(), f"make the image first: ./build-image.sh build {BOARD}"
    disks.run(use, "rm", "-rf", place)
    place.mkdir()
    disk = place / "disk"
    try:
        disks.run(use, "zstd", "-q", "-d", "--long=27", "--sparse", download, "-o", disk)
        partitions = {part.label: part for part in disks.table(disk)}
        files = {label: disks.carve(disk, part, place / label) for label, part in partitions.items()}
        boot = disks.fat_files(use, files["boot-a"], place / "boot")
        disks.run(use, "zstd", "-q", "-d", place / "boot" / boot_files.INITRAMFS, "-o", place / "initramfs")
        disks.run(use, "fsck.erofs", f"--extract={place / 'root'}", files["root-a"])
        lines = {slot: boot[name].decode() for slot, name in boot_files.CMDLINES.items()}
        words = {
            slot: {name: value for name, _, value in (word.partition("=") for word in line.split())}
            for slot, line in lines.items()
        }
        initramfs = disks.archive((place / "initramfs").read_bytes())
        found = Kernel.find(CACHE / "kernel-arm64")
        yield Opened(disk, partitions, files, boot, place / "root", initramfs, words, found)
    finally:
        disks.run(use, "rm", "-rf", place)


@pytest.fixture(scope="module", params=[EMMC, LITE])
def tree(request: pytest.FixtureRequest, opened: Opened) -> DeviceTree:
    return DeviceTree(opened.boot[request.param])
