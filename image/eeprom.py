# SPDX-License-Identifier: Apache-2.0
"""The emulated machine's firmware at work: takes kernel, initramfs and command line out of the disk it starts from."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image import boot_files, firmware
from image.disk_layout import SECTOR
from image.errors import BuildError
from image.firmware import Start, Unbootable
from image.steps import PROJECT
from image.tools import Tools, environment

BOOT_CONFIGURATION = 1  # number of the partition with `autoboot.txt`
TIMEOUT = 120.0  # seconds for one of its steps; on an idle machine it takes one at most
BLOCK = 1 << 20


@dataclass(frozen=True)
class Loaded:
    """What a start begins with. `device_tree` is None where the machine has none."""

    start: Start
    kernel: Path
    initramfs: Path
    cmdline: str
    device_tree: Path | None


@dataclass(frozen=True)
class Eeprom:
    """The firmware of a machine: `layer` is its disk, `work` a folder of its own, both in the project."""

    use: Tools
    layer: Path
    work: Path

    def load(self, flag: bool, tree_source: Sequence[str]) -> Loaded:
        """Choose and load; `flag` is the one-shot flag, `tree_source` the words of a QEMU that has a device tree.

        Raises Unbootable when the disk does not hold what is needed, BuildError when it cannot be read.
        """
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        table = firmware.partitions(self.read(0, firmware.TABLE_SECTORS * SECTOR, "table").read_bytes())
        start = firmware.choose(self.text(self.partition(table, BOOT_CONFIGURATION), boot_files.AUTOBOOT), flag)
        boot = self.partition(table, start.partition)
        names = firmware.loading(self.text(boot, boot_files.CONFIG), start)
        cmdline = self.text(boot, names.cmdline).strip()
        kernel, initramfs = self.file(boot, names.kernel), self.file(boot, names.initramfs)
        boot.unlink()
        if not tree_source:
            return Loaded(start, kernel, initramfs, " ".join([cmdline, *firmware.words(start)]), None)
        return Loaded(start, kernel, initramfs, cmdline, self.device_tree(tree_source, start))

    def read(self, first: int, size: int, name: str) -> Path:
        """Copy `size` bytes of the disk from byte `first` on into a file. Both are whole sectors."""
        block = next(block for block in (BLOCK, SECTOR) if first % block == 0 and size % block == 0)
        target = self.work / name
        # What `count` counts begins at the start of the disk, whatever `skip` says.
        self._run([
            "qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", f"bs={block}", f"skip={first // block}",
            f"count={(first + size) // block}", f"if={self.layer}", f"of={target}",
        ])  # fmt: skip
        if target.stat().st_size != size:
            raise BuildError(f"{target.stat().st_size} bytes of {size} could be read from the disk at {first}")
        return target

    def partition(self, table: dict[int, tuple[int, int]], number: int) -> Path:
        """The content of a partition in a file. Raises Unbootable when there is none of that number."""
        if number not in table:
            raise Unbootable(f"the disk has no partition {number}")
        return self.read(*table[number], name=f"partition-{number}")

    def file(self, filesystem: Path, name: str) -> Path:
        """A file of a FAT file system. Raises Unbootable when it is not there."""
        target = self.work / f"{filesystem.name}-{name}"
        try:
            self._run(["mcopy", "-n", "-i", filesystem, f"::{name}", target])
        except BuildError as error:
            raise Unbootable(f"{filesystem.name} has no {name}: {error}") from None
        return target

    def text(self, filesystem: Path, name: str) -> str:
        """A text file of a FAT file system. Raises Unbootable when it is not there."""
        return self.file(filesystem, name).read_text("ascii", "replace")

    def device_tree(self, source: Sequence[str], start: Start) -> Path:
        """The machine's device tree, with what the firmware tells the kernel about the start."""
        target = self.work / "device-tree"
        self._run([*source, "-machine", f"dumpdtb={target}"])
        node = "/chosen/bootloader"
        self._run(["fdtput", "-p", "-t", "u", target, node, "partition", str(start.partition)])
        self._run(["fdtput", "-t", "u", target, node, "tryboot", str(int(start.tryboot))])
        return target

    def remove(self) -> None:
        """Remove what was loaded last."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _run(self, words: Sequence[str | Path]) -> None:
        done = subprocess.run(
            self.use.argv(words), cwd=PROJECT, env={**environment(), "MTOOLS_SKIP_CHECK": "1"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=TIMEOUT,
        )  # fmt: skip
        if done.returncode != 0:
            raise BuildError(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-400:]}")
