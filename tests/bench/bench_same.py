# SPDX-License-Identifier: Apache-2.0
"""Whether two builds of one commit give the same bytes: in two clones, with packages that were fetched before.

What they share is what the promise names: commit, package files, and the certificates that devices trust. Everything
else, tools included, is made twice. The first build's time is that of a clean build with a warm package cache.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from image.outputs import digest
from image.steps import PROJECT
from tests.bench.checkout import Checkout, commit, fresh_clone, this_checkout
from tests.bench.common import Row, main

BOARD = "cm5"
FETCHED = ("build/cache/pool", "build/cache/apt")
KEYS = "build/keys"
# The bundle is left out: its signature has a time, and its hash tree a salt. Its images are compared.
COMPARED = ("initramfs.zst", "boot.img", "slot/root.img", f"pilotlight-{BOARD}.img", f"pilotlight-{BOARD}.img.zst")


def lend(names: tuple[str, ...], source: Path, target: Path) -> None:
    """Copy folders of a checkout into another; those that are not there are fetched or made by the build."""
    for name in names:
        if (source / name).exists():
            shutil.copytree(source / name, target / name, symlinks=True)


def differences(one: Path, two: Path) -> list[str]:
    """Names of the compared files that are not the same in two folders."""
    return [name for name in COMPARED if digest(one / name) != digest(two / name)]


def megabytes(checkout: Checkout, pattern: str) -> float:
    """Size of the one file of the outputs that matches."""
    (path,) = (checkout.folder / "build" / BOARD / "out").glob(pattern)
    return path.stat().st_size / 1e6


def sizes(checkout: Checkout) -> list[Row]:
    """Sizes of what a build hands out."""
    return [
        Row(f"{BOARD} image, compressed", megabytes(checkout, "*.img.zst"), "MB", 330),
        Row(f"{BOARD} bundle", megabytes(checkout, "*.raucb"), "MB"),
        Row("root slot, used", (checkout.folder / f"build/{BOARD}/slot/root.img").stat().st_size / 2**20, "MiB", 512),
    ]


def run(quick: bool) -> list[Row]:
    """Build twice in fresh clones and compare; `quick` builds once, in this checkout, and tells the sizes."""
    if quick:
        with this_checkout() as checkout:
            checkout.build(BOARD)
            return sizes(checkout)
    with fresh_clone() as one, fresh_clone() as two:
        for clone in (one, two):
            lend(FETCHED, PROJECT, clone.folder)
        minutes = one.build(BOARD) / 60
        lend((KEYS,), one.folder, two.folder)
        two.build(BOARD)
        found = differences(one.folder / "build" / BOARD, two.folder / "build" / BOARD)
        return [
            Row(f"clean build of {BOARD}, packages fetched before", minutes, "min", 8, f"commit {commit()}"),
            Row("files that differ between two builds", len(found), "", 0, ", ".join(found) or f"of {len(COMPARED)}"),
            *sizes(one),
        ]


if __name__ == "__main__":
    main("same", run)
