# SPDX-License-Identifier: Apache-2.0
"""Flashing a real block device: a loop device of this machine, which is as whole a disk as any."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from image import blockmap, flash
from image.blockmap import BLOCK, BlockMap
from image.disk_layout import MIB
from image.errors import BuildError

SIZE = 8 * MIB


def host(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, BlockMap]:
    path = tmp_path / "image"
    path.write_bytes(os.urandom(SIZE))
    return path, blockmap.read(path, [(0, MIB), (5 * MIB, 2 * MIB), (SIZE - BLOCK, BLOCK)])


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """A loop device with a file system over all of it."""
    backing = tmp_path / "medium"
    backing.write_bytes(b"\xaa" * (SIZE + MIB))
    host("mke2fs", "-q", "-t", "ext4", backing)
    path = host("losetup", "--find", "--show", backing)
    try:
        yield path
    finally:
        host("losetup", "--detach", path)


def test_a_device_holds_the_image_afterwards(image: tuple[Path, BlockMap], device: str) -> None:
    source, blocks = image
    flash.flash(source, blocks, device, yes=True)
    written, wanted = Path(device).read_bytes(), source.read_bytes()
    for part in blocks.ranges:
        assert written[part.start : part.start + part.size] == wanted[part.start : part.start + part.size]


def test_a_mounted_device_is_left_alone(image: tuple[Path, BlockMap], device: str, tmp_path: Path) -> None:
    source, blocks = image
    place = tmp_path / "mounted"
    place.mkdir()
    host("mount", device, place)
    try:
        before = Path(device).read_bytes()
        with pytest.raises(BuildError, match=rf"in use \({place}\).*Nothing was written"):
            flash.flash(source, blocks, device, yes=True)
        # Nor does the kernel let it through, were it not seen.
        with pytest.raises(BuildError, match="cannot be written"):
            flash.write(source, blocks, Path(device))
        assert Path(device).read_bytes()[BLOCK:] == before[BLOCK:]
    finally:
        host("umount", place)


def test_a_device_that_is_too_small_is_left_alone(image: tuple[Path, BlockMap], device: str) -> None:
    source, blocks = image
    larger = BlockMap(SIZE + 2 * MIB, blocks.ranges)
    with pytest.raises(BuildError, match=r"the image needs 10\.5 MB\. Nothing was written"):
        flash.flash(source, larger, device, yes=True)
