# SPDX-License-Identifier: Apache-2.0
"""What a slot holds: `root.img` with the verified root file system, `boot.img` with what the firmware starts.

The disk starts with both in slot A, and an update bundle carries the same two files. They fit either slot: the command
lines of both are in `boot.img`.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image import boot_files, devicetree, initramfs, kernel, verity
from image.config import Board
from image.disk_layout import MIB, check_fits, identifier
from image.kernel import Kernel
from image.steps import PROJECT, Artefact, Input, Log, step
from image.tools import Tools

INIT = PROJECT / "image" / "init.sh"
EPOCH = 1767225600  # 2026-01-01: the time of everything beside the root file system
REPRODUCIBLE = {"SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH), "MTOOLS_SKIP_CHECK": "1"}

CLUSTER = 65536  # bytes of a root file system that are compressed together
ROOT_COMPRESSION = "lz4hc,9"


@dataclass(frozen=True)
class Slot:
    """The contents of a slot. `boot` is the directory of the files in `boot_image`."""

    root_image: Path
    boot_image: Path
    root: Artefact
    boot: Artefact
    boot_filesystem: Artefact


def source_time() -> int:
    """The time of the files in a root (seconds since 1970): `SOURCE_DATE_EPOCH`, or the last commit's, or a fixed one.

    A device without a clock starts at this time.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH", ""):
        return int(given)
    words = ["git", "-C", str(PROJECT), "log", "-1", "--format=%ct"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return int(told) if told else EPOCH


def board_list(board: str, name: str) -> list[str]:
    """The names in a list of a board, for instance its `modules`."""
    return kernel.wanted((PROJECT / "bsp" / board / name).read_text())


def make_slot(board: Board, root: Artefact, source: Artefact, place: Path, use: Tools) -> Slot:
    """Make both images of a board's slot in the folder `place` around the root file system tree `root`.

    Raises BuildError.
    """
    ram = make_initramfs(board.name, source, place / "initramfs.zst", use)
    verified = make_root(board, root, source, place / "slot", use)
    trees = devicetree.trees_for(board, source, use)
    boot = make_boot(board.name, source, ram, verified, trees, place / "boot")
    filesystem = make_boot_image(board, boot, place / "boot.img", use)
    return Slot(verified.path / "root.img", filesystem.path, verified, boot, filesystem)


def make_initramfs(board: str, source: Artefact, output: Path, use: Tools) -> Artefact:
    """The initramfs of a board, compressed."""
    modules = board_list(board, "initramfs-modules")

    def make(target: Path, log: Log) -> None:
        plain = target.with_suffix(".cpio")
        plain.write_bytes(initramfs.build(Kernel.find(source.path), modules, INIT, EPOCH))
        use.run(log, ["zstd", "-q", "-f", "-T0", "-12", plain, "-o", target])
        plain.unlink()

    inputs: list[Input] = [source, modules, INIT, Path(initramfs.__file__), use.root, EPOCH]
    return step(f"initramfs {board}", inputs=inputs, output=output, make=make)


def make_root(board: Board, root: Artefact, source: Artefact, output: Path, use: Tools) -> Artefact:
    """A directory with `root.img`, and the words about it on the command lines of both slots: `words-A`, `words-B`."""
    modules = board_list(board.name, "modules") + board_list(board.name, "initramfs-modules")
    when, room = source_time(), board.number("ROOT_SLOT_MB") * MIB

    def make(target: Path, log: Log) -> None:
        target.mkdir()
        tree, image = target / "tree", target / "root.img"
        # Links, not copies: nothing below changes a file in place.
        log.run(["cp", "--archive", "--link", root.path, tree])
        found = Kernel.find(source.path)
        kernel.install(found, modules, tree)
        use.run(log, ["depmod", "-b", tree / "usr", found.version])
        use.run(log, [
            "mkfs.erofs", "--quiet", f"-z{ROOT_COMPRESSION}", f"-C{CLUSTER}", f"-T{when}", f"-U{identifier('root')}",
            "-Lpilotlight", image, tree,
        ])  # fmt: skip
        shutil.rmtree(tree)
        offset = image.stat().st_size
        check_fits("the root file system", offset + verity.size(offset), room, "ROOT_SLOT_MB")
        hashed = verity.Tree(verity.parse_root(use.output(log, verity.format_command(str(image), offset))), offset)
        for slot in boot_files.CMDLINES:
            (target / f"words-{slot}").write_text(hashed.command_line(slot))

    inputs: list[Input] = [
        root, source, modules, use.root, when, ROOT_COMPRESSION, CLUSTER, room,
        Path(kernel.__file__), Path(verity.__file__),
    ]  # fmt: skip
    return step(f"root file system {board.name}", inputs=inputs, output=output, make=make)


def make_boot(
    board: str, source: Artefact, ram: Artefact, verified: Artefact, trees: Artefact | None, output: Path
) -> Artefact:
    """The directory of what the firmware finds in a boot partition."""
    home = PROJECT / "bsp" / board
    own: Sequence[Path] = [home / "cmdline", home / "config.txt"]

    def make(target: Path, log: Log) -> None:
        words, lines = own
        target.mkdir()
        shutil.copyfile(Kernel.find(source.path).image, target / boot_files.KERNEL)
        shutil.copyfile(ram.path, target / boot_files.INITRAMFS)
        text = lines.read_text() if lines.exists() else boot_files.PLAIN_CONFIG
        (target / boot_files.CONFIG).write_bytes(boot_files.config(text))
        slots = {slot: (verified.path / f"words-{slot}").read_text() for slot in boot_files.CMDLINES}
        common = " ".join(kernel.wanted(words.read_text()))
        for name, line in boot_files.command_lines(common, slots).items():
            (target / name).write_bytes(line)
            log.write(f"{name}: {line.decode().strip()}")
        for tree in sorted(trees.path.glob("*.dtb")) if trees else []:
            shutil.copyfile(tree, target / tree.name)

    inputs: list[Input] = [source, ram, verified, trees, *own, Path(boot_files.__file__)]
    return step(f"boot files {board}", inputs=inputs, output=output, make=make)


def make_boot_image(board: Board, boot: Artefact, output: Path, use: Tools) -> Artefact:
    """The FAT file system of a boot partition, as large as the partition."""
    room = board.number("BOOT_SLOT_MB") * MIB

    def make(target: Path, log: Log) -> None:
        size = sum(path.stat().st_size for path in boot.path.rglob("*") if path.is_file())
        # A tenth of the partition is room for the file system's own tables.
        check_fits("the boot files", size, room * 9 // 10, "BOOT_SLOT_MB")
        make_fat(log, use, target, room, "32", "BOOT", sorted(boot.path.iterdir()))

    return step(f"boot image {board.name}", inputs=[boot, room, use.root, EPOCH], output=output, make=make)


def make_fat(log: Log, use: Tools, target: Path, size: int, bits: str, label: str, files: Sequence[Path]) -> None:
    """Make the FAT file system `target` of `size` bytes with some files and folders in it; the same bytes each time."""
    with target.open("wb") as stream:
        stream.truncate(size)
    use.run(log, ["mkfs.vfat", "--invariant", "-F", bits, "-n", label, target], env=REPRODUCIBLE)
    use.run(log, ["mcopy", "-s", "-i", target, *files, "::"], env=REPRODUCIBLE)
