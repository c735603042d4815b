# SPDX-License-Identifier: Apache-2.0
"""From a root file system to the whole disk of a board, and its compressed form for download.

Every identifier is fixed and every time is the same, so that the same inputs give the same bytes. The disk file is
sparse: only what is not zero takes space.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from image import apt, boot_files, modules
from image.config import Board
from image.disk_layout import BOOT_CONFIG_MB, MIB, Sizes, disk_size, identifier, layout, place, table
from image.kernel import Kernel
from image.slot import EPOCH, REPRODUCIBLE, Slot, make_fat, make_slot
from image.steps import BUILD, CACHE, Artefact, Input, Log, remove, step
from image.tools import Tools, tools

DOWNLOAD_COMPRESSION = "-9"


@dataclass(frozen=True)
class Disk:
    """A built disk: `image` sparse, `download` compressed; `boot` is the directory of the files in a boot partition."""

    board: str
    arch: str
    image: Artefact
    download: Artefact
    boot: Artefact
    slot: Slot
    kernel: Artefact  # unpacked, with its modules and the programs of the initramfs


def build(chosen: Board, root: Artefact, folder: Path | None = None) -> Disk:
    """Make the disk of a board around the root file system tree `root`, in the board's folder or another one.

    Raises BuildError.
    """
    use = tools("disk")
    board, arch, home = chosen.name, chosen.arch, folder or BUILD / chosen.name
    kernel = unpack_kernel(arch, use)
    slot = make_slot(chosen, root, kernel, home, use)
    image = make_disk(board, arch, slot, home / f"pilotlight-{board}.img", sizes_of(chosen), use)
    download = step(
        f"compressed disk {board}",
        inputs=[image, DOWNLOAD_COMPRESSION, use.root],
        output=image.path.with_suffix(".img.zst"),
        make=lambda target, log: use.run(
            log, ["zstd", "-q", "-f", "-T0", "--long=27", DOWNLOAD_COMPRESSION, image.path, "-o", target]
        ),
    )
    return Disk(board, arch, image, download, slot.boot, slot, kernel)


def sizes_of(board: Board) -> Sizes:
    """The sizes of a board's partitions."""
    return Sizes(board.number("BOOT_SLOT_MB"), board.number("ROOT_SLOT_MB"), board.number("DATA_MB"))


def unpack_kernel(arch: str, use: Tools) -> Artefact:
    """The kernel, its modules with ours among them, and the programs of the initramfs, unpacked but not installed."""
    packages = apt.fetch("boot", ["boot"], arch, base=False)
    own = modules.modules_for(arch, modules.version_of(p.name for p in apt.packages_in(packages.path)), use)

    def make(target: Path, log: Log) -> None:
        target.mkdir()
        use.run(log, ["sh", "-c", modules.UNPACK, "unpack", target, *sorted(packages.path.glob("*.deb"))])
        kernel = Kernel.find(target)
        if own is not None:
            shutil.copytree(own.path, kernel.modules / modules.PLACE)
        use.run(log, ["depmod", "-b", target / "usr", kernel.version])

    inputs: list[Input] = [packages, own, modules.UNPACK]
    return step(f"kernel {arch}", inputs=inputs, output=CACHE / f"kernel-{arch}", make=make)


def make_disk(board: str, arch: str, slot: Slot, output: Path, sizes: Sizes, use: Tools) -> Artefact:
    """The whole disk as a sparse file."""
    partitions = layout(sizes, arch)

    def make(target: Path, log: Log) -> None:
        parts = target.with_suffix(".parts")
        remove(parts)
        parts.mkdir()
        autoboot, bootcfg, data = parts / boot_files.AUTOBOOT, parts / "bootcfg", parts / "data"
        autoboot.write_bytes(boot_files.autoboot("A"))
        make_fat(log, use, bootcfg, BOOT_CONFIG_MB * MIB, "16", "BOOTCFG", [autoboot])
        with data.open("wb") as stream:
            stream.truncate(next(part.size for part in partitions if part.label == "data"))
        use.run(log, [
            "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", "data", "-U", identifier("data"),
            "-E", f"hash_seed={identifier('data hash')}", data,
        ], env=REPRODUCIBLE)  # fmt: skip
        with target.open("wb") as stream:
            stream.truncate(disk_size(partitions))
        log.run(use.argv(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", target]), stdin=table(partitions))
        contents = {"bootcfg": bootcfg, "boot-a": slot.boot_image, "root-a": slot.root_image, "data": data}
        for part in partitions:
            if part.label in contents:
                place(target, contents[part.label], part.start)
        remove(parts)

    inputs: list[Input] = [
        slot.root, slot.boot_filesystem, [f"{part}" for part in partitions], boot_files.autoboot("A").decode(),
        use.root, EPOCH, Path(__file__),
    ]  # fmt: skip
    return step(f"disk {board}", inputs=inputs, output=output, make=make)
