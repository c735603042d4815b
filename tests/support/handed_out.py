# SPDX-License-Identifier: Apache-2.0
"""What a build hands out as fixtures, for one board after the other: the disk unpacked, what is on it, the bundle."""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image import disk_layout, update_settings
from image.steps import BUILD, PROJECT
from image.tools import environment, tools

BOARDS = ("qemu-arm64", "cm5")
MIB = disk_layout.MIB


@dataclass(frozen=True)
class HandedOut:
    """A board's folder of files, and what their names begin with."""

    board: str
    folder: Path
    stem: str

    def path(self, ending: str) -> Path:
        """The file with an ending, such as `.bmap`."""
        return self.folder / (self.stem + ending)


def tool(*words: str | Path) -> str:
    """Run a program of the tools root."""
    done = subprocess.run(
        tools("disk").argv(words), cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cut(disk: Path, start: int, size: int, target: Path) -> Path:
    """Copy a part of a disk into a file of its own, with holes where it is zero."""
    with disk.open("rb") as source, target.open("wb") as sink:
        source.seek(start)
        for _ in range(size // MIB):
            block = source.read(MIB)
            if block.strip(b"\0"):
                sink.write(block)
            else:
                sink.seek(MIB, 1)
        sink.truncate(size)
    return target


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def accepted(root: Path, keyring: Path | None = None) -> list[str]:
    """The settings of the root: what it trusts, and for what. Its place for data is not there."""
    settings = root.parent / "system.conf"
    text = (root / update_settings.SYSTEM).read_text()
    settings.write_text(text.replace(f"data-directory={update_settings.DATA}\n", ""))
    return [f"--conf={settings}", f"--keyring={keyring or root / update_settings.KEYRING}"]


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest) -> str:
    """The name of the board; a module that is about one alone has a fixture of its own."""
    return str(request.param)


@pytest.fixture(scope="module")
def out(board: str) -> HandedOut:
    folder = BUILD / board / "out"
    assert folder.exists(), f"build first: ./build-image.sh build {board}"
    (image,) = folder.glob("*.img.zst")
    return HandedOut(board, folder, image.name.removesuffix(".img.zst"))


@pytest.fixture(scope="module")
def work(board: str) -> Iterator[Path]:
    """A folder that the tools root sees."""
    with tempfile.TemporaryDirectory(dir=BUILD / board, prefix="opened-") as place:
        yield Path(place)


@pytest.fixture(scope="module")
def disk(out: HandedOut, work: Path) -> Path:
    """The download, unpacked."""
    tool("zstd", "-q", "-d", "--long=27", "--sparse", out.path(".img.zst"), "-o", work / "disk")
    return work / "disk"


@pytest.fixture(scope="module")
def partitions(disk: Path) -> dict[str, tuple[int, int]]:
    """Start and size of each partition in the table, in bytes, by label, in order."""
    told = json.loads(tool("sfdisk", "--json", disk))["partitiontable"]
    assert told["label"] == "gpt"
    return {part["name"]: (part["start"] * 512, part["size"] * 512) for part in told["partitions"]}


@pytest.fixture(scope="module")
def root(disk: Path, partitions: dict[str, tuple[int, int]], work: Path) -> Path:
    """The root file system of slot A, unpacked."""
    part = cut(disk, *partitions["root-a"], work / "root-a")
    (work / "root").mkdir()
    tool("fsck.erofs", f"--extract={work / 'root'}", "--overwrite", "--no-preserve-owner", part)
    return work / "root"


@pytest.fixture(scope="module")
def boot(disk: Path, partitions: dict[str, tuple[int, int]], work: Path) -> Path:
    """The files of boot partition A."""
    part = cut(disk, *partitions["boot-a"], work / "boot-a")
    (work / "boot").mkdir()
    tool("mcopy", "-s", "-i", part, "::*", work / "boot")
    return work / "boot"


@pytest.fixture(scope="module")
def bundle(out: HandedOut, work: Path, root: Path) -> Path:
    """The bundle, unpacked; it must carry a signature that the root of the disk accepts."""
    tool("rauc", *accepted(root), "extract", out.path(".raucb"), work / "bundle")
    return work / "bundle"
