# SPDX-License-Identifier: Apache-2.0
"""What the build hands out is true: each file is held against what is on the disk, which is opened but not started."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from image import apt, blockmap, boot_files, config, disk_layout, flash, update_settings, version
from image.lists import Package
from tests.support.handed_out import (
    MIB,
    HandedOut,
    accepted,
    board,
    boot,
    bundle,
    cut,
    disk,
    out,
    partitions,
    root,
    sha256,
    tool,
    work,
)

__all__ = ["board", "boot", "bundle", "disk", "out", "partitions", "root", "work"]

MAKERS = ("Linux", "Pilotlight", "Rauc")
ENDINGS = {".img.zst", ".bmap", ".raucb", ".spdx.json", ".licences", ".packages"}
# Raspberry Pi Imager writes disks for Raspberry Pis.
ALSO = {"cm5": {".rpi-imager-manifest"}}


def test_every_output_is_there_and_has_its_digest(out: HandedOut) -> None:
    files = {out.path(ending) for ending in ENDINGS | ALSO.get(out.board, set())}
    assert set(out.folder.iterdir()) == {out.folder / "SHA256SUMS", *files}
    listed = dict(line.split("  ")[::-1] for line in (out.folder / "SHA256SUMS").read_text().splitlines())
    assert listed == {path.name: sha256(path) for path in files}


def test_the_table_has_the_partitions_of_the_plan(board: str, partitions: dict[str, tuple[int, int]]) -> None:
    chosen = config.load(board)
    planned = disk_layout.layout(
        disk_layout.Sizes(chosen.number("BOOT_SLOT_MB"), chosen.number("ROOT_SLOT_MB"), chosen.number("DATA_MB")),
        chosen.arch,
    )
    assert partitions == {part.label: (part.start, part.size) for part in planned}
    assert list(partitions) == ["bootcfg", "boot-a", "boot-b", "root-a", "root-b", "data"]


def test_the_choice_of_the_slot_is_one_sector(disk: Path, partitions: dict[str, tuple[int, int]], work: Path) -> None:
    part = cut(disk, *partitions["bootcfg"], work / "bootcfg")
    tool("mcopy", "-i", part, "::autoboot.txt", work / "autoboot.txt")
    content = (work / "autoboot.txt").read_bytes()
    assert content == boot_files.autoboot("A")
    start = part.read_bytes().index(content)
    assert start % 512 == 0
    assert part.read_bytes()[38 + 5 : 38 + 16] == b"BOOTCFG    "


def test_the_boot_partition_starts_the_root_beside_it(
    boot: Path, disk: Path, partitions: dict[str, tuple[int, int]], work: Path, root: Path
) -> None:
    text = (boot / "config.txt").read_text()
    for number, slot in ((2, "A"), (3, "B")):
        line = (boot / boot_files.chosen_cmdline(text, number)).read_text()
        words = dict(word.partition("=")[::2] for word in line.split())
        assert words["pilotlight.slot"] == words["rauc.slot"] == slot
        part, offset = work / "root-a", words["pilotlight.hash_offset"]
        tool("veritysetup", "verify", f"--hash-offset={offset}", part, part, words["roothash"])
    assert {path.name for path in boot.iterdir()} >= {"config.txt", "vmlinuz", "initramfs.zst"}


def test_the_block_map_covers_whatever_is_written(out: HandedOut, disk: Path) -> None:
    blocks = blockmap.parse(out.path(".bmap").read_text())
    assert blocks.size == disk.stat().st_size
    position = 0
    with disk.open("rb") as stream:
        for part in [*blocks.ranges, blockmap.Range(blocks.size, 0, "")]:
            # What is left out holds nothing.
            stream.seek(position)
            while position < part.start:
                block = stream.read(min(MIB, part.start - position))
                assert not block.strip(b"\0"), f"the map leaves out what is written near byte {position}"
                position += len(block)
            if part.size:
                assert hashlib.sha256(stream.read(part.size)).hexdigest() == part.sha256
                position = part.start + part.size
    assert blocks.mapped < blocks.size // 2


def test_the_bundle_brings_what_is_on_the_disk(board: str, bundle: Path, work: Path, boot: Path, root: Path) -> None:
    assert sha256(bundle / "boot.img") == sha256(work / "boot-a")
    size = (bundle / "root.img").stat().st_size
    with (work / "root-a").open("rb") as stream:
        assert sha256(bundle / "root.img") == hashlib.sha256(stream.read(size)).hexdigest()
        assert not stream.read().strip(b"\0")
    manifest = (bundle / "manifest.raucm").read_text()
    assert f"compatible={update_settings.compatible(board)}\n" in manifest
    assert manifest.count("adaptive=block-hash-index") == 2


def test_the_bundle_is_signed_for_this_root(out: HandedOut, root: Path, work: Path) -> None:
    told = tool("rauc", *accepted(root), "info", out.path(".raucb"))
    assert re.search(r"Bundle Format:\s+verity", told)
    assert "Certificate Chain:" in told


def test_nobody_else_trusts_the_bundle(out: HandedOut, root: Path, work: Path) -> None:
    stranger = work / "stranger.crt"
    tool(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
        "-keyout", work / "stranger.key", "-out", stranger,
    )  # fmt: skip
    with pytest.raises(AssertionError, match="signature verification failed"):
        tool("rauc", *accepted(root, stranger), "info", out.path(".raucb"))


def test_the_root_says_which_version_it_is_and_what_it_accepts(root: Path, out: HandedOut) -> None:
    number = version.of_image(config.load(out.board).config)
    assert out.stem == f"pilotlight-{out.board}-{number}"
    assert f'IMAGE_VERSION="{number}"\n' in (root / "usr/lib/os-release").read_text()
    assert (root / update_settings.SYSTEM).read_text() == update_settings.system_conf(out.board)
    assert (root / "usr/bin/rauc").stat().st_mode & 0o111


def test_the_lists_name_what_is_in_the_root(root: Path, out: HandedOut) -> None:
    installed = {line.split()[0] for line in (root / "usr/share/pilotlight/packages").read_text().splitlines()}
    listed = {line.split()[0] for line in out.path(".packages").read_text().splitlines()}
    assert installed <= listed
    told = json.loads(out.path(".spdx.json").read_text())
    bill = {f"{part['name']}={part['versionInfo']}" for part in told["packages"]}
    assert listed <= bill
    # Every package that left its documents in the root is in the bill.
    names = {part["name"] for part in told["packages"]}
    documents = {path.name for path in (root / "usr/share/doc").iterdir() if (path / "copyright").exists()}
    assert documents - names == set()
    built = {path.name.partition(".")[0] for path in root.glob("usr/lib/modules/*/updates/*.ko*")}
    ours = {
        part["name"] for part in told["packages"] if part.get("supplier") in (f"Organization: {who}" for who in MAKERS)
    }
    assert ours == built | {"pilotlight", "rauc"}
    licences = out.path(".licences").read_text()
    assert all(f"\n{line.replace('=', ' ', 1)}: " in licences for line in listed)


def test_the_bill_has_the_digests_of_what_was_fetched(out: HandedOut) -> None:
    told = json.loads(out.path(".spdx.json").read_text())
    debian = [part for part in told["packages"] if part.get("supplier") == "Organization: Debian"]
    assert len(debian) > 100
    lock = apt.lock()
    for part in debian:
        (digest,) = part["checksums"]
        arch = part["SPDXID"].rpartition("-")[2]
        package = Package(part["name"], arch, part["versionInfo"], digest["checksumValue"])
        assert sha256(apt.POOL / apt.pool_name(package)) == package.sha256
        # The mirror may have gone on since the lock was written.
        locked = lock.get((package.name, arch))
        assert locked is None or locked.version != package.version or locked == package


def test_everything_the_initramfs_starts_is_in_the_bill(boot: Path, work: Path, out: HandedOut) -> None:
    (work / "initramfs").mkdir()
    plain = work / "initramfs.cpio"
    tool("zstd", "-q", "-d", boot / "initramfs.zst", "-o", plain)
    listing = tool("cpio", "--list", "--quiet", "--file", plain).splitlines()
    names = {part["name"] for part in json.loads(out.path(".spdx.json").read_text())["packages"]}
    owner = {
        "usr/bin/busybox": "busybox-static",
        "usr/sbin/veritysetup": "cryptsetup-bin",
        "libcryptsetup.so.12": "libcryptsetup12",
        "libc.so.6": "libc6",
        "libcrypto.so.3": "libssl3t64",
        "libdevmapper.so.1.02.1": "libdevmapper1.02.1",
    }
    for file, package in owner.items():
        assert any(line == file or line.endswith(f"/{file}") for line in listing), file
        assert package in names, package
    assert any(name.startswith("linux-binary-") for name in names)
    assert any(name.startswith("linux-modules-") for name in names)


def test_a_disk_written_by_the_map_is_the_image(out: HandedOut, disk: Path, work: Path) -> None:
    """As on a used medium: everything that counts is there afterwards, whatever was there before."""
    medium = work / "medium"
    with medium.open("wb") as stream:
        for _ in range(disk.stat().st_size // MIB + 8):
            stream.write(b"\xa5" * MIB)
    blocks = blockmap.parse(out.path(".bmap").read_text())
    flash.write(disk, blocks, medium)
    table = json.loads(tool("sfdisk", "--json", medium))["partitiontable"]
    data = next(part for part in table["partitions"] if part["name"] == "data")
    part = cut(medium, data["start"] * 512, data["size"] * 512, work / "data")
    tool("e2fsck", "-f", "-n", part)
    shutil.rmtree(work / "initramfs", ignore_errors=True)
    medium.unlink()
