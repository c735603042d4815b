# SPDX-License-Identifier: Apache-2.0
"""From a root file system to the whole disk of a board, and its compressed form for download.

Every identifier is fixed and every time is the same, so that the same inputs give the same bytes. The disk file is
sparse: only what is not zero takes space.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from image import apt, initramfs, kernel, verity
from image.config import Board
from image.disk_layout import MIB, Sizes, check_fits, disk_size, identifier, layout, place, table
from image.kernel import Kernel
from image.steps import BUILD, CACHE, PROJECT, Artefact, Input, Log, step
from image.tools import Tools, tools

INIT = PROJECT / "image" / "init.sh"
EPOCH = 1767225600  # 2026-01-01: the time of everything beside the root file system
REPRODUCIBLE = {"SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH), "MTOOLS_SKIP_CHECK": "1"}
UNPACK = 'into=$1; shift; for package; do dpkg-deb --extract "$package" "$into" || exit; done'

CLUSTER = 65536  # bytes of a root file system that are compressed together
ROOT_COMPRESSION = "lz4hc,9"
DOWNLOAD_COMPRESSION = "-9"


@dataclass(frozen=True)
class Disk:
    """A built disk: `image` sparse, `download` compressed; `boot` is the directory of slot A's boot files."""

    board: str
    arch: str
    image: Artefact
    download: Artefact
    boot: Artefact


def board_list(board: str, name: str) -> list[str]:
    """The names in a list of a board, for instance its `modules`."""
    return kernel.wanted((PROJECT / "bsp" / board / name).read_text())


def source_time() -> int:
    """The time of the files in a root (seconds since 1970): `SOURCE_DATE_EPOCH`, or the last commit's, or a fixed one.

    A device without a clock starts at this time.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH", ""):
        return int(given)
    words = ["git", "-C", str(PROJECT), "log", "-1", "--format=%ct"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return int(told) if told else EPOCH


def build(chosen: Board, root: Artefact) -> Disk:
    """Make the disk of a board around the root file system tree `root`. Raises BuildError."""
    use = tools("disk")
    board, arch, place_of = chosen.name, chosen.arch, BUILD / chosen.name
    sizes = Sizes(chosen.number("BOOT_SLOT_MB"), chosen.number("ROOT_SLOT_MB"), chosen.number("DATA_MB"))
    source = unpack_kernel(arch, use)
    ram = make_initramfs(board, source, place_of / "initramfs.zst", use)
    slot = make_root(board, root, source, place_of / "slot", sizes, use)
    boot = make_boot(board, source, ram, slot, place_of / "boot")
    image = make_disk(board, arch, boot, slot, place_of / f"pilotlight-{board}.img", sizes, use)
    download = step(
        f"compressed disk {board}",
        inputs=[image, DOWNLOAD_COMPRESSION, use.root],
        output=image.path.with_suffix(".img.zst"),
        make=lambda target, log: use.run(
            log, ["zstd", "-q", "-f", "-T0", "--long=27", DOWNLOAD_COMPRESSION, image.path, "-o", target]
        ),
    )
    return Disk(board, arch, image, download, boot)


def unpack_kernel(arch: str, use: Tools) -> Artefact:
    """The kernel, its modules and the programs of the initramfs, unpacked but not installed."""
    packages = apt.fetch("boot", ["boot"], arch, base=False)

    def make(target: Path, log: Log) -> None:
        target.mkdir()
        use.run(log, ["sh", "-c", UNPACK, "unpack", target, *sorted(packages.path.glob("*.deb"))])
        use.run(log, ["depmod", "-b", target / "usr", Kernel.find(target).version])

    return step(f"kernel {arch}", inputs=[packages, UNPACK], output=CACHE / f"kernel-{arch}", make=make)


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


def make_root(board: str, root: Artefact, source: Artefact, output: Path, sizes: Sizes, use: Tools) -> Artefact:
    """What a root slot holds (`root.img`) and the command line's words about it (`cmdline`), in a directory."""
    modules = board_list(board, "modules") + board_list(board, "initramfs-modules")
    when = source_time()

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
        check_fits("the root file system", offset + verity.size(offset), sizes.root * MIB, "ROOT_SLOT_MB")
        hashed = verity.Tree(verity.parse_root(use.output(log, verity.format_command(str(image), offset))), offset)
        (target / "cmdline").write_text(hashed.command_line("A") + "\n")

    inputs: list[Input] = [
        root, source, modules, use.root, when, ROOT_COMPRESSION, CLUSTER, sizes.root,
        Path(kernel.__file__), Path(verity.__file__),
    ]  # fmt: skip
    return step(f"root file system {board}", inputs=inputs, output=output, make=make)


def make_boot(board: str, source: Artefact, ram: Artefact, slot: Artefact, output: Path) -> Artefact:
    """The boot files of slot A in a directory: `vmlinuz`, `initramfs.zst`, `cmdline.txt`."""
    words = PROJECT / "bsp" / board / "cmdline"

    def make(target: Path, log: Log) -> None:
        target.mkdir()
        shutil.copyfile(Kernel.find(source.path).image, target / "vmlinuz")
        shutil.copyfile(ram.path, target / "initramfs.zst")
        line = [*kernel.wanted(words.read_text()), (slot.path / "cmdline").read_text().strip()]
        (target / "cmdline.txt").write_text(" ".join(line) + "\n")
        log.write(" ".join(line))

    return step(f"boot files {board}", inputs=[source, ram, slot, words], output=output, make=make)


def make_disk(
    board: str, arch: str, boot: Artefact, slot: Artefact, output: Path, sizes: Sizes, use: Tools
) -> Artefact:
    """The whole disk as a sparse file."""
    partitions = layout(sizes, arch)

    def make(target: Path, log: Log) -> None:
        parts = {name: target.with_suffix(f".{name}") for name in ("boot-a", "data")}
        room = {part.label: part.size for part in partitions}
        files = sorted(boot.path.iterdir())
        # A tenth of the partition is room for the file system's own tables.
        check_fits("the boot files", sum(f.stat().st_size for f in files), room["boot-a"] * 9 // 10, "BOOT_SLOT_MB")
        for name, path in parts.items():
            with path.open("wb") as stream:
                stream.truncate(room[name])
        use.run(log, ["mkfs.vfat", "--invariant", "-F", "32", "-n", "BOOT-A", parts["boot-a"]], env=REPRODUCIBLE)
        use.run(log, ["mcopy", "-i", parts["boot-a"], *files, "::"], env=REPRODUCIBLE)
        use.run(log, [
            "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-L", "data", "-U", identifier("data"),
            "-E", f"hash_seed={identifier('data hash')}", parts["data"],
        ], env=REPRODUCIBLE)  # fmt: skip
        with target.open("wb") as stream:
            stream.truncate(disk_size(partitions))
        log.run(use.argv(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", target]), stdin=table(partitions))
        for part in partitions:
            content = slot.path / "root.img" if part.label == "root-a" else parts.get(part.label)
            if content:
                place(target, content, part.start)
        for path in parts.values():
            path.unlink()

    inputs: list[Input] = [boot, slot, [f"{part}" for part in partitions], use.root, EPOCH, Path(__file__)]
    return step(f"disk {board}", inputs=inputs, output=output, make=make)
