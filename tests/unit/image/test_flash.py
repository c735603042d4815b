# SPDX-License-Identifier: Apache-2.0
"""Writing a disk: what is refused, what is asked, what is written, and that it is read back."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from image import __main__ as command
from image import blockmap, flash
from image.blockmap import BLOCK, BlockMap
from image.errors import BuildError

SIZE = 64 * BLOCK


def entry(**changes: Any) -> dict[str, Any]:
    """A disk as `lsblk` tells it."""
    plain = {
        "name": "sdb", "path": "/dev/sdb", "type": "disk", "size": 8_000_000_000, "model": "Card Reader ",
        "serial": "0042", "ro": False, "fstype": None, "label": None, "partlabel": None, "mountpoints": [None],
    }  # fmt: skip
    return {**plain, **changes}


def partition(**changes: Any) -> dict[str, Any]:
    return entry(name="sdb1", path="/dev/sdb1", type="part", model=None, serial=None, **changes)


def refused(told: dict[str, Any], needed: int = 1) -> str:
    return flash.refusal(flash.read_device(told), needed)


def test_an_unused_disk_is_written() -> None:
    assert refused(entry(children=[partition(fstype="vfat")])) == ""
    assert refused(entry(type="loop")) == ""


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (entry(type="part"), "no whole disk but a part"),
        (entry(type="lvm"), "no whole disk but a lvm"),
        (entry(ro=True), "read-only"),
        (entry(mountpoints=["/"]), r"/dev/sdb is in use \(/\)"),
        (entry(children=[partition(mountpoints=["/media/stick"])]), r"/dev/sdb1 is in use \(/media/stick\)"),
        (entry(children=[partition(mountpoints=["[SWAP]"])]), r"in use \(\[SWAP\]\)"),
        (entry(children=[partition(children=[entry(type="crypt", path="/dev/mapper/root")])]), "in use as crypt"),
        (entry(children=[entry(type="raid1", path="/dev/md0")]), "/dev/md0 on /dev/sdb is in use as raid1"),
    ],
)
def test_anything_else_is_refused_with_its_reason(told: dict[str, Any], reason: str) -> None:
    assert re.search(reason, refused(told))


def test_a_disk_that_is_too_small_is_refused() -> None:
    assert refused(entry(size=1_000_000_000), 1_448_083_456) == "/dev/sdb has 1.0 GB, and the image needs 1.4 GB"


def test_what_is_no_block_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match=r"is no disk.*Nothing was written"):
        flash.look(str(tmp_path / "file"))
    with pytest.raises(BuildError, match="there is no"):
        flash.look(str(tmp_path / "missing"))


def test_the_disk_of_this_machine_is_refused() -> None:
    """Whatever `/` is on, when that is a disk that can be seen here."""
    number = Path("/").stat().st_dev
    path = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if path.exists():
        device = flash.look(f"/dev/{path.resolve().name}")
        assert flash.refusal(device, 0) != ""


def test_what_is_lost_is_shown() -> None:
    device = flash.read_device(entry(children=[partition(fstype="ext4", label="photos", size=7_000_000_000)]))
    assert flash.describe(device) == (
        "/dev/sdb: Card Reader 0042, 8.0 GB\n    /dev/sdb1: 7.0 GB, ext4 photos"
    )  # fmt: skip


def test_the_person_types_the_name_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    device = flash.read_device(entry())
    assert flash.agreed(device, lambda question: "sdb")
    assert not flash.agreed(device, lambda question: "y")
    flash.confirm(device, yes=True)
    with pytest.raises(BuildError, match=r"nobody is there to agree.*--yes"):
        flash.confirm(device, yes=False)


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, BlockMap]:
    """An image with three written parts, and its map."""
    path = tmp_path / "image"
    content = bytearray(SIZE)
    content[0:5], content[20 * BLOCK : 20 * BLOCK + 4], content[63 * BLOCK : 63 * BLOCK + 3] = b"table", b"root", b"end"
    path.write_bytes(content)
    return path, blockmap.read(path, [(0, 2 * BLOCK), (20 * BLOCK, 8 * BLOCK), (63 * BLOCK, BLOCK)])


def used_disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"\xaa" * (SIZE + 7 * BLOCK))
    return path


def test_mapped_parts_are_written_and_the_others_left(image: tuple[Path, BlockMap], tmp_path: Path) -> None:
    source, blocks = image
    disk = used_disk(tmp_path)
    flash.write(source, blocks, disk)
    written, wanted = disk.read_bytes(), source.read_bytes()
    mapped = set[int]()
    for part in blocks.ranges:
        assert written[part.start : part.start + part.size] == wanted[part.start : part.start + part.size]
        mapped.update(range(part.start // BLOCK, (part.start + part.size) // BLOCK))
    for block in set(range(len(written) // BLOCK)) - mapped:
        assert written[block * BLOCK : (block + 1) * BLOCK] == b"\xaa" * BLOCK


def test_a_damaged_image_leaves_a_disk_that_does_not_start(image: tuple[Path, BlockMap], tmp_path: Path) -> None:
    source, blocks = image
    content = bytearray(source.read_bytes())
    content[22 * BLOCK] ^= 1
    source.write_bytes(content)
    disk = used_disk(tmp_path)
    with pytest.raises(BuildError, match=r"the image is not what its block map says.*does not start"):
        flash.write(source, blocks, disk)
    assert disk.read_bytes()[: 2 * BLOCK] == bytes(2 * BLOCK)


def test_a_disk_that_does_not_keep_what_is_written_is_found_out(
    image: tuple[Path, BlockMap], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, blocks = image
    disk = used_disk(tmp_path)

    def wear_out(descriptor: int, target: Path) -> None:
        os.pwrite(descriptor, b"\x01", 25 * BLOCK)

    monkeypatch.setattr(flash, "forget", wear_out)
    with pytest.raises(BuildError, match=r"read back differs.*at byte 81920"):
        flash.write(source, blocks, disk)


def test_a_block_map_is_read_as_it_was_written(image: tuple[Path, BlockMap]) -> None:
    _, blocks = image
    text = blockmap.text(blocks)
    assert blockmap.parse(text) == blocks
    assert "<MappedBlocksCount> 11 </MappedBlocksCount>" in text
    assert "> 20-27 </Range>" in text
    assert "> 63 </Range>" in text


@pytest.mark.parametrize("damage", [("20-27", "20-26"), ("sha256", "sha1"), ("</bmap>", ""), ("BmapFile", "Map")])
def test_a_damaged_block_map_is_refused(image: tuple[Path, BlockMap], damage: tuple[str, str]) -> None:
    text = blockmap.text(image[1]).replace(*damage)
    with pytest.raises(BuildError, match="the block map cannot be read"):
        blockmap.parse(text)


def test_lsblk_of_this_machine_is_understood() -> None:
    words = ["lsblk", "--json", "--bytes", "--output", flash.COLUMNS]
    told = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert [flash.read_device(one).path for one in told["blockdevices"]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("build cm5", (None, "cm5")),
        ("build", (None, None)),
        ("flash /dev/sdb cm5", ("/dev/sdb", "cm5")),
        ("flash --yes /dev/sdb cm5", ("/dev/sdb", "cm5")),
        ("flash /dev/sdb", ("/dev/sdb", None)),
        ("clean all", (None, "all")),
    ],
)
def test_words_of_the_command_line(line: str, told: tuple[str | None, str | None]) -> None:
    assert command.words_of(command.parser().parse_intermixed_args(line.split())) == told


@pytest.mark.parametrize(("line", "reason"), [("flash", "name the disk"), ("build a b", "one word too many")])
def test_a_wrong_number_of_words_is_refused(line: str, reason: str) -> None:
    with pytest.raises(BuildError, match=reason):
        command.words_of(command.parser().parse_intermixed_args(line.split()))


def test_clean_keeps_keys_and_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BUILD", tmp_path)
    for name in ("cache", "keys", "keys.20260101T000000Z", "cm5", "tools"):
        (tmp_path / name).mkdir()
    (tmp_path / "config").touch()
    command.clean(None)
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "config", "keys", "keys.20260101T000000Z"}
    command.clean("all")
    assert {path.name for path in tmp_path.iterdir()} == {"keys", "keys.20260101T000000Z"}
