# SPDX-License-Identifier: Apache-2.0
"""What a build hands out: disk, block map and bundle under names with the version, and what is told about them.

pilotlight-cm5-1.4.0.img.zst     the whole disk, compressed
pilotlight-cm5-1.4.0.bmap        which parts of it have to be written
pilotlight-cm5-1.4.0.raucb       the signed update bundle
pilotlight-cm5-1.4.0.spdx.json   the bill of materials
pilotlight-cm5-1.4.0.licences    licences, with their texts
pilotlight-cm5-1.4.0.packages    packages and versions
pilotlight-cm5-1.4.0.rpi-imager-manifest   what Raspberry Pi Imager opens; of boards that have a file `imager`
SHA256SUMS
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from image import apt, blockmap, bundle, disk_layout, imager, initramfs, inventory, keys, modules, sbom, version
from image.config import Board
from image.disk import Disk, sizes_of
from image.kernel import Kernel, select
from image.slot import board_list, source_time
from image.steps import BUILD, PROJECT, Artefact, Input, Log, step
from image.system import repository_of
from image.tools import Tools, tools

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Outputs:
    """The folder of what a build hands out, and the beginning of the names in it."""

    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        """The file with an ending, such as `.bmap`."""
        return self.folder / (self.stem + ending)


def outputs_for(board: Board, root: Artefact, disk: Disk) -> Outputs:
    """Make everything that a build of a disk board hands out. Raises BuildError."""
    use, number = tools("disk"), version.of_image(board.config)
    stem, home, when = f"pilotlight-{board.name}-{number}", BUILD / board.name, source_time()
    update = bundle.bundle_for(
        board.name, number, disk.slot, keys.signing_for(board.config), home / "bundle.raucb", use
    )  # fmt: skip
    repository = repository_of(board)
    about = PROJECT / "bsp" / board.name / "imager"

    def make(target: Path, log: Log) -> None:
        target.mkdir()
        made = Outputs(target, stem)
        os.link(disk.download.path, made.path(".img.zst"))
        os.link(update.path, made.path(".raucb"))
        made.path(".bmap").write_text(blockmap.text(map_of(board, disk)))
        parts = components(log, use, board, number, root.path, repository, disk)
        made.path(".packages").write_text(inventory.package_list(parts))
        made.path(".licences").write_text(inventory.licence_list(parts))
        made.path(".spdx.json").write_text(sbom.document(f"pilotlight-{board.name}", number, parts, when))
        if about.exists():
            place = board.config["DOWNLOAD_URL"] or f"file://{home / 'out'}"
            download = describe(made, disk.image.path, place)
            text = imager.manifest(json.loads(about.read_text()), number, download, when)
            made.path(".rpi-imager-manifest").write_text(text)
        (target / SUMS).write_text(sums(target))

    inputs: list[Input] = [
        disk.image, disk.download, update, root, repository, disk.kernel, number, when, about,
        board.config["DOWNLOAD_URL"],
        *(Path(__file__).with_name(f"{name}.py") for name in ("blockmap", "imager", "inventory", "outputs", "sbom")),
    ]  # fmt: skip
    return Outputs(step(f"outputs {board.name}", inputs=inputs, output=home / "out", make=make).path, stem)


def map_of(board: Board, disk: Disk) -> blockmap.BlockMap:
    """The block map of a built disk: everything but the empty slot and the rest of the slot that is used."""
    partitions = disk_layout.layout(sizes_of(board), board.arch)
    used = {part.label: part.size for part in partitions if part.label in ("bootcfg", "boot-a", "data")}
    used["root-a"] = disk.slot.root_image.stat().st_size
    return blockmap.read(disk.image.path, blockmap.parts(partitions, used))


def components(
    log: Log, use: Tools, board: Board, number: str, root: Path, repository: Artefact, disk: Disk
) -> list[inventory.Component]:
    """Everything that is in the disk: the root's packages, what is in the boot partition, and what is not Debian's."""
    boot = apt.fetch("boot", ["boot"], board.arch, base=False)
    kernel = disk.kernel.path
    started = initramfs.programs(kernel, ["usr/bin/busybox", *initramfs.PROGRAMS])
    names = inventory.owners(log, use, boot.path, started)
    found = inventory.from_stanzas(apt.split((repository.path / "Packages").read_text()), root)
    found += inventory.from_stanzas(apt.split((boot.path / "Packages").read_text()), kernel, names)
    own = inventory.own(number, board.arch, root)
    there = Kernel.find(kernel)
    wanted = [*board_list(board.name, "modules"), *board_list(board.name, "initramfs-modules")]
    files = [Path(file) for file in select(there, wanted)]
    built = [file.name.partition(".")[0] for file in files if file.parts[0] == modules.PLACE]
    own += inventory.modules(built, modules.foreign_sources(), number, there.version, board.arch)
    # A library may be in both, from the same package.
    return sorted({*found, *own})


def describe(made: Outputs, image: Path, place: str) -> imager.Download:
    """The download as Imager has to know it, at an address `place`."""
    packed = made.path(".img.zst")
    return imager.Download(
        f"{place}/{packed.name}", f"{place}/{made.path('.bmap').name}", packed.stat().st_size, digest(packed),
        image.stat().st_size, digest(image),
    )  # fmt: skip


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums(folder: Path) -> str:
    """Digests of the files in a folder as `sha256sum --check` reads them."""
    return "".join(f"{digest(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
